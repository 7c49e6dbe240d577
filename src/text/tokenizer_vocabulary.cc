// Tokenizer::vocabulary: a tokenizer in the words of GGUF. What GGUF cannot say goes into `extra_json`; a BPE over
// characters, which GGUF does not know at all, is written as SentencePiece with its whole tokenizer.json beside it.
#include <fmt/format.h>

#include "text/make_tokenizer.h"
#include "text/pre_names.h"
#include "text/tokenizer.h"
#include "text/tokenizer_extra.h"

namespace galago {
namespace {

void describe(const ByteLevelRule& rule, Vocabulary& v) {
  v.model = "gpt2";
  v.pre = pre_name(rule);
}

void describe(const SentencePieceRule& rule, Vocabulary& v) {
  v.model = rule.unigram ? "t5" : "llama";
  v.pre = "default";
  v.add_space_prefix = rule.prefix != SpacePrefix::Never;
  v.remove_extra_whitespaces = rule.remove_extra_spaces;
  v.precompiled_charsmap.assign(rule.charsmap.begin(), rule.charsmap.end());
}

// Merges by rank become merges by score as Hugging Face's own converter numbers them: the lower the id, the sooner.
void describe(const CharBpeRule& rule, Vocabulary& v) {
  v.model = "llama";
  v.pre = "default";
  v.add_space_prefix = rule.prefix != SpacePrefix::Never;
  v.merges.clear();
  for (size_t id = 0; id < v.tokens.size(); ++id) v.scores.push_back(-static_cast<float>(id));
}

std::string gguf_word(const std::string& text) {
  if (text.starts_with(kContinuation) && text.size() > kContinuation.size()) return text.substr(kContinuation.size());
  bool bracketed = text.starts_with('[') && text.ends_with(']');
  return bracketed ? text : std::string(kSpaceMark) + text;
}

void describe(const WordPieceRule&, Vocabulary& v) {
  v.model = "bert";
  v.pre = "default";
  for (size_t id = 0; id < v.tokens.size(); ++id)
    if (v.types[id] == static_cast<int32_t>(TokenType::Normal)) v.tokens[id] = gguf_word(v.tokens[id]);
}

}  // namespace

Vocabulary Tokenizer::vocabulary() const {
  Vocabulary v;
  for (int32_t id = 0; id < vocab_size(); ++id) {
    v.tokens.emplace_back(table_->text(id));
    v.types.push_back(static_cast<int32_t>(table_->type(id)));
  }
  v.scores = scores_;
  for (const Merge& m : engine_->merges())
    v.merges.push_back(fmt::format("{} {}", table_->text(m.left), table_->text(m.right)));
  v.special = special_;
  v.more_ends = ends_;
  v.add_bos = add_bos_;
  v.add_eos = add_eos_;
  if (add_sep_ || std::holds_alternative<WordPieceRule>(rule_)) v.add_sep = add_sep_;
  std::visit([&](const auto& rule) { describe(rule, v); }, rule_);
  if (std::holds_alternative<CharBpeRule>(rule_)) {
    v.huggingface_json = to_tokenizer_json();
  } else {
    v.extra_json = make_extra(rule_, added_, parts_from_vocabulary(v, "vocabulary"));
  }
  return v;
}

}  // namespace galago
