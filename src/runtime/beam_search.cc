#include "runtime/beam_search.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace galago {
namespace {

constexpr int kMaxBeams = 1024;

double length_factor(size_t length, float penalty) { return std::pow(static_cast<double>(length), penalty); }

bool higher_score(const BeamAnswer& a, const BeamAnswer& b) { return a.score > b.score; }

}  // namespace

BeamSearch::BeamSearch(const BeamOptions& options, std::span<const int32_t> ends, int max_tokens)
    : options_(options), ends_(ends.begin(), ends.end()), max_tokens_(static_cast<size_t>(std::max(max_tokens, 0))) {
  if (options_.n < 1 || options_.n > kMaxBeams)
    throw invalid_input("beams: {}; expected 1 to {}", options_.n, kMaxBeams);
  if (!std::isfinite(options_.length_penalty))
    throw invalid_input("length penalty: {}; expected a number", options_.length_penalty);
  if (!(options_.repeat_penalty > 0) || !std::isfinite(options_.repeat_penalty))
    throw invalid_input("repeat penalty: {}; expected above 0", options_.repeat_penalty);
}

bool BeamSearch::is_end(int32_t id) const { return std::find(ends_.begin(), ends_.end(), id) != ends_.end(); }

bool BeamSearch::advance(std::span<const float> logits, size_t n_vocab) {
  if (n_tokens_ == max_tokens_ || live_.empty()) return false;
  CHECK(logits.size() == live_.size() * n_vocab, "{} logits for {} answers", logits.size(), live_.size());
  collect(logits, n_vocab);
  ++n_tokens_;
  std::vector<BeamAnswer> next;
  parents_.clear();
  for (size_t rank = 0; rank < candidates_.size() && next.size() < static_cast<size_t>(options_.n); ++rank) {
    const Candidate& c = candidates_[rank];
    const BeamAnswer& parent = live_[static_cast<size_t>(c.parent)];
    if (is_end(c.id)) {  // only among the n best may an answer finish
      if (rank < static_cast<size_t>(options_.n)) finish(parent, c.sum, n_tokens_);
      continue;
    }
    next.push_back(parent);
    next.back().ids.push_back(c.id);
    next.back().sum_logprobs = c.sum;
    parents_.push_back(c.parent);
  }
  live_ = std::move(next);
  return !live_.empty() && n_tokens_ < max_tokens_ && !nothing_better(candidates_[0].sum);
}

// The best continuations of all answers: enough that n are left however many of them are end tokens.
void BeamSearch::collect(std::span<const float> logits, size_t n_vocab) {
  candidates_.clear();
  const size_t wanted = std::max<size_t>(2, 1 + ends_.size()) * static_cast<size_t>(options_.n);
  for (size_t i = 0; i < live_.size(); ++i) {
    score_row(static_cast<int>(i), logits.subspan(i * n_vocab, n_vocab));
    keep_best(wanted);
  }
}

void BeamSearch::keep_best(size_t n) {
  auto better = [](const Candidate& a, const Candidate& b) {
    if (a.sum != b.sum) return a.sum > b.sum;
    return a.parent != b.parent ? a.parent < b.parent : a.id < b.id;
  };
  auto end = candidates_.begin() + static_cast<std::ptrdiff_t>(std::min(n, candidates_.size()));
  std::partial_sort(candidates_.begin(), end, candidates_.end(), better);
  candidates_.erase(end, candidates_.end());
}

void BeamSearch::score_row(int parent, std::span<const float> logits) {
  const BeamAnswer& answer = live_[static_cast<size_t>(parent)];
  const double top = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (float logit : logits) total += std::exp(logit - top);
  const double shift = top + std::log(total);
  row_.assign(logits.begin(), logits.end());
  for (double& value : row_) value -= shift;
  if (options_.repeat_penalty != 1)
    for (int32_t id : answer.ids) {  // once, however often the token is there
      const double logprob = logits[static_cast<size_t>(id)] - shift;
      row_[static_cast<size_t>(id)] = logprob * options_.repeat_penalty;
    }
  for (size_t id = 0; id < row_.size(); ++id)
    candidates_.push_back({parent, static_cast<int32_t>(id), answer.sum_logprobs + row_[id]});
}

// Keeps the n best.
void BeamSearch::finish(const BeamAnswer& answer, double sum_logprobs, size_t length) {
  BeamAnswer done{answer.ids, sum_logprobs, sum_logprobs / length_factor(length, options_.length_penalty)};
  finished_.insert(std::upper_bound(finished_.begin(), finished_.end(), done, higher_score), done);
  if (finished_.size() > static_cast<size_t>(options_.n)) finished_.pop_back();
}

bool BeamSearch::nothing_better(double best_sum) const {
  if (finished_.size() < static_cast<size_t>(options_.n)) return false;
  if (options_.early_stopping == EarlyStopping::Yes) return true;
  const bool at_full_length = options_.early_stopping == EarlyStopping::Never && options_.length_penalty > 0;
  const size_t length = at_full_length ? max_tokens_ : n_tokens_;
  return finished_.back().score >= best_sum / length_factor(length, options_.length_penalty);
}

BeamAnswer BeamSearch::best() const {
  BeamAnswer best;
  best.score = -HUGE_VAL;
  if (!finished_.empty()) best = finished_.front();
  // Unfinished answers count only if the search was not over before.
  const bool over = !candidates_.empty() && nothing_better(candidates_[0].sum);
  if (over) return best;
  for (const BeamAnswer& answer : live_) {
    if (answer.ids.empty()) continue;
    const double score = answer.sum_logprobs / length_factor(answer.ids.size(), options_.length_penalty);
    if (score > best.score) best = {answer.ids, answer.sum_logprobs, score};
  }
  return best;
}

}  // namespace galago
