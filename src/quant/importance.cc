#include "quant/importance.h"

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "formats/gguf.h"
#include "formats/printable.h"

namespace galago {
namespace {

constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";

// The older file, value by value; no size is believed before the bytes are there.
//   i32 entries; each: i32 length, name, i32 calls, i32 values, f32[values]: sums over calls. What follows is not read.
class LegacyReader {
 public:
  LegacyReader(std::string_view bytes, const std::string& subject) : left_(bytes), subject_(subject) {}

  std::string_view take(size_t n) {
    if (n > left_.size())
      throw invalid_input("{}: not an importance matrix, or one that ends {} bytes too early", subject_,
                          n - left_.size());
    std::string_view taken = left_.substr(0, n);
    left_.remove_prefix(n);
    return taken;
  }
  int32_t count() {
    int32_t n;
    std::memcpy(&n, take(4).data(), 4);
    if (n < 0) throw invalid_input("{}: not an importance matrix: a count of {}", subject_, n);
    return n;
  }
  std::vector<float> floats(int32_t n) {
    std::string_view bytes = take(4 * static_cast<size_t>(n));
    std::vector<float> values(static_cast<size_t>(n));
    if (n > 0) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

 private:
  std::string_view left_;
  const std::string& subject_;
};

// text.blocks.3.attn.qkv.weight -> blk.3.attn_q.weight: queries, keys and values are multiplied with the same rows.
std::vector<std::string> llama_names(std::string_view weight) {
  struct Pair {
    std::string_view ours, theirs;
  };
  constexpr Pair kPairs[] = {{"attn.qkv", "attn_qkv"}, {"attn.qkv", "attn_q"}, {"attn.q", "attn_q"},
                             {"attn.k", "attn_k"},     {"attn.v", "attn_v"},   {"attn.proj", "attn_output"},
                             {"mlp.gate", "ffn_gate"}, {"mlp.up", "ffn_up"},   {"mlp.fc1", "ffn_up"},
                             {"mlp.down", "ffn_down"}, {"mlp.fc2", "ffn_down"}};
  constexpr std::string_view kBlocks = "text.blocks.", kEnd = ".weight";
  if (weight == "text.head.weight") return {"output.weight"};
  if (weight == "text.token_embed.weight") return {"token_embd.weight"};
  std::vector<std::string> names;
  if (!weight.starts_with(kBlocks) || !weight.ends_with(kEnd)) return names;
  weight.remove_prefix(kBlocks.size());
  weight.remove_suffix(kEnd.size());
  size_t dot = weight.find('.');
  for (const Pair& pair : kPairs)
    if (dot != std::string_view::npos && weight.substr(dot + 1) == pair.ours)
      names.push_back(fmt::format("blk.{}.{}.weight", weight.substr(0, dot), pair.theirs));
  return names;
}

void check_measured(std::span<const float> values, std::string_view name, const std::string& subject) {
  for (float value : values)
    if (!(value >= 0) || !std::isfinite(value))
      throw invalid_input("{}: the importance of {} holds {}; expected finite mean squares", subject, printable(name),
                          value);
}

// Sums over tokens divided by how many there were. An expert that was never used: all columns alike.
std::vector<float> mean_squares(const GgufFile& file, const std::string& name) {
  Tensor sums = to_f32(file.get(name + std::string(kSums))), counts = to_f32(file.get(name + std::string(kCounts)));
  if (counts.elements() != sums.shape().rows())
    throw invalid_input("{}: {} has {} counts for {} matrices", file.path(), name, counts.elements(),
                        sums.shape().rows());
  std::vector<float> values(sums.f32().begin(), sums.f32().end());
  for (size_t i = 0; i < values.size(); ++i) {
    float count = counts.f32()[i / static_cast<size_t>(sums.shape().last())];
    values[i] = count > 0 ? values[i] / count : 1.0f;
  }
  return values;
}

}  // namespace

void Importance::add(const std::string& name, std::vector<float> values, const std::string& subject) {
  check_measured(values, name, subject);
  if (!entries_.emplace(name, std::move(values)).second)
    throw invalid_input("{}: the importance of {} is given twice", subject, printable(name));
}

Importance Importance::parse_legacy(std::string_view bytes, const std::string& subject) {
  LegacyReader reader(bytes, subject);
  Importance result;
  result.path_ = subject;
  for (int32_t left = reader.count(); left > 0; --left) {
    std::string name(reader.take(static_cast<size_t>(reader.count())));
    int32_t n_calls = reader.count();
    std::vector<float> values = reader.floats(reader.count());
    for (float& value : values) value = n_calls > 0 ? value / static_cast<float>(n_calls) : value;
    result.add(name, std::move(values), subject);
  }
  if (result.entries_.empty()) throw invalid_input("{}: an importance matrix without entries", subject);
  return result;
}

Importance Importance::read_gguf(const std::string& path) {
  GgufFile file = GgufFile::open(path);
  std::string_view type = file.get_string("general.type", "none");
  if (type != "imatrix")
    throw invalid_input("{}: a GGUF file of type {}; expected an importance matrix (type imatrix)", path,
                        printable(type));
  Importance result;
  result.path_ = path;
  for (const GgufTensor& tensor : file.tensors()) {
    if (!tensor.name.ends_with(kSums)) continue;
    std::string name(tensor.name.substr(0, tensor.name.size() - kSums.size()));
    result.add(name, mean_squares(file, name), path);
  }
  if (result.entries_.empty()) throw invalid_input("{}: an importance matrix without entries", path);
  return result;
}

Importance Importance::read(const std::string& path) {
  std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  std::string_view bytes(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  return bytes.starts_with("GGUF") ? read_gguf(path) : parse_legacy(bytes, path);
}

std::span<const float> Importance::find(std::string_view weight, int64_t matrix, int64_t n_matrices,
                                        int64_t columns) const {
  auto found = entries_.find(weight);
  for (const std::string& name : llama_names(weight))
    if (found == entries_.end()) found = entries_.find(name);
  if (found == entries_.end()) return {};
  const std::vector<float>& values = found->second;
  if (std::ssize(values) != n_matrices * columns)
    throw invalid_input("{}: the importance of {} has {} values, the weight needs {} x {}", path_,
                        printable(found->first), values.size(), n_matrices, columns);
  return std::span(values).subspan(static_cast<size_t>(matrix * columns), static_cast<size_t>(columns));
}

}  // namespace galago
