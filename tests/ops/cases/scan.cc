// Cases of the selective scan: one and several groups, more channels than a vector, lengths around the chunk of 64.
#include "tests/ops/op_case.h"

namespace galago::test {
namespace {

struct SelectiveScanCase : OpCase {
  int64_t groups, states;
  SelectiveScanCase(int64_t groups, int64_t states) : groups(groups), states(states) {}
  Op op() const override { return Op::SelectiveScan; }
  std::string variant() const override { return std::to_string(groups) + "x" + std::to_string(states); }
  std::vector<Shape> shapes() const override {  // batch, channels of a group, length
    return {{1, 1, 1}, {2, 3, 7}, {1, 17, 33}, {0, 2, 5}, {1, 2, 0}, {2, 33, 65}, {1, 48, 200}};
  }
  Value build(Graph& g, Inputs& in) const override {
    const Shape& s = in.shape();
    const int64_t channels = s[1] * groups;
    Value u = in.f32({s[0], channels, s[2]}, Range{-1, 1}), delta = in.f32({s[0], channels, s[2]}, Range{0.01, 0.5});
    Value a = in.weight({channels, states}, {-4, -0.1});
    Value b = in.f32({s[0], groups, states, s[2]}, Range{-1, 1}),
          c = in.f32({s[0], groups, states, s[2]}, Range{-1, 1});
    return selective_scan(g, u, delta, a, b, c, in.weight({channels}));
  }
  double tolerance() const override { return 3e-6; }  // a decaying recurrence: errors fade, then 16 states are added
  std::vector<Shape> gradient_shapes() const override { return {{1, 3, 5}}; }
};
OP_CASE(SelectiveScanCase, 1, 16);
OP_CASE(SelectiveScanCase, 2, 1);
OP_CASE(SelectiveScanCase, 3, 7);

}  // namespace
}  // namespace galago::test
