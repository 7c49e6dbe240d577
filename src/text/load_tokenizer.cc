#include "text/load_tokenizer.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "text/make_tokenizer.h"

namespace galago {
namespace {

namespace fs = std::filesystem;

std::optional<Json> read_if_there(const fs::path& path) {
  if (!fs::exists(path)) return std::nullopt;
  Json json = read_json(path.string());
  if (!json.is_object()) throw invalid_input("{}: found {}, expected an object", path.string(), json.type_name());
  return json;
}

// A special token is written as "text" or as {"content": "text", ...}.
std::string token_text(const Json& config, const char* key) {
  auto it = config.find(key);
  if (it == config.end()) return {};
  if (it->is_string()) return it->get<std::string>();
  if (it->is_object() && it->contains("content") && it->at("content").is_string())
    return it->at("content").get<std::string>();
  return {};
}

std::optional<bool> flag(const Json& config, const char* key) {
  auto it = config.find(key);
  return it != config.end() && it->is_boolean() ? std::optional(it->get<bool>()) : std::nullopt;
}

void set_id(std::optional<int32_t>& id, const Vocabulary& v, const std::string& text) {
  if (text.empty()) return;
  auto found = std::find(v.tokens.begin(), v.tokens.end(), text);
  if (found != v.tokens.end()) id = static_cast<int32_t>(found - v.tokens.begin());
}

void apply_token_names(Vocabulary& v, const Json& config) {
  set_id(v.special.bos, v, token_text(config, "bos_token"));
  set_id(v.special.eos, v, token_text(config, "eos_token"));
  set_id(v.special.unk, v, token_text(config, "unk_token"));
  set_id(v.special.pad, v, token_text(config, "pad_token"));
}

// generation_config.json: eos_token_id is one id or a list; the first is the eos of the vocabulary if it has none.
void apply_generation_config(Vocabulary& v, const Json& config) {
  auto it = config.find("eos_token_id");
  if (it == config.end()) return;
  for (const Json& id : it->is_array() ? *it : Json::array({*it})) {
    if (id.is_number_unsigned() && id.get<uint64_t>() < v.tokens.size()) v.more_ends.push_back(id.get<int32_t>());
  }
}

void apply_neighbours(Vocabulary& v, const fs::path& folder) {
  for (const char* name : {"special_tokens_map.json", "tokenizer_config.json"}) {
    if (auto config = read_if_there(folder / name)) apply_token_names(v, *config);
  }
  if (auto config = read_if_there(folder / "generation_config.json")) apply_generation_config(v, *config);
}

// "X.vocab.json" goes with "X.merges.txt", "vocab.json" with "merges.txt".
fs::path merges_beside(const fs::path& vocab) {
  std::string name = vocab.filename().string();
  std::string stem = name.substr(0, name.size() - std::string_view("vocab.json").size());
  return vocab.parent_path() / (stem + "merges.txt");
}

void read_merges_txt(Vocabulary& v, const fs::path& path) {
  std::string text = read_file(path.string());
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    bool is_header = begin == 0 && line.starts_with("#version");
    if (!line.empty() && !is_header) v.merges.push_back(line);
    begin = end + 1;
  }
}

void read_vocab_json(Vocabulary& v, const fs::path& path) {
  Json json = read_json(path.string());
  add_tokens(v, json, path.string(), TokenType::Normal);
}

// added_tokens_decoder of tokenizer_config.json: {"id": {"content", "special", ...}}.
void apply_added_decoder(Vocabulary& v, const Json& config, const std::string& subject) {
  auto it = config.find("added_tokens_decoder");
  if (it == config.end() || !it->is_object()) return;
  for (const auto& [key, token] : it->items()) {
    Json one = {{token_text(*it, key.c_str()), Json::parse(key, nullptr, false)}};
    auto special = flag(token, "special");
    if (special) {
      add_tokens(v, one, subject, *special ? TokenType::Control : TokenType::UserDefined);
    } else {
      add_tokens(v, one, subject);
    }
  }
}

Tokenizer load_vocab_json(const fs::path& path, const LoadTokenizerOptions& options) {
  Vocabulary v;
  v.model = "gpt2";
  v.pre = options.pre;
  read_vocab_json(v, path);
  read_merges_txt(v, merges_beside(path));
  fs::path folder = path.parent_path();
  if (auto added = read_if_there(folder / "added_tokens.json"))
    add_tokens(v, *added, (folder / "added_tokens.json").string());
  if (auto config = read_if_there(folder / "tokenizer_config.json")) {
    apply_added_decoder(v, *config, (folder / "tokenizer_config.json").string());
    v.add_bos = flag(*config, "add_bos_token");
    v.add_eos = flag(*config, "add_eos_token");
  }
  if (!options.added_path.empty()) add_tokens(v, read_json(options.added_path), options.added_path);
  apply_neighbours(v, folder);
  return make_tokenizer(std::move(v), path.string());
}

Tokenizer load_tokenizer_json(const fs::path& path, const LoadTokenizerOptions& options) {
  TokenizerParts parts = parts_from_tokenizer_json(read_json(path.string()), path.string());
  if (!options.added_path.empty()) {
    add_tokens(parts.vocabulary, read_json(options.added_path), options.added_path);
    parts.added = added_from_types(parts.vocabulary, std::move(parts.added));
  }
  apply_neighbours(parts.vocabulary, path.parent_path());
  guess_special_ids(parts);
  return Tokenizer(std::move(parts), path.string());
}

}  // namespace

Tokenizer load_tokenizer(const std::string& path, const LoadTokenizerOptions& options) {
  fs::path file = path;
  if (fs::is_directory(file)) {
    if (fs::exists(file / "tokenizer.json")) return load_tokenizer_json(file / "tokenizer.json", options);
    if (fs::exists(file / "vocab.json")) return load_vocab_json(file / "vocab.json", options);
    throw not_found("{}: no tokenizer.json and no vocab.json in this folder", path);
  }
  if (path.ends_with("vocab.json")) return load_vocab_json(file, options);
  if (path.ends_with(".json")) return load_tokenizer_json(file, options);
  throw unsupported("{}: expected a folder, a tokenizer.json or a vocab.json", path);
}

}  // namespace galago
