// Tokens of an answer to text, given out as it comes, and strings that end the answer.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "text/streaming_decoder.h"

namespace galago {

// Finds the first of several strings in a text that comes in pieces. What may be the beginning of one is held back, so
// that no part of it ever gets out.
class StopStrings {
 public:
  explicit StopStrings(std::vector<std::string> strings);  // empty ones are ignored
  std::string push(std::string_view piece);                // what is safe to give out
  std::string finish();                                    // what was held back
  bool found() const { return found_; }

 private:
  size_t first_match() const;  // npos: none
  size_t beginning_of_one() const;
  std::vector<std::string> strings_;
  std::string held_;
  bool found_ = false;
};

using OnText = std::function<bool(std::string_view)>;  // gets whole characters; false = no more, please

// One answer. The tokenizer must outlive it.
class AnswerText {
 public:
  AnswerText(const Tokenizer& tokenizer, std::vector<std::string> stops, OnText on_text)
      : decoder_(tokenizer), stops_(std::move(stops)), on_text_(std::move(on_text)) {}

  bool push(int32_t id);  // false: the answer ends here
  void finish();          // gives out what was held back
  const std::string& text() const { return text_; }
  bool stopped() const { return stops_.found(); }
  bool declined() const { return declined_; }
  // Tokens whose text begins before the stop string does: what of the answer to keep.
  size_t n_tokens_kept() const;

 private:
  void give_out(const std::string& piece);

  StreamingDecoder decoder_;
  StopStrings stops_;
  OnText on_text_;
  std::string text_;           // as given out
  size_t n_decoded_ = 0;       // bytes, with what is held back
  std::vector<size_t> begin_;  // of each token's text, in bytes
  bool declined_ = false;
};

}  // namespace galago
