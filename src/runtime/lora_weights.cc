#include "runtime/lora_weights.h"

#include <cstring>
#include <set>

#include "base/error.h"
#include "formats/printable.h"

namespace galago {
namespace {

constexpr std::string_view kWeight = ".weight";

// Two matrices whose product is added to a weight [out, in].
struct Factors {
  Tensor a;  // [rank, in]
  Tensor b;  // [out, rank]
  int64_t rank() const { return a.shape()[0]; }
};

Tensor scaled(const Tensor& matrix, float factor) {
  Tensor from = to_f32(matrix), to = Tensor::make(DType::F32, matrix.shape());
  for (size_t i = 0; i < to.f32().size(); ++i) to.f32()[i] = factor * from.f32()[i];
  return to;
}

// Of a stored tensor, turned to how the weight reads it: (B A)^T = A^T B^T.
Factors factors_of(const LoraPair& pair, const StoredAs& as) {
  if (pair.a.shape().rank() != 2 || pair.b.shape().rank() != 2)
    throw unsupported("{} is a convolution; only linear layers take an adapter apart: merge it with --lora",
                      printable(pair.target));
  const float scale = pair.scale / as.scale;
  if (pair.transposed == as.transposed) return {to_f32(pair.a), scaled(pair.b, scale)};
  return {transposed_f32(pair.b), scaled(transposed_f32(pair.a), scale)};
}

void copy_block(const Tensor& from, Tensor& to, int64_t row, int64_t col) {
  const int64_t n_rows = from.shape()[0], n_cols = from.shape()[1];
  for (int64_t i = 0; i < n_rows; ++i)
    std::copy_n(from.f32().begin() + i * n_cols, n_cols, to.f32().begin() + (row + i) * to.shape()[1] + col);
}

// Updates of the rows from `row` on of a taller weight [n_out, in], with those before them.
Factors joined(const Factors& left, const Factors& right, int64_t row, int64_t n_out) {
  const int64_t rank = left.rank() + right.rank(), n_in = right.a.shape()[1];
  Factors both{Tensor::make(DType::F32, {rank, n_in}), Tensor::make(DType::F32, {n_out, rank})};
  std::memset(both.b.bytes(), 0, both.b.n_bytes());
  copy_block(left.a, both.a, 0, 0);
  copy_block(right.a, both.a, left.rank(), 0);
  copy_block(left.b, both.b, 0, 0);
  copy_block(right.b, both.b, row, left.rank());
  return both;
}

Factors none(int64_t n_out, int64_t n_in) {
  return {Tensor::make(DType::F32, {0, n_in}), Tensor::make(DType::F32, {n_out, 0})};
}

Tensor picked_rows(const Tensor& b, const std::vector<int32_t>& rows) {
  if (rows.empty()) return b;
  Tensor picked = Tensor::make(DType::F32, {std::ssize(rows), b.shape()[1]});
  for (size_t i = 0; i < rows.size(); ++i)
    std::copy_n(b.f32().begin() + rows[i] * b.shape()[1], b.shape()[1],
                picked.f32().begin() + static_cast<std::ptrdiff_t>(i) * b.shape()[1]);
  return picked;
}

class Adapter {
 public:
  explicit Adapter(const LoraAdapter& adapter) : adapter_(adapter) {
    if (!adapter.replaced.empty())
      throw unsupported("{}: holds whole weights too ({}); merge it with --lora", adapter.path,
                        printable(adapter.replaced[0].name));
  }

  // What it changes of this weight; rank 0: nothing.
  Factors factors(const WeightSpec& spec) {
    std::vector<StoredAs> ways = spec.otherwise;
    ways.insert(ways.begin(), spec.stored);
    for (const StoredAs& as : ways)
      if (Factors found = stacked(spec, as); found.rank() > 0) return {found.a, picked_rows(found.b, as.rows)};
    return none(0, 0);
  }

  void require_all_used() const {
    for (const LoraPair& pair : adapter_.pairs)
      if (!used_.contains(pair.target))
        throw invalid_input("{}: adapts {}, which this model does not have", adapter_.path, printable(pair.target));
  }

 private:
  Factors stacked(const WeightSpec& spec, const StoredAs& as) {
    int64_t n_out = 0, row = 0;
    const size_t axis = as.transposed ? 1 : 0;
    for (size_t i = 0; i < as.parts.size(); ++i) n_out += spec.part_shape(as, i)[axis];
    Factors whole = none(n_out, spec.shape.last());
    for (size_t i = 0; i < as.parts.size(); ++i) {
      const Shape part = spec.part_shape(as, i);
      for (const LoraPair& pair : adapter_.pairs)
        if (pair.target == as.parts[i]) whole = joined(whole, checked(pair, as, part, spec), row, n_out);
      row += part[axis];
    }
    return whole;
  }

  Factors checked(const LoraPair& pair, const StoredAs& as, const Shape& part, const WeightSpec& spec) {
    const bool is_linear =
        spec.shape.rank() == 2 && spec.name.ends_with(kWeight) && !spec.name.ends_with("token_embed.weight");
    if (!is_linear)
      throw unsupported("{}: adapts {}, which is not a linear layer; merge it with --lora", adapter_.path,
                        printable(pair.target));
    Factors f = factors_of(pair, as);
    const int64_t n_out = part[as.transposed ? 1 : 0], n_in = spec.shape.last();
    if (f.b.shape()[0] != n_out || f.a.shape()[1] != n_in)
      throw invalid_input("{}: {} of {} x {} cannot take an update of {} x {}", adapter_.path, printable(pair.target),
                          n_out, n_in, f.b.shape()[0], f.a.shape()[1]);
    used_.insert(pair.target);
    return f;
  }

  const LoraAdapter& adapter_;
  std::set<std::string> used_;  // targets
};

WeightRef make_weight(const std::string& name, const Tensor& data) {
  return std::make_shared<Weight>(Weight{name, data});
}

}  // namespace

void add_adapter(Weights& weights, const Model& model, const LoraAdapter& adapter) {
  Adapter source(adapter);
  const bool is_llama_cpp = !adapter.architecture.empty();  // only its files say so
  for (const WeightSpec& spec : model.weights(is_llama_cpp ? Dialect::LlamaCpp : Dialect::HuggingFace)) {
    if (!weights.contains(spec.name)) continue;  // tied, or left out
    Factors f = source.factors(spec);
    if (f.rank() == 0) continue;
    const std::string layer = spec.name.substr(0, spec.name.size() - kWeight.size());
    const std::string a = layer + ".lora_a", b = layer + ".lora_b";
    if (auto earlier = weights.find(a); earlier != weights.end())
      f = joined({earlier->second->data, weights.at(b)->data}, f, 0, spec.shape[0]);
    weights[a] = make_weight(a, f.a);
    weights[b] = make_weight(b, f.b);
  }
  source.require_all_used();
}

}  // namespace galago
