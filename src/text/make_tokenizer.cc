#include "text/make_tokenizer.h"

#include <algorithm>

#include "base/error.h"
#include "text/load_tokenizer.h"
#include "text/pre_names.h"
#include "text/tokenizer_extra.h"

namespace galago {
namespace {

Tokenizer from_huggingface_json(const Vocabulary& v, const std::string& subject) {
  std::string name = subject + ": tokenizer.huggingface.json";
  TokenizerParts parts = parts_from_tokenizer_json(parse_json(v.huggingface_json, name), name);
  SpecialIds& ids = parts.vocabulary.special;
  auto prefer = [](std::optional<int32_t>& id, std::optional<int32_t> better) { id = better ? better : id; };
  prefer(ids.bos, v.special.bos), prefer(ids.eos, v.special.eos);
  prefer(ids.unk, v.special.unk), prefer(ids.pad, v.special.pad);
  ids.eot = v.special.eot, ids.eom = v.special.eom;
  parts.vocabulary.more_ends = v.more_ends;
  if (v.add_bos) parts.vocabulary.add_bos = v.add_bos;
  if (v.add_eos) parts.vocabulary.add_eos = v.add_eos;
  guess_special_ids(parts);
  return Tokenizer(std::move(parts), name);
}

void set_default(std::optional<int32_t>& id, int32_t value, const Vocabulary& v) {
  if (!id && static_cast<size_t>(value) < v.tokens.size()) id = value;
}

TokenizerParts parts_gpt2(Vocabulary v, const std::string& subject) {
  bool unsaid = v.pre.empty() || v.pre == "default";
  const PreName& pre = unsaid ? guess_pre(v.tokens) : pre_rule(v.pre, subject);
  if (!v.add_bos) v.add_bos = pre.add_bos;
  TokenizerParts parts{std::move(v), pre.rule, {}, {}};
  parts.added = added_from_types(parts.vocabulary);
  guess_special_ids(parts);
  return parts;
}

// Files without types: byte tokens are known by their texts, control tokens by their roles.
void find_types(Vocabulary& v) {
  if (!v.types.empty()) return;
  for (const std::string& text : v.tokens)
    v.types.push_back(static_cast<int32_t>(byte_of_token(text) ? TokenType::Byte : TokenType::Normal));
  for (auto id : {v.special.bos, v.special.eos, v.special.unk}) {
    if (id && *id >= 0 && static_cast<size_t>(*id) < v.types.size())
      v.types[static_cast<size_t>(*id)] = static_cast<int32_t>(TokenType::Control);
  }
}

// As llama.cpp runs it: user-defined tokens are cut out first, and a space goes before every stretch between tokens.
TokenizerParts parts_sentencepiece(Vocabulary v, bool unigram) {
  set_default(v.special.bos, 1, v), set_default(v.special.eos, 2, v), set_default(v.special.unk, 0, v);
  find_types(v);
  SentencePieceRule rule{.unigram = unigram};
  rule.prefix = v.add_space_prefix.value_or(true) ? SpacePrefix::Always : SpacePrefix::Never;
  rule.remove_extra_spaces = v.remove_extra_whitespaces.value_or(unigram);
  rule.charsmap.assign(v.precompiled_charsmap.begin(), v.precompiled_charsmap.end());
  if (!v.add_bos) v.add_bos = !unigram;
  TokenizerParts parts{std::move(v), rule, {}, {}};
  parts.unknown = parts.vocabulary.special.unk;
  parts.added = added_from_types(parts.vocabulary);
  return parts;
}

// GGUF marks the beginnings of words (U+2581) where BERT's own files mark the continuations (##). Texts in brackets are
// the same in both.
std::string bert_text(const std::string& text) {
  if (text.starts_with(kSpaceMark)) return text.substr(kSpaceMark.size());
  bool bracketed = text.starts_with('[') && text.ends_with(']');
  return bracketed ? text : std::string(kContinuation) + text;
}

TokenizerParts parts_bert(Vocabulary v) {
  for (size_t id = 0; id < v.tokens.size(); ++id) {
    bool normal = id >= v.types.size() || v.types[id] == static_cast<int32_t>(TokenType::Normal);
    if (normal) v.tokens[id] = bert_text(v.tokens[id]);
  }
  set_default(v.special.cls, 101, v), set_default(v.special.unk, 100, v);
  set_default(v.special.sep, 102, v), set_default(v.special.pad, 0, v), set_default(v.special.mask, 103, v);
  if (!v.special.bos) v.special.bos = v.special.cls;
  if (!v.add_bos) v.add_bos = true;
  if (!v.add_sep) v.add_sep = true;
  TokenizerParts parts{std::move(v), WordPieceRule{}, {}, {}};
  parts.unknown = parts.vocabulary.special.unk;
  parts.added = added_from_types(parts.vocabulary);
  return parts;
}

}  // namespace

bool looks_like_control(std::string_view text) {
  constexpr std::string_view kNames[] = {"<s>",   "</s>",   "<unk>",  "<pad>", "<bos>",
                                         "<eos>", "<mask>", "[MASK]", "[UNK]", "[PAD]"};
  return (text.starts_with("<|") && text.ends_with("|>")) || std::ranges::count(kNames, text) > 0;
}

int32_t checked_token_id(const Json& value, size_t n_tokens, const std::string& subject) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() >= kMaxTokens) {
    throw invalid_input("{}: a token id is {}, expected an integer from 0 to {}", subject,
                        value.dump(-1, ' ', true, Json::error_handler_t::replace), kMaxTokens - 1);
  }
  // Ids may have holes, but a short file may not ask for a long table.
  auto id = value.get<uint64_t>();
  if (id > 2 * n_tokens + 65'536)
    throw invalid_input("{}: token id {} in a vocabulary of {} tokens", subject, id, n_tokens);
  return static_cast<int32_t>(id);
}

