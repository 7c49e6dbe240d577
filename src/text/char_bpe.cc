// BPE by rank over characters with byte fallback: how tokenizer.json runs a SentencePiece vocabulary
// (huggingface/tokenizers, models/bpe). Differs from SentencePiece in that merges go by rank and that user-defined
// pieces are not matched first; so the two official readings of one model may disagree.
#include "text/engine.h"
#include "text/unicode.h"

namespace galago {
namespace {

class CharBpe : public TokenizerEngine {
 public:
  CharBpe(const CharBpeRule& rule, const EngineParts& parts)
      : rule_(rule),
        index_(parts.table, [&](int32_t id) { return takes_part(parts.table.type(id)); }),
        merges_(resolve_merges(parts, [&](std::string_view text) { return index_.find(text); })),
        fallback_(parts, rule.byte_fallback) {}

  std::optional<std::string> normalize(std::string_view text, bool starts_text) const override {
    std::string out;
    bool wanted = rule_.prefix == SpacePrefix::Always || (rule_.prefix == SpacePrefix::First && starts_text);
    bool there = rule_.metaspace && (text.starts_with(' ') || text.starts_with(kSpaceMark));
    if (wanted && !there && !text.empty()) out += kSpaceMark;
    if (rule_.replace_spaces) {
      append_with_marks(out, text);
    } else {
      out += text;
    }
    return out;
  }

  void encode(std::string_view text, std::vector<int32_t>& out) const override {
    for (size_t begin = 0, end; begin < text.size(); begin = end) {
      end = rule_.split_words ? std::min(text.find(kSpaceMark, begin + 1), text.size()) : text.size();
      encode_word(text.substr(begin, end - begin), out);
    }
  }

  std::span<const Merge> merges() const override { return merges_.merges(); }

 private:
  // tokenizer.json keeps <unk> and <s> in the model's own list too, and merges may name them.
  static bool takes_part(TokenType type) { return type != TokenType::Unused; }

  void encode_word(std::string_view word, std::vector<int32_t>& out) const {
    if (rule_.ignore_merges) {
      if (auto id = index_.find(word)) return out.push_back(*id);
    }
    size_t begin = out.size(), fused_at = SIZE_MAX;
    for (size_t at = 0; at < word.size();) {
      std::string_view character = word.substr(at, decode_utf8(word, at).length);
      if (auto id = index_.find(character)) {
        out.push_back(*id);
      } else {
        fallback_.append(character, out, fused_at, rule_.fuse_unk);
      }
      at += character.size();
    }
    merges_.apply_from(out, begin);
  }

  CharBpeRule rule_;
  TextIndex index_;
  MergeTable merges_;
  Fallback fallback_;
};

}  // namespace

EnginePointer make_engine(const CharBpeRule& rule, const EngineParts& parts) {
  return std::make_shared<CharBpe>(rule, parts);
}

}  // namespace galago
