// A set of byte strings with a number each, matched from the left. Used by AddedTokens and the SentencePiece engines.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace galago {

// Built once, then immutable; any number of threads may use it.
class ByteTrie {
 public:
  void add(std::string_view key, int32_t value);  // value >= 0; an empty key is ignored; the last of equal keys counts

  bool may_start(char byte) const { return starts_[static_cast<unsigned char>(byte)]; }
  std::optional<int32_t> find(std::string_view key) const;

  // Calls visit(end, value) for every key that is text[at..end), shortest first.
  template <class Visit>
  void each_match(std::string_view text, size_t at, Visit visit) const {
    if (at >= text.size() || !may_start(text[at])) return;
    for (int32_t node = 0; at < text.size();) {
      node = child(node, text[at++]);
      if (node < 0) return;
      if (values_[static_cast<size_t>(node)] >= 0) visit(at, values_[static_cast<size_t>(node)]);
    }
  }

 private:
  static uint64_t edge(int32_t node, char byte) {
    return static_cast<uint64_t>(node) << 8 | static_cast<unsigned char>(byte);
  }
  int32_t child(int32_t node, char byte) const {
    auto found = edges_.find(edge(node, byte));
    return found == edges_.end() ? -1 : found->second;
  }

  std::array<bool, 256> starts_{};               // first bytes of keys
  std::unordered_map<uint64_t, int32_t> edges_;  // node << 8 | byte -> node; the root is 0
  std::vector<int32_t> values_ = {-1};           // node -> the value of the key that ends there, or -1
};

// Keys that a file asks for may not be longer: this bounds the search at every byte of a text.
constexpr size_t kMaxTrieKey = 1024;

}  // namespace galago
