#include "text/charsmap.h"

#include <cstring>

#include "base/error.h"

namespace galago {
namespace {

// One unit of the double array.
bool has_leaf(uint32_t unit) { return (unit >> 8) & 1; }
uint32_t leaf_value(uint32_t unit) { return unit & 0x7FFFFFFF; }
uint32_t label(uint32_t unit) { return unit & 0x800000FF; }
uint32_t offset(uint32_t unit) { return (unit >> 10) << ((unit & 0x200) >> 6); }

}  // namespace

Charsmap::Charsmap(std::string_view blob, const std::string& subject) {
  if (blob.empty()) return;
  uint32_t trie_bytes = 0;
  if (blob.size() >= 4) std::memcpy(&trie_bytes, blob.data(), 4);
  if (trie_bytes == 0 || trie_bytes % 4 || trie_bytes > blob.size() - 4)
    throw invalid_input("{}: the normaliser holds {} bytes with a trie of {}, expected a multiple of 4 that fits",
                        subject, blob.size(), trie_bytes);
  units_.resize(trie_bytes / 4);
  std::memcpy(units_.data(), blob.data() + 4, trie_bytes);
  replacements_ = std::string(blob.substr(4 + trie_bytes)) + '\0';
}

std::optional<Charsmap::Match> Charsmap::longest_at(std::string_view text, size_t at) const {
  if (units_.empty()) return std::nullopt;
  std::optional<Match> best;
  size_t node = offset(units_[0]);
  for (size_t end = at; end < text.size(); ++end) {
    auto byte = static_cast<unsigned char>(text[end]);
    node ^= byte;
    if (node >= units_.size() || label(units_[node]) != byte) break;
    uint32_t unit = units_[node];
    node ^= offset(unit);
    if (!has_leaf(unit)) continue;
    if (node >= units_.size()) break;
    size_t begin = leaf_value(units_[node]);
    if (begin < replacements_.size()) best = Match{end + 1 - at, replacements_.c_str() + begin};
  }
  return best;
}

}  // namespace galago
