#include "text/make_tokenizer.h"

#include <algorithm>

#include "base/error.h"
#include "text/load_tokenizer.h"
#include "text/pre_names.h"

namespace galago {
namespace {

// A bare list of added tokens does not say which are control tokens. These shapes are; <image> and runs of spaces are
// not.
bool looks_like_control(std::string_view text) {
  constexpr std::string_view kNames[] = {"<s>",   "</s>",   "<unk>",  "<pad>", "<bos>",
                                         "<eos>", "<mask>", "[MASK]", "[UNK]", "[PAD]"};
  return (text.starts_with("<|") && text.ends_with("|>")) || std::ranges::count(kNames, text) > 0;
}

Tokenizer from_huggingface_json(const Vocabulary& v, const std::string& subject) {
  std::string name = subject + ": tokenizer.huggingface.json";
  TokenizerParts parts = parts_from_tokenizer_json(parse_json(v.huggingface_json, name), name);
  SpecialIds& ids = parts.vocabulary.special;
  auto prefer = [](std::optional<int32_t>& id, std::optional<int32_t> better) { id = better ? better : id; };
  prefer(ids.bos, v.special.bos), prefer(ids.eos, v.special.eos);
  prefer(ids.unk, v.special.unk), prefer(ids.pad, v.special.pad);
  ids.eot = v.special.eot, ids.eom = v.special.eom;
  parts.vocabulary.more_ends = v.more_ends;
  guess_special_ids(parts);
  return Tokenizer(std::move(parts), name);
}

}  // namespace

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

Tokenizer make_tokenizer(Vocabulary v, const std::string& subject) {
  if (!v.huggingface_json.empty()) return from_huggingface_json(v, subject);
  if (v.model != "gpt2") throw unsupported("{}: tokenizers of the kind \"{}\" are not supported", subject, v.model);
  bool unsaid = v.pre.empty() || v.pre == "default";
  const PreName& pre = unsaid ? guess_pre(v.tokens) : pre_rule(v.pre, subject);
  if (!v.add_bos) v.add_bos = pre.add_bos;
  TokenizerParts parts{std::move(v), pre.rule, {}};
  parts.added = added_from_types(parts.vocabulary);
  guess_special_ids(parts);
  return Tokenizer(std::move(parts), subject);
}

}  // namespace galago
