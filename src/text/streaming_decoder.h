// Turns ids into text as they come, without ever giving out half a character. Used by Session and the server.
#pragma once

#include <cstdint>
#include <string>

#include "text/tokenizer.h"

namespace galago {

// Belongs to one stream; not for two threads. The tokenizer must outlive it. All text together is decode() of all ids
// with each invalid byte sequence replaced by U+FFFD.
class StreamingDecoder {
 public:
  explicit StreamingDecoder(const Tokenizer& tokenizer, bool skip_special = true)
      : tokenizer_(&tokenizer), skip_special_(skip_special), first_(tokenizer.strips_first_space()) {}

  std::string push(int32_t id);  // complete characters only, perhaps none; throws as Tokenizer::piece
  std::string finish();          // what was held back, as U+FFFD; the decoder is then as new

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  FirstSpace first_;
  std::string held_;  // at most 3 bytes: the beginning of a character
};

// Valid UTF-8: every maximal part of a broken character becomes one U+FFFD (Unicode, section 3.9).
std::string replace_invalid_utf8(std::string_view bytes);

}  // namespace galago
