#include "text/split.h"

#include <algorithm>

#include "text/unicode.h"

namespace galago {
namespace {

struct Char {
  CharClass kind = CharClass::End;
  uint32_t length = 0;
};

Char peek(std::string_view text, size_t at) {
  if (at >= text.size()) return {};
  CodePoint c = decode_utf8(text, at);
  return {char_class(c.value), c.length};
}

bool is_newline(std::string_view text, size_t at) { return at < text.size() && (text[at] == '\r' || text[at] == '\n'); }

size_t run_end(std::string_view text, size_t at, CharClass kind) {
  for (Char c = peek(text, at); c.kind == kind; c = peek(text, at)) at += c.length;
  return at;
}

// Length of 's 't 're 've 'm 'll 'd at `at`, or 0. `any_case` folds ASCII letters only.
size_t contraction(std::string_view text, size_t at, bool any_case) {
  if (text[at] != '\'') return 0;
  auto letter = [&](size_t i) {
    char c = at + i < text.size() ? text[at + i] : '\0';
    return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  char first = letter(1), second = letter(2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  bool two = (first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l');
  return two ? 3 : 0;
}

struct Spaces {
  size_t end = 0;            // of the whole run
  size_t last = 0;           // where its last character begins
  size_t after_newline = 0;  // just past its last CR or LF; 0 if it has none
};

Spaces space_run(std::string_view text, size_t at) {
  Spaces run{at, at, 0};
  for (Char c = peek(text, at); c.kind == CharClass::Space; c = peek(text, run.end)) {
    run.last = run.end;
    run.end += c.length;
    if (is_newline(text, run.last)) run.after_newline = run.end;
  }
  return run;
}

// A run before a word leaves its last character to that word: \s+(?!\S)
size_t space_word_end(const Spaces& run, size_t at, bool at_end) {
  return at_end || run.last == at ? run.end : run.last;
}

size_t gpt2_word_end(std::string_view text, size_t at, bool digits_alone) {
  if (size_t n = contraction(text, at, false)) return at + n;
  if (Char c = peek(text, at); digits_alone && c.kind == CharClass::Number) return at + c.length;
  size_t start = text[at] == ' ' ? at + 1 : at;
  CharClass kind = peek(text, start).kind;
  bool joins = kind == CharClass::Letter || kind == CharClass::Other || (kind == CharClass::Number && !digits_alone);
  if (joins) return run_end(text, start, kind);
  Spaces run = space_run(text, at);
  // With digits cut out first, a digit ends the piece just as the end of the text does.
  bool at_end = run.end == text.size() || (digits_alone && peek(text, run.end).kind == CharClass::Number);
  return space_word_end(run, at, at_end);
}

size_t llama3_word_end(std::string_view text, size_t at, int max_digits) {
  if (size_t n = contraction(text, at, true)) return at + n;
  Char first = peek(text, at);
  if (first.kind == CharClass::Letter) return run_end(text, at, CharClass::Letter);
  if (first.kind != CharClass::Number && !is_newline(text, at) &&
      peek(text, at + first.length).kind == CharClass::Letter) {
    return run_end(text, at + first.length, CharClass::Letter);
  }
  if (first.kind == CharClass::Number) {
    for (Char c = first; c.kind == CharClass::Number && max_digits > 0; c = peek(text, at), --max_digits)
      at += c.length;
    return at;
  }
  size_t start = text[at] == ' ' ? at + 1 : at;
  if (peek(text, start).kind == CharClass::Other) {
    size_t end = run_end(text, start, CharClass::Other);
    while (is_newline(text, end)) ++end;
    return end;
  }
  Spaces run = space_run(text, at);
  if (run.after_newline) return run.after_newline;
  return space_word_end(run, at, run.end == text.size());
}

struct Pattern {
  WordSplit split;
  std::string_view text;
};

constexpr Pattern kPatterns[] = {
    {WordSplit::DigitsGpt2, R"(\p{N})"},
    {WordSplit::Gpt2, R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"},
    {WordSplit::Gpt2, R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))"},
    {WordSplit::Gpt2, R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"},
    {WordSplit::Qwen2, R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
                       R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {WordSplit::Llama3, R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
                        R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
};

}  // namespace

size_t word_end(WordSplit split, std::string_view text, size_t at) {
  switch (split) {
    case WordSplit::DigitsGpt2:
      return gpt2_word_end(text, at, true);
    case WordSplit::Gpt2:
      return gpt2_word_end(text, at, false);
    case WordSplit::Qwen2:
      return llama3_word_end(text, at, 1);
    case WordSplit::Llama3:
      return llama3_word_end(text, at, 3);
  }
  return text.size();
}

std::string_view split_pattern(WordSplit split) {
  return std::find_if(std::begin(kPatterns), std::end(kPatterns), [&](auto& p) { return p.split == split; })->text;
}

std::optional<WordSplit> split_from_pattern(std::string_view pattern) {
  for (const Pattern& p : kPatterns) {
    if (p.text == pattern) return p.split;
  }
  return std::nullopt;
}

}  // namespace galago
