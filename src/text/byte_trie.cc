#include "text/byte_trie.h"

namespace galago {

void ByteTrie::add(std::string_view key, int32_t value) {
  if (key.empty()) return;
  starts_[static_cast<unsigned char>(key[0])] = true;
  int32_t node = 0;
  for (char byte : key) {
    auto [found, is_new] = edges_.emplace(edge(node, byte), static_cast<int32_t>(values_.size()));
    if (is_new) values_.push_back(-1);
    node = found->second;
  }
  values_[static_cast<size_t>(node)] = value;
}

std::optional<int32_t> ByteTrie::find(std::string_view key) const {
  int32_t node = 0;
  for (char byte : key) {
    node = child(node, byte);
    if (node < 0) return std::nullopt;
  }
  int32_t value = values_[static_cast<size_t>(node)];
  return value < 0 ? std::nullopt : std::optional(value);
}

}  // namespace galago
