#include "text/sentencepiece_file.h"

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "text/make_tokenizer.h"

namespace galago {
namespace {

// Field numbers of sentencepiece_model.proto.
enum ModelField : uint32_t { kPieces = 1, kTrainer = 2, kNormalizer = 3 };
enum PieceField : uint32_t { kText = 1, kScore = 2, kType = 3 };
enum TrainerField : uint32_t {
  kModelType = 3,
  kVocabSize = 4,
  kWhitespaceAsSuffix = 24,
  kByteFallback = 35,
  kUnkId = 40,
  kBosId = 41,
  kEosId = 42,
  kPadId = 43
};
enum NormalizerField : uint32_t { kName = 1, kCharsmap = 2, kAddDummyPrefix = 3, kRemoveExtra = 4, kEscapeSpaces = 5 };

constexpr uint64_t kUnigram = 1, kBpe = 2;
enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  uint32_t number = 0, wire = 0;
  uint64_t value = 0;      // of kVarint and the fixed ones
  std::string_view bytes;  // of kBytes
};

// Walks over the fields of one message.
class Message {
 public:
  Message(std::string_view bytes, const std::string& subject) : rest_(bytes), subject_(subject) {}

  bool next(Field& field) {
    if (rest_.empty()) return false;
    uint64_t tag = varint();
    field = {static_cast<uint32_t>(tag >> 3), static_cast<uint32_t>(tag & 7), 0, {}};
    if (tag >> 32 || field.number == 0) fail("a field number that is none");
    switch (field.wire) {
      case kVarint:
        field.value = varint();
        break;
      case kFixed64:
      case kFixed32:
        field.bytes = take(field.wire == kFixed32 ? 4 : 8);
        std::memcpy(&field.value, field.bytes.data(), field.bytes.size());
        break;
      case kBytes:
        field.bytes = take(varint());
        break;
      default:
        fail("a wire type that SentencePiece files do not use");
    }
    return true;
  }

  [[noreturn]] void fail(const char* what) const {
    throw invalid_input("{}: found {}; expected a SentencePiece model (protobuf); the file may be damaged", subject_,
                        what);
  }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (rest_.empty()) fail("a number cut off by the end");
      auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    fail("a number of more than 10 bytes");
  }

  std::string_view take(uint64_t n) {
    if (n > rest_.size()) fail("a length beyond the end");
    std::string_view taken = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return taken;
  }

  std::string_view rest_;
  const std::string& subject_;
};

void need(const Message& message, const Field& field, WireType wire) {
  if (field.wire != wire) message.fail("a field of the wrong type");
}

void read_piece(std::string_view bytes, Vocabulary& v, const std::string& subject) {
  if (v.tokens.size() >= kMaxTokens) throw invalid_input("{}: more than {} pieces", subject, kMaxTokens);
  std::string text;
  float score = 0;  // absent on control pieces
  auto type = static_cast<uint64_t>(TokenType::Normal);
  Message message(bytes, subject);
  for (Field f; message.next(f);) {
    if (f.number == kText) {
      need(message, f, kBytes), text = f.bytes;
    } else if (f.number == kScore) {
      need(message, f, kFixed32), std::memcpy(&score, f.bytes.data(), 4);
    } else if (f.number == kType) {
      need(message, f, kVarint), type = f.value;
    }
  }
  if (type < 1 || type > 6)
    throw invalid_input("{}: piece {} has type {}, expected 1 to 6", subject, v.tokens.size(), type);
  v.tokens.push_back(text);
  v.scores.push_back(score);
  v.types.push_back(static_cast<int32_t>(type));
}

struct Trainer {
  uint64_t model_type = kUnigram;
  bool byte_fallback = false;
  int32_t unk = 0, bos = 1, eos = 2, pad = -1;  // absent fields have these values; -1: no such piece
};

Trainer read_trainer(std::string_view bytes, const std::string& subject) {
  Trainer t;
  Message message(bytes, subject);
  for (Field f; message.next(f);) {
    auto id = static_cast<int32_t>(f.value);
    if (f.number == kModelType) t.model_type = f.value;
    if (f.number == kByteFallback) t.byte_fallback = f.value != 0;
    if (f.number == kUnkId) t.unk = id;
    if (f.number == kBosId) t.bos = id;
    if (f.number == kEosId) t.eos = id;
    if (f.number == kPadId) t.pad = id;
    if (f.number == kWhitespaceAsSuffix && f.value)
      throw unsupported("{}: treat_whitespace_as_suffix is not supported", subject);
  }
  if (t.model_type != kUnigram && t.model_type != kBpe)
    throw unsupported("{}: SentencePiece model type {} is not supported, only unigram (1) and BPE (2) are", subject,
                      t.model_type);
  return t;
}

