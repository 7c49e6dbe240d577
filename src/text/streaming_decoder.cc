#include "text/streaming_decoder.h"

#include <algorithm>

#include "text/unicode.h"

namespace galago {
namespace {

// Bytes of the broken character at `at`: the longest beginning of a valid one, at least 1.
size_t broken_length(std::string_view text, size_t at) {
  size_t longest = std::min<size_t>(3, text.size() - at);
  for (size_t n = longest; n > 1; --n) {
    if (incomplete_utf8_tail(text.substr(at, n)) == n) return n;
  }
  return 1;
}

}  // namespace

std::string replace_invalid_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size();) {
    CodePoint c = decode_utf8(bytes, i);
    bool valid = c.value != kInvalidCodePoint;
    size_t length = valid ? c.length : broken_length(bytes, i);
    text += valid ? bytes.substr(i, length) : kReplacementCharacter;
    i += length;
  }
  return text;
}

std::string StreamingDecoder::push(int32_t id) {
  std::string_view bytes = tokenizer_->piece(id);
  if (skip_special_ && tokenizer_->is_special(id)) return {};
  held_ += first_.strip(bytes);
  size_t n_ready = held_.size() - incomplete_utf8_tail(held_);
  std::string text = replace_invalid_utf8(std::string_view(held_).substr(0, n_ready));
  held_.erase(0, n_ready);
  return text;
}

std::string StreamingDecoder::finish() {
  std::string text = replace_invalid_utf8(held_);
  held_.clear();
  first_ = FirstSpace(tokenizer_->strips_first_space());
  return text;
}

}  // namespace galago
