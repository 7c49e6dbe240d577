// Reads and writes Hugging Face tokenizer.json. Only what galago has is accepted: a normalizer, pre-tokenizer or model
// that is not known is refused by name, never skipped. Source: huggingface/tokenizers; formats.md section 12.
#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/error.h"
#include "text/load_tokenizer.h"
#include "text/make_tokenizer.h"

namespace galago {
namespace {

// A JSON object with the name of its place, so that errors can say where.
struct Place {
  const Json& json;
  std::string name;

  const Json* member(const char* key) const {
    if (!json.is_object()) throw invalid_input("{}: found {}, expected an object", name, json.type_name());
    auto it = json.find(key);
    return it == json.end() || it->is_null() ? nullptr : &*it;
  }
  Place at(const char* key) const {
    const Json* found = member(key);
    if (!found) throw invalid_input("{}: no \"{}\"", name, key);
    return {*found, name + "." + key};
  }
  std::string string(const char* key, const std::string& fallback = {}) const {
    const Json* value = member(key);
    if (!value) return fallback;
    if (!value->is_string()) throw invalid_input("{}.{}: found {}, expected a string", name, key, value->type_name());
    return value->get<std::string>();
  }
  bool flag(const char* key, bool fallback = false) const {
    const Json* value = member(key);
    if (!value) return fallback;
    if (!value->is_boolean())
      throw invalid_input("{}.{}: found {}, expected true or false", name, key, value->type_name());
    return value->get<bool>();
  }
  // The elements of a list; empty if it is not there.
  std::vector<Place> list(const char* key) const {
    std::vector<Place> items;
    const Json* value = member(key);
    if (!value) return items;
    if (!value->is_array()) throw invalid_input("{}.{}: found {}, expected a list", name, key, value->type_name());
    for (const Json& item : *value) items.push_back({item, fmt::format("{}.{}[{}]", name, key, items.size())});
    return items;
  }
};

bool read_nfc(const Place& root) {
  if (!root.member("normalizer")) return false;
  Place normalizer = root.at("normalizer");
  std::vector<Place> steps = {normalizer};
  if (normalizer.string("type") == "Sequence") steps = normalizer.list("normalizers");
  for (const Place& step : steps) {
    std::string type = step.string("type");
    if (type != "NFC") throw unsupported("{}: the normalizer \"{}\" is not supported, only NFC is", step.name, type);
  }
  return !steps.empty();
}

// One expression of the pre-tokenizer: its split, or nullopt for bytes only.
std::optional<WordSplit> read_split_stage(const Place& stage) {
  std::string type = stage.string("type");
  if (type == "ByteLevel") {
    if (stage.flag("add_prefix_space")) throw unsupported("{}: add_prefix_space is not supported", stage.name);
    return stage.flag("use_regex", true) ? std::optional(WordSplit::Gpt2) : std::nullopt;
  }
  if (type == "Digits" && stage.flag("individual_digits")) return WordSplit::DigitsGpt2;
  if (type == "Split") {
    std::string behavior = stage.string("behavior"), pattern = stage.at("pattern").string("Regex");
    bool isolates = stage.flag("invert") ? behavior == "Removed" : behavior == "Isolated";
    auto split = split_from_pattern(pattern);
    if (split && isolates) return split;
    throw unsupported(
        "{}: the split {} with behavior \"{}\" is not supported; known are those of GPT-2, Qwen2, Llama 3 and "
        "StarCoder",
        stage.name, pattern, behavior);
  }
  throw unsupported("{}: the pre-tokenizer \"{}\" is not supported", stage.name, type);
}

WordSplit read_split(const Place& root) {
  if (!root.member("pre_tokenizer"))
    throw unsupported("{}: BPE without a ByteLevel pre-tokenizer is not supported", root.name);
  Place top = root.at("pre_tokenizer");
  std::vector<Place> stages = {top};
  if (top.string("type") == "Sequence") stages = top.list("pretokenizers");
  bool has_bytes = false;
  std::vector<WordSplit> splits;
  for (const Place& stage : stages) {
    if (auto split = read_split_stage(stage)) splits.push_back(*split);
    has_bytes = has_bytes || stage.string("type") == "ByteLevel";
  }
  bool digits_first = splits.size() == 2 && splits[0] == WordSplit::DigitsGpt2 && splits[1] == WordSplit::Gpt2;
  if (has_bytes && digits_first) return WordSplit::DigitsGpt2;
  if (has_bytes && splits.size() == 1 && splits[0] != WordSplit::DigitsGpt2) return splits[0];
  throw unsupported("{}: this sequence of pre-tokenizers is not supported; expected a split, then ByteLevel", top.name);
}

void check_model(const Place& model) {
  std::string type = model.string("type", model.member("merges") ? "BPE" : "");
  if (type != "BPE")
    throw unsupported("{}: the model \"{}\" is not supported, only byte-level BPE is", model.name, type);
  if (model.flag("byte_fallback"))
    throw unsupported("{}: BPE with byte_fallback (SentencePiece) is not supported", model.name);
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.string(key).empty()) throw unsupported("{}.{} is not supported", model.name, key);
  }
}

