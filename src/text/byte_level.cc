// Byte-level BPE: NFC -> words -> bytes -> merges. Radford et al. 2019 (openai/gpt-2, encoder.py).
#include <functional>

#include "text/byte_alphabet.h"
#include "text/engine.h"
#include "text/unicode.h"

namespace galago {
namespace {

// Remembers where the ids of words are, for texts long enough to repeat themselves. Direct mapped: a new word takes the
// place of an old one, so memory is bounded.
class WordCache {
 public:
  explicit WordCache(std::string_view text) : text_(text), entries_(text.size() >= kWorthwhile ? kSlots : 0) {}

  struct Entry {
    size_t hash = 0;
    uint64_t begin = 0, out_begin = 0;
    uint32_t length = 0, n_ids = 0;
  };
  // The entry of this word; its `length` is 0 if the word is not there. nullptr: do not remember this word.
  Entry* look_up(size_t begin, size_t length) {
    if (entries_.empty() || length > kLongest) return nullptr;
    std::string_view word = text_.substr(begin, length);
    size_t hash = std::hash<std::string_view>()(word);
    Entry& entry = entries_[hash & (kSlots - 1)];
    if (entry.hash != hash || text_.substr(entry.begin, entry.length) != word) entry = {hash, begin, 0, 0, 0};
    return &entry;
  }

 private:
  static constexpr size_t kWorthwhile = 4096, kSlots = 1 << 14, kLongest = 64;
  std::string_view text_;
  std::vector<Entry> entries_;
};

class ByteLevel : public TokenizerEngine {
 public:
  ByteLevel(const ByteLevelRule& rule, const EngineParts& parts)
      : table_(parts.table), rule_(rule), merges_(resolve_merges(parts, [&](std::string_view text) {
          auto bytes = from_byte_alphabet(text);
          return parts.table.find(bytes ? std::string_view(*bytes) : text);
        })) {
    for (int byte = 0; byte < 256; ++byte) {
      char c = static_cast<char>(byte);
      auto id = table_.find({&c, 1});
      byte_ids_.push_back(id && table_.type(*id) == TokenType::Normal ? *id : parts.unknown.value_or(-1));
    }
  }

  std::optional<std::string> normalize(std::string_view text, bool) const override {
    return rule_.nfc ? std::optional(to_nfc(text)) : std::nullopt;
  }

  void encode(std::string_view text, std::vector<int32_t>& out) const override {
    WordCache cache(text);
    for (size_t begin = 0, end; begin < text.size(); begin = end) {
      end = word_end(rule_.split, text, begin);
      auto* known = cache.look_up(begin, end - begin);
      if (known && known->length) {
        for (uint32_t i = 0; i < known->n_ids; ++i) out.push_back(out[known->out_begin + i]);
        continue;
      }
      size_t out_begin = out.size();
      encode_word(text.substr(begin, end - begin), out);
      if (!known) continue;
      known->out_begin = out_begin;
      known->length = static_cast<uint32_t>(end - begin);
      known->n_ids = static_cast<uint32_t>(out.size() - out_begin);
    }
  }

  std::span<const Merge> merges() const override { return merges_.merges(); }

 private:
  void encode_word(std::string_view word, std::vector<int32_t>& out) const {
    if (rule_.ignore_merges) {
      auto id = table_.find(word);
      bool special = id && (table_.type(*id) == TokenType::Control || table_.type(*id) == TokenType::Unknown);
      if (id && !special) return out.push_back(*id);
    }
    size_t begin = out.size();
    for (char byte : word) {
      int32_t id = byte_ids_[static_cast<unsigned char>(byte)];
      if (id >= 0) out.push_back(id);  // bytes that never occur in UTF-8 are missing in some vocabularies: dropped
    }
    merges_.apply_from(out, begin);
  }

  const TokenTable& table_;
  ByteLevelRule rule_;
  MergeTable merges_;
  std::vector<int32_t> byte_ids_;  // [256] the token of a byte; -1: none
};

}  // namespace

EnginePointer make_engine(const ByteLevelRule& rule, const EngineParts& parts) {
  return std::make_shared<ByteLevel>(rule, parts);
}

}  // namespace galago
