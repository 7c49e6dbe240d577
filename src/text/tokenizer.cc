#include "text/tokenizer.h"

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "text/byte_alphabet.h"
#include "text/pre_names.h"
#include "text/unicode.h"

namespace galago {
namespace {

// Tokens that end generation whatever the metadata says (llama.cpp, llama-vocab.cpp).
constexpr std::string_view kEndTexts[] = {"<|eot_id|>",      "<|im_end|>", "<|end|>",  "<end_of_turn>",
                                          "<|endoftext|>",   "<|eom_id|>", "<EOT>",    "_<EOT>",
                                          "<|end_of_text|>", "<|return|>", "<|call|>", "<end_of_utterance>"};

std::vector<Merge> resolve_merges(const std::vector<std::string>& lines, const TokenTable& table,
                                  const std::string& subject) {
  auto find = [&](std::string_view text, std::string_view line) {
    auto bytes = from_byte_alphabet(text);
    auto id = table.find(bytes ? std::string_view(*bytes) : text);
    if (!id)
      throw invalid_input("{}: merge \"{}\" speaks of \"{}\", which is not in the vocabulary", subject, line, text);
    return *id;
  };
  std::vector<Merge> merges;
  merges.reserve(lines.size());
  for (const std::string& line : lines) {
    size_t space = line.find(' ', 1);  // a symbol may itself begin with a space
    if (space == std::string::npos || space + 1 == line.size()) {
      throw invalid_input("{}: merge \"{}\": expected two symbols with a space between them", subject, line);
    }
    std::string left = line.substr(0, space), right = line.substr(space + 1);
    merges.push_back({find(left, line), find(right, line), find(left + right, line)});
  }
  return merges;
}

// An id outside the vocabulary is ignored, as llama.cpp does.
void drop_outside(SpecialIds& ids, int32_t n_tokens) {
  for (auto* id : {&ids.bos, &ids.eos, &ids.unk, &ids.pad, &ids.sep, &ids.cls, &ids.mask, &ids.eot, &ids.eom}) {
    if (*id && (**id < 0 || **id >= n_tokens)) id->reset();
  }
}

std::vector<int32_t> find_ends(const TokenTable& table, const SpecialIds& special, const std::vector<int32_t>& more) {
  std::vector<int32_t> ends;
  for (auto& id : {special.eos, special.eot, special.eom}) {
    if (id) ends.push_back(*id);
  }
  for (int32_t id : more) {
    if (id >= 0 && id < table.size()) ends.push_back(id);
  }
  for (int32_t id = 0; id < table.size(); ++id) {
    bool added = table.type(id) == TokenType::Control || table.type(id) == TokenType::UserDefined;
    if (added && std::ranges::count(kEndTexts, table.bytes(id))) ends.push_back(id);
  }
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  return ends;
}

std::vector<AddedToken> only(const std::vector<AddedToken>& tokens, bool normalized, bool nfc) {
  std::vector<AddedToken> chosen;
  for (AddedToken token : tokens) {
    if (token.normalized != normalized) continue;
    if (normalized && nfc) token.content = to_nfc(token.content);
    chosen.push_back(std::move(token));
  }
  return chosen;
}

void check_added(const std::vector<AddedToken>& added, int32_t n_tokens, const std::string& subject) {
  constexpr size_t kMaxBytes = 1024;  // bounds the search at every byte of a text
  for (const AddedToken& token : added) {
    if (token.id < 0 || token.id >= n_tokens) {
      throw invalid_input("{}: added token id {} is outside the vocabulary of {}", subject, token.id, n_tokens);
    }
    if (token.content.size() > kMaxBytes) {
      throw invalid_input("{}: added token {} is {} bytes long, the limit is {}", subject, token.id,
                          token.content.size(), kMaxBytes);
    }
  }
}

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

}  // namespace

Tokenizer::Tokenizer(TokenizerParts parts, const std::string& subject)
    : table_(parts.vocabulary.tokens, parts.vocabulary.types, subject),
      merges_(resolve_merges(parts.vocabulary.merges, table_, subject)),
      rule_(parts.rule),
      added_(std::move(parts.added)),
      special_(parts.vocabulary.special),
      missing_byte_(parts.missing_byte) {
  check_added(added_, table_.size(), subject);
  raw_ = AddedTokens(only(added_, false, rule_.nfc));
  normalized_ = AddedTokens(only(added_, true, rule_.nfc));
  drop_outside(special_, table_.size());
  add_bos_ = parts.vocabulary.add_bos.value_or(false) && special_.bos;
  add_eos_ = parts.vocabulary.add_eos.value_or(false) && special_.eos;
  ends_ = find_ends(table_, special_, parts.vocabulary.more_ends);
  for (int byte = 0; byte < 256; ++byte) {
    char c = static_cast<char>(byte);
    auto id = table_.find({&c, 1});
    byte_ids_.push_back(id && table_.type(*id) == TokenType::Normal ? *id : missing_byte_.value_or(-1));
  }
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  std::vector<int32_t> out;
  if (options.add_special && add_bos_) out.push_back(*special_.bos);
  for (const Fragment& raw : raw_.split(text, options.parse_special)) {
    if (raw.id) {
      out.push_back(*raw.id);
      continue;
    }
    std::string normal = rule_.nfc ? to_nfc(raw.text) : std::string();
    for (const Fragment& f : normalized_.split(rule_.nfc ? normal : raw.text, options.parse_special)) {
      f.id ? out.push_back(*f.id) : encode_words(f.text, out);
    }
  }
  if (options.add_special && add_eos_) out.push_back(*special_.eos);
  return out;
}

void Tokenizer::encode_words(std::string_view text, std::vector<int32_t>& out) const {
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

void Tokenizer::encode_word(std::string_view word, std::vector<int32_t>& out) const {
  if (rule_.ignore_merges) {
    auto id = table_.find(word);
    if (id && !is_special(*id)) return out.push_back(*id);
  }
  size_t begin = out.size();
  for (char byte : word) {
    int32_t id = byte_ids_[static_cast<unsigned char>(byte)];
    if (id >= 0) out.push_back(id);  // bytes that never occur in UTF-8 are missing in some vocabularies: dropped
  }
  merges_.apply_from(out, begin);
}

std::string_view Tokenizer::piece(int32_t id) const {
  if (id < 0 || id >= vocab_size())
    throw invalid_input("token id {} is outside the vocabulary of {}", id, vocab_size());
  return table_.bytes(id);
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string text;
  for (int32_t id : ids) {
    std::string_view bytes = piece(id);
    if (!skip_special || !is_special(id)) text += bytes;
  }
  return text;
}

std::optional<int32_t> Tokenizer::find(std::string_view piece) const {
  if (auto id = raw_.find(piece)) return id;
  if (auto id = normalized_.find(piece)) return id;
  return table_.find(piece);
}

bool Tokenizer::is_special(int32_t id) const {
  if (id < 0 || id >= vocab_size()) return false;
  return table_.type(id) == TokenType::Control || table_.type(id) == TokenType::Unknown;
}

bool Tokenizer::is_end_of_generation(int32_t id) const { return std::binary_search(ends_.begin(), ends_.end(), id); }

Vocabulary Tokenizer::vocabulary() const {
  Vocabulary v;
  v.model = "gpt2";
  v.pre = pre_name(rule_);
  for (int32_t id = 0; id < vocab_size(); ++id) {
    v.tokens.push_back(table_.text(id));
    v.types.push_back(static_cast<int32_t>(table_.type(id)));
  }
  for (const Merge& m : merges_.merges()) v.merges.push_back(table_.text(m.left) + " " + table_.text(m.right));
  v.special = special_;
  v.more_ends = ends_;
  v.add_bos = add_bos_;
  v.add_eos = add_eos_;
  return v;
}

}  // namespace galago
