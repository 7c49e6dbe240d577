// Reads Hugging Face tokenizer.json. Only what galago has is accepted: a normalizer, pre-tokenizer or model that is not
// known is refused by name, never skipped. Source: huggingface/tokenizers; formats.md section 12.
#include <algorithm>
#include <array>

#include "text/json_place.h"
#include "text/load_tokenizer.h"
#include "text/make_tokenizer.h"
#include "text/tokenizer_extra.h"

namespace galago {
namespace {

// The steps of a part that may be one step or a Sequence of them; none if it is not there.
std::vector<Place> steps_of(const Place& root, const char* key, const char* list) {
  if (!root.member(key)) return {};
  Place top = root.at(key);
  return top.string("type") == "Sequence" ? top.list(list) : std::vector{top};
}

[[noreturn]] void refuse(const Place& step, const char* what) {
  throw unsupported("{}: the {} \"{}\" is not supported", step.name, what, step.string("type"));
}

// --- byte-level BPE ---

bool read_nfc(const Place& root) {
  auto steps = steps_of(root, "normalizer", "normalizers");
  for (const Place& step : steps) {
    if (step.string("type") != "NFC") refuse(step, "normalizer of a byte-level tokenizer");
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
  if (type != "Split") refuse(stage, "pre-tokenizer");
  std::string behavior = stage.string("behavior"), pattern = stage.at("pattern").string("Regex");
  bool isolates = stage.flag("invert") ? behavior == "Removed" : behavior == "Isolated";
  auto split = split_from_pattern(pattern);
  if (split && isolates) return split;
  throw unsupported(
      "{}: the split {} with behavior \"{}\" is not supported; known are those of GPT-2, Qwen2, Llama 3 and "
      "StarCoder",
      stage.name, pattern, behavior);
}

WordSplit read_split(const Place& root) {
  std::vector<WordSplit> splits;
  for (const Place& stage : steps_of(root, "pre_tokenizer", "pretokenizers")) {
    if (auto split = read_split_stage(stage)) splits.push_back(*split);
  }
  bool digits_first = splits.size() == 2 && splits[0] == WordSplit::DigitsGpt2 && splits[1] == WordSplit::Gpt2;
  if (digits_first) return WordSplit::DigitsGpt2;
  if (splits.size() == 1 && splits[0] != WordSplit::DigitsGpt2) return splits[0];
  throw unsupported("{}.pre_tokenizer: this sequence is not supported; expected a split, then ByteLevel", root.name);
}

ByteLevelRule read_byte_level(const Place& root) {
  Place model = root.at("model");
  if (model.flag("byte_fallback"))
    throw unsupported("{}: byte_fallback together with a ByteLevel pre-tokenizer is not supported", model.name);
  return {read_split(root), read_nfc(root), model.flag("ignore_merges")};
}

// --- BPE over characters ---

bool is_space_to_mark(const Place& step) {
  return step.at("pattern").string("String") == " " && step.string("content") == kSpaceMark;
}

void read_char_normalizer(const Place& root, CharBpeRule& rule) {
  for (const Place& step : steps_of(root, "normalizer", "normalizers")) {
    std::string type = step.string("type");
    if (type == "Prepend" && step.string("prepend") == kSpaceMark) {
      rule.prefix = SpacePrefix::Always;
    } else if (type == "Replace" && is_space_to_mark(step)) {
      rule.replace_spaces = true;
    } else {
      refuse(step, "normalizer of BPE without ByteLevel");
    }
  }
}

void read_metaspace(const Place& step, CharBpeRule& rule) {
  if (step.string("replacement", std::string(kSpaceMark)) != kSpaceMark)
    throw unsupported("{}.replacement: only U+2581 is supported", step.name);
  std::string scheme = step.string("prepend_scheme", step.flag("add_prefix_space", true) ? "always" : "never");
  bool known = scheme == "always" || scheme == "first" || scheme == "never";
  if (!known) throw unsupported("{}: the prepend_scheme \"{}\" is not supported", step.name, scheme);
  rule.prefix = scheme == "always" ? SpacePrefix::Always : scheme == "first" ? SpacePrefix::First : SpacePrefix::Never;
  rule.metaspace = rule.replace_spaces = true;
  rule.split_words = step.flag("split", true);
}

void read_char_splits(const Place& root, CharBpeRule& rule) {
  for (const Place& step : steps_of(root, "pre_tokenizer", "pretokenizers")) {
    if (step.string("type") != "Metaspace" || rule.metaspace) refuse(step, "pre-tokenizer of BPE without ByteLevel");
    if (rule.prefix != SpacePrefix::Never)
      throw unsupported("{}: Metaspace after a Prepend normalizer is not supported", step.name);
    read_metaspace(step, rule);
  }
}

CharBpeRule read_char_bpe(const Place& root) {
  CharBpeRule rule;
  read_char_normalizer(root, rule);
  read_char_splits(root, rule);
  Place model = root.at("model");
  rule.byte_fallback = model.flag("byte_fallback");
  rule.fuse_unk = model.flag("fuse_unk");
  rule.ignore_merges = model.flag("ignore_merges");
  for (const Place& step : steps_of(root, "decoder", "decoders")) {
    std::string type = step.string("type");
    bool strips = type == "Strip" || (type == "Metaspace" && step.string("prepend_scheme", "always") != "never");
    rule.strip_first_space = rule.strip_first_space || strips;
  }
  return rule;
}

// --- WordPiece ---

WordPieceRule read_word_piece(const Place& root) {
  WordPieceRule rule{false, false, false, false, 100};
  for (const Place& step : steps_of(root, "normalizer", "normalizers")) {
    if (step.string("type") != "BertNormalizer") refuse(step, "normalizer of WordPiece");
    rule.clean_text = step.flag("clean_text", true);
    rule.split_cjk = step.flag("handle_chinese_chars", true);
    rule.lowercase = step.flag("lowercase", true);
    rule.strip_accents = step.flag("strip_accents", rule.lowercase);
  }
  auto splits = steps_of(root, "pre_tokenizer", "pretokenizers");
  if (splits.empty()) throw unsupported("{}: WordPiece without BertPreTokenizer is not supported", root.name);
  for (const Place& step : splits) {
    if (step.string("type") != "BertPreTokenizer") refuse(step, "pre-tokenizer of WordPiece");
  }
  Place model = root.at("model");
  if (std::string prefix = model.string("continuing_subword_prefix", "##"); prefix != kContinuation)
    throw unsupported("{}.continuing_subword_prefix: \"{}\" is not supported, only \"##\" is", model.name, prefix);
  if (const Json* longest = model.member("max_input_chars_per_word")) {
    if (!longest->is_number_unsigned() || longest->get<uint64_t>() > 10'000)
      throw invalid_input("{}.max_input_chars_per_word: expected a whole number up to 10000", model.name);
    rule.longest_word = longest->get<uint32_t>();
  }
  return rule;
}

// --- what they share ---

TokenizerRule read_rule(const Place& root) {
  Place model = root.at("model");
  std::string type = model.string("type", model.member("merges") ? "BPE" : "");
  if (type == "WordPiece") return read_word_piece(root);
  if (type != "BPE")
    throw unsupported("{}: the model \"{}\" is not supported, only BPE and WordPiece are", model.name, type);
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.string(key).empty()) throw unsupported("{}.{} is not supported for BPE", model.name, key);
  }
  auto splits = steps_of(root, "pre_tokenizer", "pretokenizers");
  bool bytes = std::ranges::any_of(splits, [](const Place& step) { return step.string("type") == "ByteLevel"; });
  if (bytes) return read_byte_level(root);
  return read_char_bpe(root);
}

bool has_byte_tokens(const TokenizerRule& rule) {
  auto* chars = std::get_if<CharBpeRule>(&rule);
  return chars && chars->byte_fallback;
}

void read_vocabulary(const Place& model, bool byte_tokens, Vocabulary& v) {
  Place vocab = model.at("vocab");
  for (const auto& [text, value] : vocab.object().items()) {
    int32_t id = checked_token_id(value, vocab.json.size(), vocab.name);
    if (static_cast<size_t>(id) < v.types.size() && v.types[static_cast<size_t>(id)] != 0) {
      throw invalid_input("{}: two tokens have the id {}", vocab.name, id);
    }
    bool is_byte = byte_tokens && byte_of_token(text);
    set_token(v, text, id, is_byte ? TokenType::Byte : TokenType::Normal);
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
  parts.added = added_from_json(root.json, "added_tokens", v.tokens.size(), root.name);
  auto* chars = std::get_if<CharBpeRule>(&parts.rule);
  for (AddedToken& t : parts.added) {
    set_token(v, t.content, t.id, t.special ? TokenType::Control : TokenType::UserDefined);
    // Metaspace is no normalizer: these tokens are found in the text as it is.
    if (chars && chars->metaspace) t.normalized = false;
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

// Which tokens encode() adds around a text. WordPiece calls its end token a separator.
void set_begin(TokenizerParts& parts, int32_t id, const std::string& name) {
  Vocabulary& v = parts.vocabulary;
  if (v.add_bos.value_or(false)) throw unsupported("{}: two special tokens in a row are not supported", name);
  v.special.bos = id, v.add_bos = true;
  if (std::holds_alternative<WordPieceRule>(parts.rule)) v.special.cls = id;
}

void set_end(TokenizerParts& parts, int32_t id, const std::string& name) {
  Vocabulary& v = parts.vocabulary;
  bool separator = std::holds_alternative<WordPieceRule>(parts.rule);
  auto& adds = separator ? v.add_sep : v.add_eos;
  if (adds.value_or(false)) throw unsupported("{}: two special tokens in a row are not supported", name);
  (separator ? v.special.sep : v.special.eos) = id, adds = true;
}

// [begin] A [end] in the template for one text.
void read_template(const Place& processor, TokenizerParts& parts) {
  bool before_text = true;
  for (const Place& item : processor.list("single")) {
    if (item.member("Sequence")) {
      before_text = false;
    } else if (item.member("SpecialToken")) {
      auto id = added_id(parts, item.at("SpecialToken").string("id"));
      if (!id) throw invalid_input("{}: names a token that is not among added_tokens", item.name);
      before_text ? set_begin(parts, *id, processor.name) : set_end(parts, *id, processor.name);
    }
  }
}

// "cls": ["[CLS]", 101]
int32_t read_bert_token(const Place& processor, const char* key, const TokenizerParts& parts) {
  const Json& pair = processor.at(key).json;
  if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string())
    throw invalid_input("{}.{}: expected [text, id]", processor.name, key);
  auto id = id_of(parts.vocabulary, pair[0].get<std::string>());
  if (!id) throw invalid_input("{}.{}: names a token that is not in the vocabulary", processor.name, key);
  return *id;
}

void read_post_processor(const Place& root, TokenizerParts& parts) {
  for (const Place& step : steps_of(root, "post_processor", "processors")) {
    std::string type = step.string("type");
    if (type == "TemplateProcessing") {
      read_template(step, parts);
    } else if (type == "BertProcessing") {
      set_begin(parts, read_bert_token(step, "cls", parts), step.name);
      set_end(parts, read_bert_token(step, "sep", parts), step.name);
    } else if (type != "ByteLevel") {
      refuse(step, "post-processor");
    }
  }
}

constexpr std::array kBosNames{"<bos>", "<s>", "<|begin_of_text|>", "<|startoftext|>", "[CLS]"};
constexpr std::array kEosNames{"<eos>", "</s>", "<|endoftext|>", "<|end_of_text|>"};
constexpr std::array kUnkNames{"<unk>", "[UNK]"};
constexpr std::array kPadNames{"<pad>", "<|pad|>", "<|padding|>", "[PAD]"};

template <size_t n>
void guess(std::optional<int32_t>& id, const TokenizerParts& parts, const std::array<const char*, n>& names) {
  for (const char* name : names) {
    if (!id) id = added_id(parts, name);
  }
}

const char* gguf_model(const TokenizerRule& rule) {
  if (std::holds_alternative<ByteLevelRule>(rule)) return "gpt2";
  return std::holds_alternative<WordPieceRule>(rule) ? "bert" : "llama";
}

}  // namespace

TokenizerParts parts_from_tokenizer_json(const Json& json, const std::string& subject) {
  Place root{json, subject};
  Place model = root.at("model");
  TokenizerParts parts;
  parts.rule = read_rule(root);
  parts.vocabulary.model = gguf_model(parts.rule);
  read_vocabulary(model, has_byte_tokens(parts.rule), parts.vocabulary);
  read_merges(model, parts.vocabulary);
  read_added(root, parts);
  fill_holes(parts.vocabulary);
  // Only the model's own unk_token stands for what has no token; that of tokenizer_config.json is often <|endoftext|>.
  if (std::string unk = model.string("unk_token"); !unk.empty()) parts.unknown = id_of(parts.vocabulary, unk);
  parts.vocabulary.special.unk = parts.unknown;
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

}  // namespace galago
