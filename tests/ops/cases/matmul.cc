// Cases of matmul: batched or with one b for all, plain or transposed.
#include "tests/ops/op_case.h"

namespace galago::test {
namespace {

struct MatmulCase : OpCase {
  bool transpose_b, shared_b;
  MatmulCase(bool transpose_b, bool shared_b) : transpose_b(transpose_b), shared_b(shared_b) {}
  Op op() const override { return Op::Matmul; }
  std::string variant() const override {
    return std::string(transpose_b ? "transposed" : "plain") + (shared_b ? "_shared" : "");
  }
  std::vector<Shape> shapes() const override {  // batch, m, k, n
    return {{1, 1, 1, 1}, {2, 3, 7, 5}, {3, 1, 33, 17},  {0, 2, 3, 4},     {2, 0, 3, 4},
            {2, 3, 0, 4}, {2, 3, 4, 0}, {3, 17, 33, 65}, {2, 100, 60, 130}};
  }
  Value build(Graph& g, Inputs& in) const override {
    const Shape& s = in.shape();
    const int64_t rows = transpose_b ? s[3] : s[2], columns = transpose_b ? s[2] : s[3];
    Value a = in.f32({s[0], s[1], s[2]}, Range{-1, 1});
    Value b = shared_b ? in.f32({rows, columns}, Range{-1, 1}) : in.f32({s[0], rows, columns}, Range{-1, 1});
    return matmul(g, a, b, transpose_b);
  }
  double tolerance() const override { return 5e-6; }  // up to 60 products of at most 1, added in f32
};
OP_CASE(MatmulCase, false, false);
OP_CASE(MatmulCase, true, false);
OP_CASE(MatmulCase, false, true);
OP_CASE(MatmulCase, true, true);

}  // namespace
}  // namespace galago::test