void read_vocabulary(const Place& model, Vocabulary& v) {
  Place vocab = model.at("vocab");
  if (!vocab.json.is_object())
    throw invalid_input("{}: found {}, expected an object", vocab.name, vocab.json.type_name());
  for (const auto& [text, value] : vocab.json.items()) {
    int32_t id = checked_token_id(value, vocab.json.size(), vocab.name);
    if (static_cast<size_t>(id) < v.types.size() && v.types[static_cast<size_t>(id)] != 0) {
      throw invalid_input("{}: two tokens have the id {}", vocab.name, id);
    }
    set_token(v, text, id, TokenType::Normal);
  }
}

void read_merges(const Place& model, Vocabulary& v) {
  for (const Place& merge : model.list("merges")) {
    const Json& m = merge.json;
    if (m.is_string()) {
      v.merges.push_back(m.get<std::string>());
    } else if (m.is_array() && m.size() == 2 && m[0].is_string() && m[1].is_string()) {
      v.merges.push_back(m[0].get<std::string>() + " " + m[1].get<std::string>());
    } else {
      throw invalid_input("{}: expected \"left right\" or [\"left\", \"right\"]", merge.name);
    }
  }
}

void read_added(const Place& root, TokenizerParts& parts) {
  Vocabulary& v = parts.vocabulary;
  auto items = root.list("added_tokens");
  for (const Place& item : items) {
    AddedToken t;
    t.id = checked_token_id(item.at("id").json, v.tokens.size() + items.size(), item.name + ".id");
    t.content = item.string("content");
    t.special = item.flag("special");
    t.normalized = item.flag("normalized", !t.special);
    t.lstrip = item.flag("lstrip"), t.rstrip = item.flag("rstrip"), t.single_word = item.flag("single_word");
    set_token(v, t.content, t.id, t.special ? TokenType::Control : TokenType::UserDefined);
    parts.added.push_back(std::move(t));
  }
}

std::optional<int32_t> added_id(const TokenizerParts& parts, std::string_view content) {
  for (const AddedToken& t : parts.added) {
    if (t.content == content) return t.id;
  }
  return std::nullopt;
}

std::optional<int32_t> id_of(const Vocabulary& v, const std::string& text) {
  auto found = std::find(v.tokens.begin(), v.tokens.end(), text);
  return found == v.tokens.end() ? std::nullopt : std::optional(static_cast<int32_t>(found - v.tokens.begin()));
}

