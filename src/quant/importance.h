// Importance matrices: for every column of a weight the mean square of what it is multiplied with, measured on some
// text. Quantizers then spend their precision on the columns that matter (ggml-org/llama.cpp, tools/imatrix).
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace galago {

// Immutable once read.
class Importance {
 public:
  // A GGUF file of type "imatrix" (NAME.in_sum2 [matrices, columns] and NAME.counts), or the older binary file of
  // llama.cpp. Throws InvalidInput naming the entry.
  static Importance read(const std::string& path);
  // Bytes of the older file; `subject` names them in errors.
  static Importance parse_legacy(std::string_view bytes, const std::string& subject);

  // [columns] of matrix `matrix` of a weight, by its canonical name or the one of llama.cpp that it corresponds to;
  // empty if nothing was measured. Throws InvalidInput if the numbers of matrices or columns differ.
  std::span<const float> find(std::string_view weight, int64_t matrix, int64_t n_matrices, int64_t columns) const;

  size_t size() const { return entries_.size(); }

 private:
  static Importance read_gguf(const std::string& path);
  void add(const std::string& name, std::vector<float> values, const std::string& subject);

  std::string path_;
  // [matrices, columns]; the older file does not say how many matrices, so only the product is known.
  std::map<std::string, std::vector<float>, std::less<>> entries_;
};

}  // namespace galago
