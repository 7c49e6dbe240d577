#include "runtime/answer_text.h"

#include <algorithm>
#include <utility>

namespace galago {

StopStrings::StopStrings(std::vector<std::string> strings) : strings_(std::move(strings)) {
  std::erase_if(strings_, [](const std::string& s) { return s.empty(); });
}

std::string StopStrings::push(std::string_view piece) {
  if (found_) return {};
  held_ += piece;
  size_t match = first_match();
  found_ = match != std::string::npos;
  size_t safe = found_ ? match : beginning_of_one();
  std::string out = held_.substr(0, safe);
  held_ = found_ ? std::string() : held_.substr(safe);
  return out;
}

std::string StopStrings::finish() { return std::exchange(held_, {}); }

size_t StopStrings::first_match() const {
  size_t first = std::string::npos;
  for (const std::string& s : strings_) first = std::min(first, held_.find(s));
  return first;
}

// The first place from which on everything is the beginning of a stop string; the end if there is none.
size_t StopStrings::beginning_of_one() const {
  size_t first = held_.size();
  for (const std::string& s : strings_) {
    size_t longest = std::min(held_.size(), s.size() - 1);
    for (size_t n = longest; n > held_.size() - first; --n)
      if (held_.ends_with(std::string_view(s).substr(0, n))) first = held_.size() - n;
  }
  return first;
}

bool AnswerText::push(int32_t id) {
  begin_.push_back(n_decoded_);
  std::string piece = decoder_.push(id);
  n_decoded_ += piece.size();
  give_out(stops_.push(piece));
  return !stopped() && !declined_;
}

void AnswerText::finish() {
  give_out(stops_.push(decoder_.finish()));
  give_out(stops_.finish());
}

void AnswerText::give_out(const std::string& piece) {
  if (piece.empty()) return;
  text_ += piece;
  if (on_text_ && !declined_) declined_ = !on_text_(piece);
}

size_t AnswerText::n_tokens_kept() const {
  if (!stopped()) return begin_.size();
  auto end = std::lower_bound(begin_.begin(), begin_.end(), text_.size());
  return static_cast<size_t>(end - begin_.begin());
}

}  // namespace galago
