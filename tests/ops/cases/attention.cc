// Cases of attention: whole sequences and caches, groups of heads, windows, masks; sizes around the tile of 64 keys.
#include <limits>

#include "tests/ops/op_case.h"

namespace galago::test {
namespace {

enum class Mask { None, Shared, EachBatch };

struct Setup {
  const char* name;
  bool causal = false;
  int window = 0;
  bool cache = false;  // keys and values are states longer than what is valid
  DType dtype = DType::F32;
  Mask mask = Mask::None;
  int64_t heads_a_group = 1;
  bool append = false;  // the new keys and values come through kv_append
};

struct AttentionCase : OpCase {
  Setup setup;
  explicit AttentionCase(Setup setup) : setup(setup) {}
  Op op() const override { return Op::Attention; }
  std::string variant() const override { return setup.name; }
  std::vector<Shape> shapes() const override {  // batch, queries, keys before them, key/value heads, d, dv
    if (setup.dtype == DType::Q8_0)             // whole blocks
      return {{1, 1, 7, 2, 32, 64}, {2, 3, 4, 1, 64, 32}, {1, 33, 130, 2, 96, 96}, {1, 1, 300, 2, 128, 64},
              {1, 4, 1100, 3, 32, 32}};
    return shapes_of_any_width();
  }

  static std::vector<Shape> shapes_of_any_width() {  // batch, queries, keys before them, key/value heads, d, dv
    return {{1, 1, 0, 1, 1, 1},    {1, 1, 7, 2, 5, 3},      {2, 3, 4, 1, 8, 17},    {1, 7, 0, 2, 33, 16},
            {0, 3, 0, 1, 4, 4},    {1, 0, 3, 1, 4, 4},      {1, 17, 48, 2, 16, 16}, {1, 2, 200, 2, 64, 80},
            {2, 70, 0, 3, 24, 33}, {1, 33, 130, 2, 72, 72}, {1, 1, 300, 2, 64, 64},
            {2, 3, 1100, 3, 64, 96}};
  }

  Value build(Graph& g, Inputs& in) const override {
    const Shape& s = in.shape();
    const int64_t past = s[2], keys = s[1] + past, room = setup.cache ? keys + 5 : keys;
    const Value start = setup.cache ? in.i32({1}, {static_cast<int32_t>(past)}) : Value{};
    Value q = in.f32({s[0], s[1], s[3] * setup.heads_a_group, s[4]});
    auto cache = [&](int64_t d) {
      const Shape shape{s[0], room, s[3], d};
      if (!setup.cache) return in.f32(shape);
      Value state = in.state(shape, setup.dtype);
      return setup.append ? kv_append(g, state, in.f32({s[0], s[1], s[3], d}), start) : state;
    };
    Value k = cache(s[4]), v = cache(s[5]);
    AttentionOptions options{.scale = 0.3f, .causal = setup.causal, .window = setup.window};
    options.past = start;
    if (setup.mask == Mask::Shared) options.mask = mask(in, {s[1], room});
    if (setup.mask == Mask::EachBatch) options.mask = mask(in, {s[0], s[1], room});
    return attention(g, q, k, v, options);
  }

  // One score in four is forbidden; all of the first query.
  static Value mask(Inputs& in, const Shape& shape) {
    std::vector<float> values(shape.elements());
    for (size_t i = 0; i < values.size(); ++i) {
      const bool forbidden = static_cast<int64_t>(i) < shape.last() || in.rng().below(4) == 0;
      values[i] = forbidden ? -std::numeric_limits<float>::infinity() : static_cast<float>(in.rng().uniform(-1, 1));
    }
    return in.f32(shape, values);
  }

  double tolerance() const override { return 1e-5; }  // scores up to 20 in f32: exp turns 1e-6 of them into 1e-6 each
  std::vector<Shape> gradient_shapes() const override { return {{1, 3, 0, 2, 5, 3}, {2, 2, 3, 1, 4, 4}}; }
  bool differentiable() const override { return !setup.cache; }
};
OP_CASE(AttentionCase, Setup{.name = "full"});
OP_CASE(AttentionCase, Setup{.name = "causal", .causal = true});
OP_CASE(AttentionCase, Setup{.name = "grouped", .causal = true, .heads_a_group = 3});
OP_CASE(AttentionCase, Setup{.name = "many_heads_a_group", .causal = true, .heads_a_group = 71});
OP_CASE(AttentionCase, Setup{.name = "window", .causal = true, .window = 5});
OP_CASE(AttentionCase, Setup{.name = "window_not_causal", .window = 5});
OP_CASE(AttentionCase, Setup{.name = "mask", .mask = Mask::Shared, .heads_a_group = 2});
OP_CASE(AttentionCase, Setup{.name = "mask_each_batch", .causal = true, .mask = Mask::EachBatch});
OP_CASE(AttentionCase, Setup{.name = "cache", .causal = true, .cache = true});
OP_CASE(AttentionCase, Setup{.name = "cache_not_causal", .cache = true});
OP_CASE(AttentionCase,
        Setup{.name = "cache_f16", .causal = true, .cache = true, .dtype = DType::F16, .heads_a_group = 4});
OP_CASE(AttentionCase,
        Setup{.name = "cache_q8_0", .causal = true, .cache = true, .dtype = DType::Q8_0, .heads_a_group = 4});
OP_CASE(AttentionCase, Setup{.name = "cache_q8_0_append",
                             .causal = true,
                             .window = 70,
                             .cache = true,
                             .dtype = DType::Q8_0,
                             .append = true});
OP_CASE(AttentionCase, Setup{.name = "cache_f16_window_mask",
                             .causal = true,
                             .window = 70,
                             .cache = true,
                             .dtype = DType::F16,
                             .mask = Mask::Shared});

}  // namespace
}  // namespace galago::test
