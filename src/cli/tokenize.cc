// galago tokenize FILE: text on stdin to token ids on stdout, and back. Three ways of reading stdin:
//   plain    every line is a text (without its newline) and becomes one JSON array of ids on its own line
//   --jsonl  every line is {"text": ...} and becomes {"ids": [...]}: for texts with newlines
//   --json   all of stdin, newlines and all, is one text and becomes one object with ids and pieces
// With --decode it is the other way round; a plain line may hold a JSON array or ids between spaces or commas.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "formats/gguf.h"
#include "runtime/gguf_tokenizer.h"
#include "text/load_tokenizer.h"
#include "text/make_tokenizer.h"
#include "text/streaming_decoder.h"

namespace galago::cli {
namespace {

struct Options {
  std::string file;
  LoadTokenizerOptions load;
  EncodeOptions encode;
  bool decode = false, json = false, jsonl = false, skip_special = false;
};

bool is_gguf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char magic[4] = {};
  file.read(magic, 4);
  return std::string_view(magic, 4) == "GGUF";
}

Tokenizer open_tokenizer(const std::string& path, const LoadTokenizerOptions& options) {
  if (!std::filesystem::exists(path)) throw not_found("{}: no such file or folder", path);
  if (std::filesystem::is_directory(path) || !is_gguf(path)) return load_tokenizer(path, options);
  Vocabulary vocabulary = read_vocabulary(GgufFile::open(path));
  if (!options.pre.empty()) vocabulary.pre = options.pre;
  if (!options.added_path.empty()) add_tokens(vocabulary, read_json(options.added_path), options.added_path);
  return make_tokenizer(std::move(vocabulary), path);
}

std::vector<int32_t> ids_from_json(const Json& json) {
  const Json& list = json.is_object() && json.contains("ids") ? json["ids"] : json;
  if (!list.is_array()) throw invalid_input("stdin: expected token ids as a JSON array, for example [1, 22, 333]");
  std::vector<int32_t> ids;
  for (const Json& id : list) {
    bool fits = id.is_number_integer() && id.get<int64_t>() >= 0 && id.get<int64_t>() <= INT32_MAX;
    if (!fits) throw invalid_input("stdin: {} is not a token id; expected a whole number from 0", id.dump());
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

std::vector<int32_t> ids_from_line(std::string line) {
  if (line.find_first_of("[{") != std::string::npos) return ids_from_json(parse_json(line, "stdin"));
  for (char& c : line)
    if (c == ',' || c == '\t' || c == '\r') c = ' ';
  Json list = Json::array();
  for (size_t at = 0; (at = line.find_first_not_of(' ', at)) != std::string::npos;) {
    size_t end = std::min(line.find(' ', at), line.size());
    list.push_back(parse_json(line.substr(at, end - at), "stdin"));
    at = end;
  }
  return ids_from_json(list);
}

Json encoded(const Tokenizer& tokenizer, const Options& o, std::string_view text) {
  std::vector<int32_t> ids = tokenizer.encode(text, o.encode);
  Json pieces = Json::array();
  for (int32_t id : ids) pieces.push_back(replace_invalid_utf8(tokenizer.piece(id)));
  return {{"ids", ids}, {"pieces", pieces}, {"count", ids.size()}};
}

std::string text_of_row(const Json& row) {
  if (!row.is_object() || !row.contains("text") || !row["text"].is_string())
    throw invalid_input("stdin: expected a line like {{\"text\": \"hello\"}}, found {}", row.dump().substr(0, 80));
  return row["text"].get<std::string>();
}

// One line in, one line out.
std::string convert_line(const Tokenizer& tokenizer, const Options& o, const std::string& line) {
  if (!o.decode && !o.jsonl) return Json(tokenizer.encode(line, o.encode)).dump();
  if (!o.decode) return Json{{"ids", tokenizer.encode(text_of_row(parse_json(line, "stdin")), o.encode)}}.dump();
  if (!o.jsonl) return tokenizer.decode(ids_from_line(line), o.skip_special);
  std::string text = tokenizer.decode(ids_from_json(parse_json(line, "stdin")), o.skip_special);
  return Json{{"text", replace_invalid_utf8(text)}}.dump();
}

std::string all_of_stdin() { return {std::istreambuf_iterator<char>(std::cin), {}}; }

void run(const Options& o) {
  if (o.json && o.jsonl) throw usage_error("--json takes all of stdin as one text, --jsonl one a line; choose one");
  Tokenizer tokenizer = open_tokenizer(o.file, o.load);
  if (o.json && o.decode)
    return print_json(
        {{"text", replace_invalid_utf8(tokenizer.decode(ids_from_line(all_of_stdin()), o.skip_special))}});
  if (o.json) return print_json(encoded(tokenizer, o, all_of_stdin()));
  for (std::string line; std::getline(std::cin, line);) fmt::print("{}\n", convert_line(tokenizer, o, line));
}

}  // namespace

void define_tokenize(CLI::App& app) {
  auto o = std::make_shared<Options>();
  app.add_option("FILE", o->file,
                 "a GGUF file, a Hugging Face folder, tokenizer.json, tokenizer.model (SentencePiece), vocab.txt "
                 "(WordPiece), or "
                 "vocab.json with merges.txt beside it")
      ->required();
  app.add_flag("--parse-special", o->encode.parse_special, "find control tokens such as <eos> in the text");
  app.add_flag("--add-special", o->encode.add_special, "add begin and end tokens where the vocabulary asks for them");
  app.add_flag("--decode", o->decode, "ids on stdin to text");
  app.add_flag("--skip-special", o->skip_special, "with --decode: leave control tokens out");
  app.add_flag("--jsonl", o->jsonl, "one {\"text\": ...} a line in, one {\"ids\": [...]} a line out");
  app.add_flag("--json", o->json, "all of stdin is one text; the result is one object");
  app.add_option("--added", o->load.added_path, "a JSON file of more tokens: {\"text\": id, ...}");
  app.add_option("--pre", o->load.pre, "the split, by its GGUF name, where the files do not say (gpt-2, qwen2, ...)");
  app.callback([o] { run(*o); });
}

}  // namespace galago::cli
