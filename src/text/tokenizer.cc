#include "text/tokenizer.h"

#include <algorithm>

#include "base/error.h"

namespace galago {
namespace {

// Tokens that end generation whatever the metadata says (llama.cpp, llama-vocab.cpp).
constexpr std::string_view kEndTexts[] = {"<|eot_id|>",      "<|im_end|>", "<|end|>",  "<end_of_turn>",
                                          "<|endoftext|>",   "<|eom_id|>", "<EOT>",    "_<EOT>",
                                          "<|end_of_text|>", "<|return|>", "<|call|>", "<end_of_utterance>"};

Spelling spelling_of(const TokenizerRule& rule) {
  if (std::holds_alternative<ByteLevelRule>(rule)) return Spelling::ByteAlphabet;
  if (std::holds_alternative<WordPieceRule>(rule)) return Spelling::WordPiece;
  return Spelling::SentencePiece;
}

EnginePointer engine_of(const TokenizerRule& rule, const EngineParts& parts) {
  return std::visit([&](const auto& kind) { return make_engine(kind, parts); }, rule);
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
    if (added && std::ranges::count(kEndTexts, table.text(id))) ends.push_back(id);
  }
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  return ends;
}

std::vector<AddedToken> only(const std::vector<AddedToken>& tokens, bool normalized, const TokenizerEngine& engine) {
  std::vector<AddedToken> chosen;
  for (AddedToken token : tokens) {
    if (token.normalized != normalized) continue;
    if (normalized) token.content = engine.normalize(token.content, true).value_or(token.content);
    chosen.push_back(std::move(token));
  }
  return chosen;
}

void check_added(const std::vector<AddedToken>& added, int32_t n_tokens, const std::string& subject) {
  for (const AddedToken& token : added) {
    if (token.id < 0 || token.id >= n_tokens) {
      throw invalid_input("{}: added token id {} is outside the vocabulary of {}", subject, token.id, n_tokens);
    }
    if (token.content.size() > kMaxTrieKey) {
      throw invalid_input("{}: added token {} is {} bytes long, the limit is {}", subject, token.id,
                          token.content.size(), kMaxTrieKey);
    }
  }
}

}  // namespace

Tokenizer::Tokenizer(TokenizerParts parts, const std::string& subject)
    : table_(std::make_shared<const TokenTable>(parts.vocabulary.tokens, parts.vocabulary.types,
                                                spelling_of(parts.rule), subject)),
      rule_(std::move(parts.rule)),
      added_(std::move(parts.added)),
      special_(parts.vocabulary.special) {
  check_added(added_, table_->size(), subject);
  drop_outside(special_, table_->size());
  if (parts.unknown && *parts.unknown >= 0 && *parts.unknown < table_->size()) unknown_ = parts.unknown;
  engine_ = engine_of(rule_, {*table_, parts.vocabulary, unknown_, subject});
  if (std::holds_alternative<SentencePieceRule>(rule_)) scores_ = std::move(parts.vocabulary.scores);
  raw_ = AddedTokens(only(added_, false, *engine_));
  normalized_ = AddedTokens(only(added_, true, *engine_));
  add_bos_ = parts.vocabulary.add_bos.value_or(false) && special_.bos;
  add_eos_ = parts.vocabulary.add_eos.value_or(false) && special_.eos;
  add_sep_ = parts.vocabulary.add_sep.value_or(false) && special_.sep;
  ends_ = find_ends(*table_, special_, parts.vocabulary.more_ends);
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  ByteRange special{0, options.parse_special ? text.size() : 0};
  std::vector<int32_t> ids = encode_ranges(text, {&special, 1}, true);
  if (!options.add_special) return ids;
  if (add_bos_) ids.insert(ids.begin(), *special_.bos);
  if (add_sep_) ids.push_back(*special_.sep);
  if (add_eos_) ids.push_back(*special_.eos);
  return ids;
}

std::vector<int32_t> Tokenizer::encode(std::span<const TextPiece> pieces, bool add_special, bool starts_text) const {
  std::string text;
  std::vector<ByteRange> special;
  for (const TextPiece& piece : pieces) {
    size_t begin = text.size();
    text += piece.text;
    if (!piece.is_special || piece.text.empty()) continue;
    bool continues = !special.empty() && special.back().end == begin;
    if (!continues) special.push_back({begin, begin});
    special.back().end = text.size();
  }
  std::vector<int32_t> ids = encode_ranges(text, special, starts_text);
  if (add_special && starts_text && add_bos_) ids.insert(ids.begin(), *special_.bos);
  return ids;
}

std::vector<int32_t> Tokenizer::encode_ranges(std::string_view text, std::span<const ByteRange> special,
                                              bool starts_text) const {
  std::vector<int32_t> out;
  // Ranges are lost in normalised text: special tokens that are found there (rare) must be allowed everywhere.
  bool all_special = special.size() == 1 && special[0].begin == 0 && special[0].end == text.size();
  for (const Fragment& raw : raw_.split(text, special)) {
    if (raw.id) {
      out.push_back(*raw.id);
      continue;
    }
    auto normal = engine_->normalize(raw.text, starts_text && raw.text.data() == text.data());
    for (const Fragment& f : normalized_.split(normal ? *normal : raw.text, all_special)) {
      f.id ? out.push_back(*f.id) : engine_->encode(f.text, out);
    }
  }
  return out;
}

std::string_view Tokenizer::piece(int32_t id) const {
  if (id < 0 || id >= vocab_size())
    throw invalid_input("token id {} is outside the vocabulary of {}", id, vocab_size());
  return table_->bytes(id);
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string text;
  FirstSpace first(strips_first_space());
  for (int32_t id : ids) {
    std::string_view bytes = piece(id);
    if (!skip_special || !is_special(id)) text += first.strip(bytes);
  }
  return text;
}

bool Tokenizer::strips_first_space() const {
  if (auto* rule = std::get_if<SentencePieceRule>(&rule_))
    return rule->prefix != SpacePrefix::Never || rule->remove_extra_spaces;
  if (auto* rule = std::get_if<CharBpeRule>(&rule_)) return rule->strip_first_space;
  return std::holds_alternative<WordPieceRule>(rule_);
}

std::optional<int32_t> Tokenizer::find(std::string_view piece) const {
  if (auto id = raw_.find(piece)) return id;
  if (auto id = normalized_.find(piece)) return id;
  return table_->find(piece);
}

bool Tokenizer::is_special(int32_t id) const {
  if (id < 0 || id >= vocab_size()) return false;
  return table_->type(id) == TokenType::Control || table_->type(id) == TokenType::Unknown;
}

bool Tokenizer::is_end_of_generation(int32_t id) const { return std::binary_search(ends_.begin(), ends_.end(), id); }

}  // namespace galago