// Absent flags are true: taking a missing one for false is a common mistake.
void read_normalizer(std::string_view bytes, SentencePieceRule& rule, const std::string& subject) {
  Message message(bytes, subject);
  for (Field f; message.next(f);) {
    if (f.number == kCharsmap) need(message, f, kBytes), rule.charsmap = f.bytes;
    if (f.number == kAddDummyPrefix) rule.prefix = f.value ? SpacePrefix::Always : SpacePrefix::Never;
    if (f.number == kRemoveExtra) rule.remove_extra_spaces = f.value != 0;
    if (f.number == kEscapeSpaces && !f.value)
      throw unsupported("{}: escape_whitespaces false is not supported", subject);
  }
}

// --- writing ---

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}
void put_tag(std::string& out, uint32_t number, WireType wire) { put_varint(out, number << 3 | wire); }
void put_number(std::string& out, uint32_t number, uint64_t value) {
  put_tag(out, number, kVarint);
  put_varint(out, value);
}
void put_bytes(std::string& out, uint32_t number, std::string_view bytes) {
  put_tag(out, number, kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

std::string piece_message(const Vocabulary& v, size_t id) {
  std::string out;
  put_bytes(out, kText, v.tokens[id]);
  float score = v.scores.empty() ? 0.0f : v.scores[id];
  char bytes[4];
  std::memcpy(bytes, &score, 4);
  put_tag(out, kScore, kFixed32);
  out.append(bytes, 4);
  if (v.types[id] != static_cast<int32_t>(TokenType::Normal))
    put_number(out, kType, static_cast<uint64_t>(v.types[id]));
  return out;
}

std::string trainer_message(const Vocabulary& v, const SentencePieceRule& rule) {
  std::string out;
  put_number(out, kModelType, rule.unigram ? kUnigram : kBpe);
  put_number(out, kVocabSize, v.tokens.size());
  put_number(out, kByteFallback, rule.byte_fallback);
  auto put_id = [&](uint32_t number, std::optional<int32_t> id) {
    put_number(out, number, static_cast<uint64_t>(static_cast<int64_t>(id.value_or(-1))));
  };
  put_id(kUnkId, v.special.unk);
  put_id(kBosId, v.special.bos);
  put_id(kEosId, v.special.eos);
  put_id(kPadId, v.special.pad);
  return out;
}

std::string normalizer_message(const SentencePieceRule& rule) {
  std::string out;
  put_bytes(out, kName, rule.charsmap.empty() ? "identity" : "user_defined");
  put_bytes(out, kCharsmap, rule.charsmap);
  put_number(out, kAddDummyPrefix, rule.prefix != SpacePrefix::Never);
  put_number(out, kRemoveExtra, rule.remove_extra_spaces);
  put_number(out, kEscapeSpaces, true);
  return out;
}

}  // namespace

TokenizerParts parts_from_sentencepiece(std::string_view file, const std::string& subject) {
  TokenizerParts parts;
  Vocabulary& v = parts.vocabulary;
  SentencePieceRule rule{.remove_extra_spaces = true};  // the library's default
  Trainer trainer;
  Message message(file, subject);
  for (Field f; message.next(f);) {
    if (f.number > kNormalizer) continue;
    need(message, f, kBytes);
    if (f.number == kPieces) read_piece(f.bytes, v, subject);
    if (f.number == kTrainer) trainer = read_trainer(f.bytes, subject);
    if (f.number == kNormalizer) read_normalizer(f.bytes, rule, subject);
  }
  rule.unigram = trainer.model_type == kUnigram;
  rule.byte_fallback = trainer.byte_fallback;
  v.model = rule.unigram ? "t5" : "llama";
  auto known = [&](int32_t id) {
    bool there = id >= 0 && static_cast<size_t>(id) < v.tokens.size();
    return there ? std::optional(id) : std::nullopt;
  };
  v.special.unk = known(trainer.unk), v.special.bos = known(trainer.bos);
  v.special.eos = known(trainer.eos), v.special.pad = known(trainer.pad);
  v.add_bos = v.special.bos.has_value();
  parts.unknown = v.special.unk;
  parts.rule = rule;
  parts.added = added_specials(v);
  return parts;
}

std::string to_sentencepiece(const Vocabulary& v, const SentencePieceRule& rule) {
  std::string out;
  for (size_t id = 0; id < v.tokens.size(); ++id) put_bytes(out, kPieces, piece_message(v, id));
  put_bytes(out, kTrainer, trainer_message(v, rule));
  put_bytes(out, kNormalizer, normalizer_message(rule));
  return out;
}

}  // namespace galago