// [begin] A [end] in the template for one text says which tokens encode() adds.
void read_template(const Place& processor, TokenizerParts& parts) {
  bool before_text = true;
  for (const Place& item : processor.list("single")) {
    if (item.member("Sequence")) {
      before_text = false;
    } else if (item.member("SpecialToken")) {
      auto id = added_id(parts, item.at("SpecialToken").string("id"));
      if (!id) throw invalid_input("{}: names a token that is not among added_tokens", item.name);
      auto& known = before_text ? parts.vocabulary.special.bos : parts.vocabulary.special.eos;
      auto& adds = before_text ? parts.vocabulary.add_bos : parts.vocabulary.add_eos;
      if (adds.value_or(false)) throw unsupported("{}: two special tokens in a row are not supported", processor.name);
      known = id, adds = true;
    }
  }
}

void read_post_processor(const Place& root, TokenizerParts& parts) {
  if (!root.member("post_processor")) return;
  Place top = root.at("post_processor");
  std::vector<Place> steps = {top};
  if (top.string("type") == "Sequence") steps = top.list("processors");
  for (const Place& step : steps) {
    std::string type = step.string("type");
    if (type == "TemplateProcessing") {
      read_template(step, parts);
    } else if (type != "ByteLevel") {
      throw unsupported("{}: the post-processor \"{}\" is not supported", step.name, type);
    }
  }
}

constexpr std::array kBosNames{"<bos>", "<s>", "<|begin_of_text|>", "<|startoftext|>"};
constexpr std::array kEosNames{"<eos>", "</s>", "<|endoftext|>", "<|end_of_text|>"};
constexpr std::array kUnkNames{"<unk>", "[UNK]"};
constexpr std::array kPadNames{"<pad>", "<|pad|>", "<|padding|>", "[PAD]"};

template <size_t n>
void guess(std::optional<int32_t>& id, const TokenizerParts& parts, const std::array<const char*, n>& names) {
  for (const char* name : names) {
    if (!id) id = added_id(parts, name);
  }
}

using Ordered = nlohmann::ordered_json;

std::string quoted_text(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string dumped(const Ordered& json) { return json.dump(2, ' ', false, Ordered::error_handler_t::replace); }

Ordered byte_level(bool use_regex = true) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

Ordered pre_tokenizer_json(WordSplit split) {
  if (split == WordSplit::Gpt2) return byte_level();
  Ordered first = {{"type", "Digits"}, {"individual_digits", true}};
  if (split != WordSplit::DigitsGpt2) {
    first = {
        {"type", "Split"}, {"pattern", {{"Regex", split_pattern(split)}}}, {"behavior", "Isolated"}, {"invert", false}};
  }
  return {{"type", "Sequence"}, {"pretokenizers", Ordered::array({first, byte_level(split == WordSplit::DigitsGpt2)})}};
}

Ordered added_json(const std::vector<AddedToken>& added) {
  Ordered list = Ordered::array();
  for (const AddedToken& t : added) {
    list.push_back({{"id", t.id},
                    {"content", t.content},
                    {"single_word", t.single_word},
                    {"lstrip", t.lstrip},
                    {"rstrip", t.rstrip},
                    {"normalized", t.normalized},
                    {"special", t.special}});
  }
  return list;
}

struct NamedId {
  int32_t id;
  std::string text;
};

// [begin] A [end], where there are such tokens.
Ordered template_json(const std::optional<NamedId>& begin, const std::optional<NamedId>& end) {
  Ordered single = Ordered::array(), special = Ordered::object();
  auto add = [&](const std::optional<NamedId>& token) {
    if (!token) return;
    single.push_back({{"SpecialToken", {{"id", token->text}, {"type_id", 0}}}});
    special[token->text] = {{"id", token->text}, {"ids", {token->id}}, {"tokens", {token->text}}};
  };
  add(begin);
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  add(end);
  Ordered pair = single;
  pair.push_back({{"Sequence", {{"id", "B"}, {"type_id", 1}}}});
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", special}};
}

// One line a token, in order of ids: a JSON object of the library would sort them by text. Added tokens have a list of
// their own, and holes stay holes.
std::string vocab_json(const TokenTable& table) {
  std::string out = "{";
  const char* separator = "\n";
  for (int32_t id = 0; id < table.size(); ++id) {
    std::string text = table.text(id);
    TokenType type = table.type(id);
    bool is_hole = type == TokenType::Unused && text == fmt::format("[PAD{}]", id);
    bool is_added = type == TokenType::UserDefined || type == TokenType::Control || type == TokenType::Unknown;
    if (is_hole || is_added) continue;
    out += fmt::format("{}{}: {}", separator, quoted_text(text), id);
    separator = ",\n";
  }
  return out + "\n}";
}

std::string merges_json(const std::vector<Merge>& merges, const TokenTable& table) {
  std::string out = "[";
  const char* separator = "\n";
  for (const Merge& m : merges) {
    out += separator + quoted_text(table.text(m.left) + " " + table.text(m.right));
    separator = ",\n";
  }
  return out + "\n]";
}

}  // namespace