void set_token(Vocabulary& v, const std::string& text, int32_t id, TokenType type) {
  auto index = static_cast<size_t>(id);
  v.types.resize(std::max(v.tokens.size(), index + 1), 0);
  v.tokens.resize(v.types.size());
  v.tokens[index] = text;
  v.types[index] = static_cast<int32_t>(type);
}

void fill_holes(Vocabulary& v) {
  for (size_t id = 0; id < v.types.size(); ++id) {
    if (v.types[id] == 0) set_token(v, fmt::format("[PAD{}]", id), static_cast<int32_t>(id), TokenType::Unused);
  }
}

void add_tokens(Vocabulary& v, const Json& added, const std::string& subject, std::optional<TokenType> type) {
  if (!added.is_object())
    throw invalid_input("{}: found {}, expected an object of texts and ids", subject, added.type_name());
  if (v.types.empty()) v.types.assign(v.tokens.size(), static_cast<int32_t>(TokenType::Normal));
  size_t n_tokens = v.tokens.size() + added.size();
  for (const auto& [text, id] : added.items()) {
    TokenType natural = looks_like_control(text) ? TokenType::Control : TokenType::UserDefined;
    set_token(v, text, checked_token_id(id, n_tokens, subject), type.value_or(natural));
  }
  fill_holes(v);
}

std::vector<AddedToken> added_from_types(const Vocabulary& v, std::vector<AddedToken> known) {
  std::vector<bool> is_known(v.tokens.size());
  for (const AddedToken& t : known) is_known[static_cast<size_t>(t.id)] = true;
  for (size_t id = 0; id < v.types.size() && id < v.tokens.size(); ++id) {
    auto type = static_cast<TokenType>(v.types[id]);
    bool special = type == TokenType::Control || type == TokenType::Unknown;
    if (is_known[id] || v.tokens[id].empty() || (!special && type != TokenType::UserDefined)) continue;
    known.push_back({static_cast<int32_t>(id), v.tokens[id], special});
  }
  return known;
}

std::vector<AddedToken> added_specials(const Vocabulary& v) {
  std::vector<AddedToken> added = added_from_types(v);
  std::erase_if(added, [](const AddedToken& t) { return !t.special; });
  return added;
}

TokenizerParts parts_from_vocabulary(Vocabulary v, const std::string& subject) {
  if (v.model == "gpt2") return parts_gpt2(std::move(v), subject);
  if (v.model == "llama") return parts_sentencepiece(std::move(v), false);
  if (v.model == "t5") return parts_sentencepiece(std::move(v), true);
  if (v.model == "bert") return parts_bert(std::move(v));
  throw unsupported("{}: tokenizers of the kind \"{}\" are not supported; known are gpt2, llama, t5 and bert", subject,
                    v.model);
}

Tokenizer make_tokenizer(Vocabulary v, const std::string& subject) {
  if (!v.huggingface_json.empty()) return from_huggingface_json(v, subject);
  TokenizerParts parts = parts_from_vocabulary(std::move(v), subject);
  apply_extra(parts, subject);
  return Tokenizer(std::move(parts), subject);
}

}  // namespace galago
