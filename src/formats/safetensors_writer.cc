#include <algorithm>
#include <iterator>
#include <limits>

#include "base/file.h"
#include "base/json.h"
#include "formats/printable.h"
#include "formats/safetensors.h"
#include "formats/safetensors_types.h"

namespace galago {
namespace {

const SafetensorsType& stored_type(const NamedTensor& item) {
  auto found = std::ranges::find(kSafetensorsTypes, std::optional(item.tensor.dtype()), &SafetensorsType::dtype);
  if (found == std::end(kSafetensorsTypes))
    throw invalid_input("tensor {} is {}, which safetensors cannot store; decode it first or write GGUF",
                        printable(item.name), info(item.tensor.dtype()).name);
  return *found;
}

// Large numbers first: then every tensor is aligned if the data part is.
void sort_for_alignment(std::vector<NamedTensor>& tensors) {
  std::ranges::sort(tensors, [](const NamedTensor& a, const NamedTensor& b) {
    uint32_t size_a = info(a.tensor.dtype()).block_bytes, size_b = info(b.tensor.dtype()).block_bytes;
    return std::tie(size_b, a.name) < std::tie(size_a, b.name);
  });
}

void check_names(const std::vector<NamedTensor>& tensors) {
  std::map<std::string_view, int> seen;
  for (const NamedTensor& item : tensors) {
    if (item.name == "__metadata__") throw invalid_input("a tensor cannot be named __metadata__");
    if (++seen[item.name] > 1) throw invalid_input("tensor {} is given twice", printable(item.name));
  }
}

std::string dump(const nlohmann::ordered_json& header) {
  try {
    return header.dump();
  } catch (const nlohmann::json::exception& e) {
    throw invalid_input("tensor names and metadata of a safetensors file must be UTF-8: {}", e.what());
  }
}

std::string header_text(const std::vector<NamedTensor>& tensors, const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header;
  header["__metadata__"] = metadata;
  uint64_t begin = 0;
  for (const NamedTensor& item : tensors) {
    uint64_t end = begin + item.tensor.n_bytes();
    auto dims = item.tensor.shape().dims();
    header[item.name] = {{"dtype", stored_type(item).name},
                         {"shape", std::vector<int64_t>(dims.begin(), dims.end())},
                         {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = dump(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

void write_safetensors(const std::string& path, std::vector<NamedTensor> tensors,
                       std::map<std::string, std::string> metadata) {
  check_names(tensors);
  sort_for_alignment(tensors);
  metadata.emplace("format", "pt");
  std::string header = header_text(tensors, metadata);
  uint64_t header_bytes = header.size();

  AtomicFile file(path);
  file.write(&header_bytes, sizeof header_bytes);
  file.write(header);
  for (const NamedTensor& item : tensors)
    if (item.tensor.n_bytes() > 0) file.write(item.tensor.bytes(), item.tensor.n_bytes());
  file.commit();
}

}  // namespace galago