TokenizerParts parts_from_tokenizer_json(const Json& json, const std::string& subject) {
  Place root{json, subject};
  Place model = root.at("model");
  check_model(model);
  TokenizerParts parts;
  parts.vocabulary.model = "gpt2";
  parts.rule = {read_split(root), read_nfc(root), model.flag("ignore_merges")};
  read_vocabulary(model, parts.vocabulary);
  read_merges(model, parts.vocabulary);
  read_added(root, parts);
  fill_holes(parts.vocabulary);
  // Only the model's own unk_token stands for missing bytes; that of tokenizer_config.json is often <|endoftext|>.
  if (std::string unk = model.string("unk_token"); !unk.empty()) parts.missing_byte = id_of(parts.vocabulary, unk);
  parts.vocabulary.special.unk = parts.missing_byte;
  read_post_processor(root, parts);
  return parts;
}

void guess_special_ids(TokenizerParts& parts) {
  SpecialIds& ids = parts.vocabulary.special;
  guess(ids.bos, parts, kBosNames);
  guess(ids.eos, parts, kEosNames);
  guess(ids.unk, parts, kUnkNames);
  guess(ids.pad, parts, kPadNames);
}

Tokenizer parse_tokenizer_json(std::string_view text, const std::string& subject) {
  TokenizerParts parts = parts_from_tokenizer_json(parse_json(text, subject), subject);
  guess_special_ids(parts);
  return Tokenizer(std::move(parts), subject);
}

std::string Tokenizer::to_tokenizer_json() const {
  auto named = [&](bool wanted, std::optional<int32_t> id) {
    return wanted ? std::optional(NamedId{*id, table_.text(*id)}) : std::nullopt;
  };
  auto begin = named(add_bos_, special_.bos), end = named(add_eos_, special_.eos);
  std::string out = "{\n\"version\": \"1.0\",\n\"truncation\": null,\n\"padding\": null,\n";
  auto member = [&](const char* key, const std::string& value) { out += fmt::format("\"{}\": {},\n", key, value); };
  member("added_tokens", dumped(added_json(added_)));
  member("normalizer", rule_.nfc ? R"({"type": "NFC"})" : "null");
  member("pre_tokenizer", dumped(pre_tokenizer_json(rule_.split)));
  member("post_processor", dumped(begin || end ? template_json(begin, end) : byte_level()));
  member("decoder", dumped(byte_level()));
  out += "\"model\": {\n";
  member("type", "\"BPE\"");
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) member(key, "null");
  member("unk_token", missing_byte_ ? quoted_text(table_.text(*missing_byte_)) : "null");
  for (const char* key : {"fuse_unk", "byte_fallback"}) member(key, "false");
  member("ignore_merges", rule_.ignore_merges ? "true" : "false");
  member("vocab", vocab_json(table_));
  return out + "\"merges\": " + merges_json(merges_.merges(), table_) + "\n}\n}\n";
}

}  // namespace galago
