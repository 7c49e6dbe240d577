#include "text/neighbours.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "text/make_tokenizer.h"

namespace galago {
namespace {

namespace fs = std::filesystem;

// A special token is written as "text" or as {"content": "text", ...}.
std::string token_text(const Json& config, const char* key) {
  auto it = config.find(key);
  if (it == config.end()) return {};
  if (it->is_string()) return it->get<std::string>();
  if (it->is_object() && it->contains("content") && it->at("content").is_string())
    return it->at("content").get<std::string>();
  return {};
}

void set_id(std::optional<int32_t>& id, const Vocabulary& v, const std::string& text) {
  if (text.empty()) return;
  auto found = std::find(v.tokens.begin(), v.tokens.end(), text);
  if (found != v.tokens.end()) id = static_cast<int32_t>(found - v.tokens.begin());
}

void apply_names(Vocabulary& v, const Json& config) {
  set_id(v.special.bos, v, token_text(config, "bos_token"));
  set_id(v.special.eos, v, token_text(config, "eos_token"));
  set_id(v.special.unk, v, token_text(config, "unk_token"));
  set_id(v.special.pad, v, token_text(config, "pad_token"));
  set_id(v.special.sep, v, token_text(config, "sep_token"));
  set_id(v.special.cls, v, token_text(config, "cls_token"));
  set_id(v.special.mask, v, token_text(config, "mask_token"));
}

// eos_token_id is one id or a list; the first is the eos of the vocabulary if it has none.
void apply_generation_config(Vocabulary& v, const Json& config) {
  auto it = config.find("eos_token_id");
  if (it == config.end()) return;
  for (const Json& id : it->is_array() ? *it : Json::array({*it})) {
    if (id.is_number_unsigned() && id.get<uint64_t>() < v.tokens.size()) v.more_ends.push_back(id.get<int32_t>());
  }
}

// The last one of equal ids counts.
void add_one(TokenizerParts& parts, AddedToken token) {
  set_token(parts.vocabulary, token.content, token.id, token.special ? TokenType::Control : TokenType::UserDefined);
  std::erase_if(parts.added, [&](const AddedToken& t) { return t.id == token.id; });
  parts.added.push_back(std::move(token));
}

// {"id": {"content", "special", ...}}
void apply_decoder(TokenizerParts& parts, const Json& config, const std::string& subject) {
  auto it = config.find("added_tokens_decoder");
  if (it == config.end() || !it->is_object()) return;
  size_t n_tokens = parts.vocabulary.tokens.size() + it->size();
  for (const auto& [key, token] : it->items()) {
    AddedToken t;
    t.id = checked_token_id(Json::parse(key, nullptr, false), n_tokens, subject + ": added_tokens_decoder");
    t.content = token_text(*it, key.c_str());
    if (t.content.empty()) continue;
    auto flag = [&fields = token](const char* name) {
      return fields.is_object() ? json_flag(fields, name) : std::nullopt;
    };
    t.special = flag("special").value_or(looks_like_control(t.content));
    t.lstrip = flag("lstrip").value_or(false), t.rstrip = flag("rstrip").value_or(false);
    t.single_word = flag("single_word").value_or(false);
    add_one(parts, std::move(t));
  }
}

// {"text": id}: nothing says which are special.
void apply_list(TokenizerParts& parts, const Json& list, const std::string& subject) {
  if (!list.is_object())
    throw invalid_input("{}: found {}, expected an object of texts and ids", subject, list.type_name());
  size_t n_tokens = parts.vocabulary.tokens.size() + list.size();
  for (const auto& [text, id] : list.items())
    if (!text.empty()) add_one(parts, {checked_token_id(id, n_tokens, subject), text, looks_like_control(text)});
}

}  // namespace

std::optional<Json> read_object_if_there(const fs::path& path) {
  if (!fs::exists(path)) return std::nullopt;
  Json json = read_json(path.string());
  if (!json.is_object()) throw invalid_input("{}: found {}, expected an object", path.string(), json.type_name());
  return json;
}

std::optional<bool> json_flag(const Json& config, const char* key) {
  auto it = config.find(key);
  return it != config.end() && it->is_boolean() ? std::optional(it->get<bool>()) : std::nullopt;
}

void apply_token_names(Vocabulary& v, const fs::path& folder) {
  for (const char* name : {"special_tokens_map.json", "tokenizer_config.json"}) {
    if (auto config = read_object_if_there(folder / name)) apply_names(v, *config);
  }
  if (auto config = read_object_if_there(folder / "generation_config.json")) apply_generation_config(v, *config);
}

void apply_added_tokens(TokenizerParts& parts, const fs::path& folder, const std::string& extra_path) {
  Vocabulary& v = parts.vocabulary;
  if (v.types.empty()) v.types.assign(v.tokens.size(), static_cast<int32_t>(TokenType::Normal));
  fs::path list = folder / "added_tokens.json", config = folder / "tokenizer_config.json";
  if (auto json = read_object_if_there(list)) apply_list(parts, *json, list.string());
  if (auto json = read_object_if_there(config)) apply_decoder(parts, *json, config.string());
  if (!extra_path.empty()) apply_list(parts, read_json(extra_path), extra_path);
  fill_holes(v);
  if (!v.scores.empty()) v.scores.resize(v.tokens.size(), 0.0f);
}

void append_tokens(TokenizerParts& parts, std::span<const std::string> texts) {
  Vocabulary& v = parts.vocabulary;
  if (v.types.empty()) v.types.assign(v.tokens.size(), static_cast<int32_t>(TokenType::Normal));
  for (const std::string& text : texts)
    add_one(parts, {.id = static_cast<int32_t>(v.tokens.size()), .content = text, .special = true});
  if (!v.scores.empty()) v.scores.resize(v.tokens.size(), 0.0f);
}

}  // namespace galago
