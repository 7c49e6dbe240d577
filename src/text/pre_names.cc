#include "text/pre_names.h"

#include <array>

#include "base/error.h"
#include "text/byte_alphabet.h"
#include "text/unicode.h"

namespace galago {
namespace {

constexpr ByteLevelRule kGpt2{WordSplit::Gpt2, false, false};
constexpr ByteLevelRule kNeoX{WordSplit::Gpt2, true, false};  // the GPT-NeoX vocabulary (Pythia, MPT, OLMo) is NFC
constexpr ByteLevelRule kDigits{WordSplit::DigitsGpt2, false, false};
constexpr ByteLevelRule kQwen2{WordSplit::Qwen2, false, false};
constexpr ByteLevelRule kQwen2Nfc{WordSplit::Qwen2, true, false};
constexpr ByteLevelRule kLlama3{WordSplit::Llama3, false, true};
constexpr ByteLevelRule kLlama3Merges{WordSplit::Llama3, false, false};

// The first name of a rule is the one that is written.
constexpr PreName kPreNames[] = {
    {"gpt-2", kGpt2},
    {"phi-2", kGpt2},
    {"jais", kGpt2},
    {"roberta-bpe", kGpt2},
    {"gigachat", kGpt2},
    {"mellum", kGpt2},
    {"exaone4", kGpt2},
    {"trillion", kGpt2},
    {"granite-docling", kGpt2},
    {"jina-es", kGpt2},
    {"jina-de", kGpt2},
    {"jina-v2-es", kGpt2},
    {"jina-v2-de", kGpt2},
    {"jina-v2-code", kGpt2},
    {"olmo", kNeoX},
    {"mpt", kNeoX},
    {"smollm", kDigits},
    {"starcoder", kDigits},
    {"refact", kDigits},
    {"command-r", kDigits},
    {"codeshell", kDigits},
    {"exaone", kDigits},
    {"minerva-7b", kDigits},
    {"qwen2", kQwen2Nfc},
    {"deepseek-r1-qwen", kQwen2},
    {"megrez", kQwen2},
    {"stablelm2", kQwen2},
    {"hunyuan", kQwen2},
    {"grok-2", kQwen2},
    {"llama-bpe", kLlama3, true},
    {"llama3", kLlama3, true},
    {"llama-v3", kLlama3, true},
    {"falcon3", kLlama3, true},
    {"falcon-h1", kLlama3, true},
    {"pixtral", kLlama3, true},
    {"midm-2.0", kLlama3, true},
    {"lfm2", kLlama3, true},
    {"dbrx", kLlama3Merges},
    {"smaug-bpe", kLlama3Merges},
    {"glm4", kLlama3Merges},
    {"chatglm-bpe", kLlama3Merges},
};

constexpr std::string_view kGuesses[] = {"smollm", "gpt-2", "qwen2", "llama-bpe"};  // strictest first within a family

bool keeps_whole(WordSplit split, std::string_view bytes) { return word_end(split, bytes, 0) == bytes.size(); }

}  // namespace

const PreName& pre_rule(std::string_view name, const std::string& subject) {
  for (const PreName& row : kPreNames) {
    if (row.name == name) return row;
  }
  throw unsupported(
      "{}: the pre-tokenizer \"{}\" is not supported; if the vocabulary splits text like a known one, name that one, "
      "for example gpt-2, qwen2 or smollm",
      subject, name);
}

std::string pre_name(const ByteLevelRule& rule) {
  for (const PreName& row : kPreNames) {
    if (row.rule == rule) return std::string(row.name);
  }
  throw unsupported(
      "GGUF has no pre-tokenizer name for this tokenizer's split and normalisation; keep it as tokenizer.json");
}

const PreName& guess_pre(const std::vector<std::string>& tokens) {
  std::array<size_t, std::size(kGuesses)> n_whole{};
  for (const std::string& token : tokens) {
    auto bytes = from_byte_alphabet(token);
    if (!bytes || bytes->empty() || !is_valid_utf8(*bytes)) continue;
    for (size_t i = 0; i < n_whole.size(); ++i) {
      if (keeps_whole(pre_rule(kGuesses[i], "").rule.split, *bytes)) ++n_whole[i];
    }
  }
  size_t best = 0, tolerance = tokens.size() / 1000;  // Qwen2 has two tokens of full-width digits that its split cuts
  for (size_t i = 1; i < n_whole.size(); ++i) {
    if (n_whole[i] > n_whole[best] + tolerance) best = i;
  }
  return pre_rule(kGuesses[best], "");
}

}  // namespace galago
