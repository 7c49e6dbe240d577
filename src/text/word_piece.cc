// WordPiece: words of BERT's splitter, each cut from the left into the longest tokens there are; "##x" continues a
// word. Source: google-research/bert, tokenization.py; huggingface/tokenizers, normalizers/bert and models/wordpiece.
// Surprises kept for parity: control and format characters (the joiner inside emoji too) are dropped, so they join what
// they stood between; a word that cannot be cut entirely is one unknown token, also if its beginning is known.
#include "text/byte_trie.h"
#include "text/engine.h"
#include "text/unicode.h"

namespace galago {
namespace {

struct CodeRange {
  char32_t first, last;
};

// The CJK Unified Ideographs blocks as of 2018; Hangul, Hiragana and Katakana are written with spaces or are letters.
constexpr CodeRange kIdeographs[] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
                                     {0x2B740, 0x2B81F}, {0x2B820, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};

bool is_ideograph(char32_t c) {
  for (CodeRange range : kIdeographs)
    if (c >= range.first && c <= range.last) return true;
  return false;
}

// All ASCII that is no letter, digit, space or control counts, also $, +, < and the like.
bool stands_alone(char32_t c) {
  bool ascii = (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
  return ascii || is_punctuation(c);
}

bool is_space(char32_t c) { return char_class(c) == CharClass::Space; }

class WordPiece : public TokenizerEngine {
 public:
  WordPiece(const WordPieceRule& rule, const EngineParts& parts) : rule_(rule), unknown_(parts.unknown) {
    for (int32_t id = 0; id < parts.table.size(); ++id) {
      TokenType type = parts.table.type(id);
      std::string_view text = parts.table.text(id);
      bool usable = (type == TokenType::Normal || type == TokenType::UserDefined) && text.size() <= kMaxTrieKey;
      if (!usable) continue;  // a longer text than any word
      bool continues = text.starts_with(kContinuation) && text.size() > kContinuation.size();
      ByteTrie& trie = continues ? continuing_ : starting_;
      if (continues) text.remove_prefix(kContinuation.size());
      if (!trie.find(text)) trie.add(text, id);
    }
  }

  std::optional<std::string> normalize(std::string_view text, bool) const override {
    std::string out;
    for (size_t at = 0; at < text.size();) {
      CodePoint c = decode_utf8(text, at);
      append_cleaned(out, text.substr(at, c.length), c.value);
      at += c.length;
    }
    if (rule_.strip_accents) out = without_accents(out);
    return rule_.lowercase ? lowered(out) : out;
  }

  void encode(std::string_view text, std::vector<int32_t>& out) const override {
    for (size_t begin = 0, end; begin < text.size(); begin = end) {
      end = part_end(text, begin);
      if (!is_space(decode_utf8(text, begin).value)) encode_word(text.substr(begin, end - begin), out);
    }
  }

 private:
  void append_cleaned(std::string& out, std::string_view bytes, char32_t c) const {
    bool white = c == '\t' || c == '\n' || c == '\r' || is_space(c);
    if (rule_.clean_text && white) {
      out += ' ';
    } else if (rule_.clean_text && (c == 0 || c == 0xFFFD || c == kInvalidCodePoint || is_control(c))) {
      return;
    } else if (rule_.split_cjk && is_ideograph(c)) {
      out += ' ', out += bytes, out += ' ';
    } else {
      out += bytes;
    }
  }

  static std::string lowered(std::string_view text) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
      CodePoint c = decode_utf8(text, at);
      if (c.value == kInvalidCodePoint) {
        out += text[at];
      } else {
        append_utf8(out, to_lower(c.value));
      }
      at += c.length;
    }
    return out;
  }

  // A white space, a punctuation mark, or a run of anything else.
  static size_t part_end(std::string_view text, size_t at) {
    auto single = [](char32_t c) { return is_space(c) || stands_alone(c); };
    CodePoint c = decode_utf8(text, at);
    if (single(c.value)) return at + c.length;
    while (at < text.size() && !single((c = decode_utf8(text, at)).value)) at += c.length;
    return at;
  }

  void encode_word(std::string_view word, std::vector<int32_t>& out) const {
    size_t first = out.size();
    uint32_t n_characters = 0;
    for (size_t at = 0; at < word.size(); at += decode_utf8(word, at).length) ++n_characters;
    bool known = n_characters <= rule_.longest_word;
    for (size_t at = 0; known && at < word.size();) {
      size_t longest = 0;
      int32_t best = -1;
      (at == 0 ? starting_ : continuing_).each_match(word, at, [&](size_t end, int32_t id) {
        longest = end, best = id;
      });
      known = best >= 0;
      if (known) out.push_back(best);
      at = longest;
    }
    if (known) return;
    out.resize(first);
    if (unknown_) out.push_back(*unknown_);
  }

  WordPieceRule rule_;
  std::optional<int32_t> unknown_;
  ByteTrie starting_, continuing_;
};

}  // namespace

EnginePointer make_engine(const WordPieceRule& rule, const EngineParts& parts) {
  return std::make_shared<WordPiece>(rule, parts);
}

}  // namespace galago
