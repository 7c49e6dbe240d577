// Writes Hugging Face tokenizer.json: byte-level BPE, BPE over characters, WordPiece.
#include "base/error.h"
#include "text/tokenizer.h"
#include "text/tokenizer_extra.h"

namespace galago {
namespace {

using Ordered = nlohmann::ordered_json;

std::string quoted_text(std::string_view text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string dumped(const Ordered& json) { return json.dump(2, ' ', false, Ordered::error_handler_t::replace); }

Ordered byte_level(bool use_regex = true) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

Ordered metaspace(const CharBpeRule& rule) {
  constexpr const char* kSchemes[] = {"never", "first", "always"};
  return {{"type", "Metaspace"},
          {"replacement", kSpaceMark},
          {"prepend_scheme", kSchemes[static_cast<size_t>(rule.prefix)]},
          {"split", rule.split_words}};
}

// The four parts around the model that differ from kind to kind; null where there is none.
struct Pipeline {
  Ordered normalizer, pre_tokenizer, decoder, post_processor;
};

Pipeline pipeline(const ByteLevelRule& rule) {
  Pipeline p{nullptr, byte_level(), byte_level(), byte_level()};
  if (rule.nfc) p.normalizer = {{"type", "NFC"}};
  if (rule.split == WordSplit::Gpt2) return p;
  Ordered first = {{"type", "Digits"}, {"individual_digits", true}};
  if (rule.split != WordSplit::DigitsGpt2) {
    first = {{"type", "Split"},
             {"pattern", {{"Regex", split_pattern(rule.split)}}},
             {"behavior", "Isolated"},
             {"invert", false}};
  }
  Ordered steps = Ordered::array({first, byte_level(rule.split == WordSplit::DigitsGpt2)});
  p.pre_tokenizer = {{"type", "Sequence"}, {"pretokenizers", steps}};
  return p;
}

Pipeline pipeline(const CharBpeRule& rule) {
  Pipeline p;
  Ordered steps = Ordered::array();
  if (rule.metaspace) {
    p.pre_tokenizer = metaspace(rule);
  } else {
    if (rule.prefix == SpacePrefix::Always) steps.push_back({{"type", "Prepend"}, {"prepend", kSpaceMark}});
    if (rule.replace_spaces)
      steps.push_back({{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpaceMark}});
  }
  if (!steps.empty()) p.normalizer = {{"type", "Sequence"}, {"normalizers", steps}};
  Ordered decoders = Ordered::array();
  decoders.push_back({{"type", "Replace"}, {"pattern", {{"String", kSpaceMark}}}, {"content", " "}});
  decoders.push_back({{"type", "ByteFallback"}});
  decoders.push_back({{"type", "Fuse"}});
  if (rule.strip_first_space) decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  p.decoder = {{"type", "Sequence"}, {"decoders", decoders}};
  return p;
}

Pipeline pipeline(const WordPieceRule& rule) {
  Pipeline p;
  p.normalizer = {{"type", "BertNormalizer"},
                  {"clean_text", rule.clean_text},
                  {"handle_chinese_chars", rule.split_cjk},
                  {"strip_accents", rule.strip_accents},
                  {"lowercase", rule.lowercase}};
  p.pre_tokenizer = {{"type", "BertPreTokenizer"}};
  p.decoder = {{"type", "WordPiece"}, {"prefix", kContinuation}, {"cleanup", true}};
  return p;
}

Pipeline pipeline(const SentencePieceRule&) {
  throw unsupported("a SentencePiece model cannot be written as tokenizer.json; write its tokenizer.model");
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
// their own (merges may speak of them: where `keep_added`, they are here too), and holes stay holes.
std::string vocab_json(const TokenTable& table, bool keep_added) {
  std::string out = "{";
  const char* separator = "\n";
  for (int32_t id = 0; id < table.size(); ++id) {
    TokenType type = table.type(id);
    bool is_hole = type == TokenType::Unused && table.text(id) == fmt::format("[PAD{}]", id);
    bool is_added = type == TokenType::UserDefined || type == TokenType::Control || type == TokenType::Unknown;
    if (is_hole || (is_added && !keep_added)) continue;
    out += fmt::format("{}{}: {}", separator, quoted_text(table.text(id)), id);
    separator = ",\n";
  }
  return out + "\n}";
}

std::string merges_json(std::span<const Merge> merges, const TokenTable& table) {
  std::string out = "[";
  const char* separator = "\n";
  for (const Merge& m : merges) {
    out += separator + quoted_text(fmt::format("{} {}", table.text(m.left), table.text(m.right)));
    separator = ",\n";
  }
  return out + "\n]";
}

// The members of "model", without its braces.
std::string model_json(const WordPieceRule& rule, const TokenTable& table, const std::string& unknown,
                       std::span<const Merge>) {
  return fmt::format(
      "\"type\": \"WordPiece\",\n\"unk_token\": {},\n\"continuing_subword_prefix\": \"##\",\n"
      "\"max_input_chars_per_word\": {},\n\"vocab\": {}",
      unknown, rule.longest_word, vocab_json(table, true));
}

std::string bpe_json(bool fuse_unk, bool byte_fallback, bool ignore_merges, const std::string& unknown,
                     const std::string& vocab, const std::string& merges) {
  return fmt::format(
      "\"type\": \"BPE\",\n\"dropout\": null,\n\"continuing_subword_prefix\": null,\n\"end_of_word_suffix\": null,\n"
      "\"unk_token\": {},\n\"fuse_unk\": {},\n\"byte_fallback\": {},\n\"ignore_merges\": {},\n\"vocab\": {},\n"
      "\"merges\": {}",
      unknown, fuse_unk, byte_fallback, ignore_merges, vocab, merges);
}

std::string model_json(const ByteLevelRule& rule, const TokenTable& table, const std::string& unknown,
                       std::span<const Merge> merges) {
  return bpe_json(false, false, rule.ignore_merges, unknown, vocab_json(table, false), merges_json(merges, table));
}

std::string model_json(const CharBpeRule& rule, const TokenTable& table, const std::string& unknown,
                       std::span<const Merge> merges) {
  return bpe_json(rule.fuse_unk, rule.byte_fallback, rule.ignore_merges, unknown, vocab_json(table, true),
                  merges_json(merges, table));
}

std::string model_json(const SentencePieceRule&, const TokenTable&, const std::string&, std::span<const Merge>) {
  return {};  // pipeline() has refused
}

}  // namespace

std::string Tokenizer::to_tokenizer_json() const {
  Pipeline parts = std::visit([](const auto& rule) { return pipeline(rule); }, rule_);
  auto named = [&](bool wanted, std::optional<int32_t> id) {
    return wanted ? std::optional(NamedId{*id, std::string(table_->text(*id))}) : std::nullopt;
  };
  auto begin = named(add_bos_, special_.bos);
  auto end = add_sep_ ? named(true, special_.sep) : named(add_eos_, special_.eos);
  if (begin || end) parts.post_processor = template_json(begin, end);
  std::string unknown = unknown_ ? quoted_text(table_->text(*unknown_)) : "null";
  auto model = [&](const auto& rule) { return model_json(rule, *table_, unknown, engine_->merges()); };

  std::string out = "{\n\"version\": \"1.0\",\n\"truncation\": null,\n\"padding\": null,\n";
  auto member = [&](const char* key, const Ordered& value) { out += fmt::format("\"{}\": {},\n", key, dumped(value)); };
  member("added_tokens", added_to_json(added_));
  member("normalizer", parts.normalizer);
  member("pre_tokenizer", parts.pre_tokenizer);
  member("post_processor", parts.post_processor);
  member("decoder", parts.decoder);
  return out + "\"model\": {\n" + std::visit(model, rule_) + "\n}\n}\n";
}

}  // namespace galago
