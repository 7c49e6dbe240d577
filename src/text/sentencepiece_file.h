// SentencePiece model files (`tokenizer.model`): read safely and written. A protobuf message ModelProto; the wire form
// is read by hand, every length is checked. Source: google/sentencepiece, sentencepiece_model.proto; formats.md 13.
#pragma once

#include <string>
#include <string_view>

#include "text/tokenizer.h"

namespace galago {

// Pieces, scores, types, special ids, and a SentencePieceRule as the library itself would run it. Control and unknown
// pieces are special added tokens (the library never finds those in a text; with parse_special they are). A begin token
// is added if there is one. Throws InvalidInput, or Unsupported for word and character models.
TokenizerParts parts_from_sentencepiece(std::string_view file, const std::string& subject);

// A file that gives the same parts again. `vocabulary` has the ids and scores, `rule` the rest.
std::string to_sentencepiece(const Vocabulary& vocabulary, const SentencePieceRule& rule);

}  // namespace galago
