#include "text/load_tokenizer.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "text/make_tokenizer.h"
#include "text/neighbours.h"
#include "text/sentencepiece_file.h"

namespace galago {
namespace {

namespace fs = std::filesystem;

Tokenizer finish(TokenizerParts parts, const fs::path& path, const LoadTokenizerOptions& options) {
  append_tokens(parts, options.appended);
  return Tokenizer(std::move(parts), path.string());
}

// --- vocab.json and merges.txt ---

// "X.vocab.json" goes with "X.merges.txt", "vocab.json" with "merges.txt".
fs::path merges_beside(const fs::path& vocab) {
  std::string name = vocab.filename().string();
  std::string stem = name.substr(0, name.size() - std::string_view("vocab.json").size());
  return vocab.parent_path() / (stem + "merges.txt");
}

// The lines of a text file, without their line ends.
std::vector<std::string> read_lines(const fs::path& path) {
  std::string text = read_file(path.string());
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(std::move(line));
    begin = end + 1;
  }
  return lines;
}

void read_merges_txt(Vocabulary& v, const fs::path& path) {
  bool first = true;
  for (std::string& line : read_lines(path)) {
    bool is_header = std::exchange(first, false) && line.starts_with("#version");
    if (!line.empty() && !is_header) v.merges.push_back(std::move(line));
  }
}

void apply_begin_and_end(Vocabulary& v, const fs::path& folder) {
  auto config = read_object_if_there(folder / "tokenizer_config.json");
  if (!config) return;
  if (auto add = json_flag(*config, "add_bos_token")) v.add_bos = add;
  if (auto add = json_flag(*config, "add_eos_token")) v.add_eos = add;
}

Tokenizer load_vocab_json(const fs::path& path, const LoadTokenizerOptions& options) {
  TokenizerParts parts;
  Vocabulary& v = parts.vocabulary;
  v.model = "gpt2";
  add_tokens(v, read_json(path.string()), path.string(), TokenType::Normal);
  read_merges_txt(v, merges_beside(path));
  v.pre = options.pre;
  parts = parts_from_vocabulary(std::move(v), path.string());
  apply_added_tokens(parts, path.parent_path(), options.added_path);
  apply_begin_and_end(parts.vocabulary, path.parent_path());
  apply_token_names(parts.vocabulary, path.parent_path());
  guess_special_ids(parts);
  return finish(std::move(parts), path, options);
}

// --- tokenizer.json ---

Tokenizer load_tokenizer_json(const fs::path& path, const LoadTokenizerOptions& options) {
  TokenizerParts parts = parts_from_tokenizer_json(read_json(path.string()), path.string());
  if (!options.added_path.empty()) {
    add_tokens(parts.vocabulary, read_json(options.added_path), options.added_path);
    parts.added = added_from_types(parts.vocabulary, std::move(parts.added));
  }
  apply_token_names(parts.vocabulary, path.parent_path());
  guess_special_ids(parts);
  return finish(std::move(parts), path, options);
}

// --- tokenizer.model ---

void apply_space_prefix(SentencePieceRule& rule, const fs::path& folder) {
  auto config = read_object_if_there(folder / "tokenizer_config.json");
  if (!config || json_flag(*config, "legacy").value_or(true)) return;
  bool wanted = json_flag(*config, "add_prefix_space").value_or(true);
  rule.prefix = wanted ? SpacePrefix::First : SpacePrefix::Never;
}

Tokenizer load_sentencepiece(const fs::path& path, const LoadTokenizerOptions& options) {
  TokenizerParts parts = parts_from_sentencepiece(read_file(path.string()), path.string());
  fs::path folder = path.parent_path();
  apply_added_tokens(parts, folder, options.added_path);
  apply_space_prefix(std::get<SentencePieceRule>(parts.rule), folder);
  apply_begin_and_end(parts.vocabulary, folder);
  apply_token_names(parts.vocabulary, folder);
  return finish(std::move(parts), path, options);
}

// --- vocab.txt ---

void apply_bert_config(WordPieceRule& rule, const Json& config) {
  rule.lowercase = json_flag(config, "do_lower_case").value_or(true);
  rule.strip_accents = json_flag(config, "strip_accents").value_or(rule.lowercase);
  rule.split_cjk = json_flag(config, "tokenize_chinese_chars").value_or(true);
}

struct BertName {
  const char* text;
  std::optional<int32_t> SpecialIds::*id;
};
constexpr BertName kBertNames[] = {{"[CLS]", &SpecialIds::cls},
                                   {"[SEP]", &SpecialIds::sep},
                                   {"[UNK]", &SpecialIds::unk},
                                   {"[PAD]", &SpecialIds::pad},
                                   {"[MASK]", &SpecialIds::mask}};

Tokenizer load_vocab_txt(const fs::path& path, const LoadTokenizerOptions& options) {
  TokenizerParts parts{.rule = WordPieceRule{}};
  Vocabulary& v = parts.vocabulary;
  v.model = "bert";
  v.tokens = read_lines(path);
  v.types.assign(v.tokens.size(), static_cast<int32_t>(TokenType::Normal));
  for (const BertName& row : kBertNames) {
    auto found = std::ranges::find(v.tokens, row.text);
    if (found == v.tokens.end()) continue;
    auto id = static_cast<int32_t>(found - v.tokens.begin());
    v.special.*row.id = id;
    v.types[static_cast<size_t>(id)] = static_cast<int32_t>(TokenType::Control);
  }
  v.special.bos = v.special.cls;
  v.add_bos = v.add_sep = true;
  parts.unknown = v.special.unk;
  parts.added = added_specials(v);
  apply_added_tokens(parts, path.parent_path(), options.added_path);
  if (auto config = read_object_if_there(path.parent_path() / "tokenizer_config.json"))
    apply_bert_config(std::get<WordPieceRule>(parts.rule), *config);
  return finish(std::move(parts), path, options);
}

// --- a folder ---

// Classes of published models that exist only in the slow form, so read tokenizer.model themselves.
constexpr std::string_view kSlowClasses[] = {"InternLM2Tokenizer", "InternLMTokenizer", "InternLMXComposer2Tokenizer",
                                             "BaichuanTokenizer", "BlueLMTokenizer"};

bool wants_slow_class(const fs::path& folder) {
  auto config = read_object_if_there(folder / "tokenizer_config.json");
  if (!config) return false;
  Json name = config->value("tokenizer_class", Json());
  if (name.is_string() && std::ranges::count(kSlowClasses, name.get<std::string>())) return true;
  Json map = config->value("auto_map", Json());
  Json classes = map.is_object() ? map.value("AutoTokenizer", Json()) : Json();  // [slow, fast]
  return classes.is_array() && classes.size() == 2 && classes[1].is_null();
}

using Loader = Tokenizer (*)(const fs::path&, const LoadTokenizerOptions&);
struct KnownFile {
  const char* name;
  Loader load;
};
constexpr KnownFile kModelFile = {"tokenizer.model", load_sentencepiece};
constexpr KnownFile kFiles[] = {{"tokenizer.json", load_tokenizer_json},
                                kModelFile,
                                {"vocab.json", load_vocab_json},
                                {"vocab.txt", load_vocab_txt}};

const KnownFile* choose_file(const fs::path& folder) {
  if (fs::exists(folder / kModelFile.name) && wants_slow_class(folder)) return &kModelFile;
  for (const KnownFile& file : kFiles)
    if (fs::exists(folder / file.name)) return &file;
  return nullptr;
}

}  // namespace

bool has_tokenizer(const std::string& folder) {
  return std::ranges::any_of(kFiles, [&](const KnownFile& file) { return fs::exists(fs::path(folder) / file.name); });
}

Tokenizer load_tokenizer(const std::string& path, const LoadTokenizerOptions& options) {
  fs::path file = path;
  if (fs::is_directory(file)) {
    const KnownFile* known = choose_file(file);
    if (!known) throw not_found("{}: no tokenizer.json, tokenizer.model, vocab.json or vocab.txt in this folder", path);
    return known->load(file / known->name, options);
  }
  if (path.ends_with("vocab.json")) return load_vocab_json(file, options);
  if (path.ends_with(".json")) return load_tokenizer_json(file, options);
  if (path.ends_with(".model")) return load_sentencepiece(file, options);
  if (path.ends_with(".txt")) return load_vocab_txt(file, options);
  throw unsupported("{}: expected a folder, a tokenizer.json, a .model file, a vocab.json or a vocab.txt", path);
}

}  // namespace galago
