#include "runtime/sampler.h"

#include <algorithm>
#include <cmath>

namespace galago {

Sampler::Sampler(const SamplingOptions& options, int n_vocab) : options_(options), rng_(options.seed) {
  if (options_.temperature > 0) candidates_.reserve(static_cast<size_t>(n_vocab));
  recent_.assign(static_cast<size_t>(std::max(options_.repeat_window, 1)), -1);
}

int32_t Sampler::next(std::span<float> logits) {
  penalise(logits);
  int32_t id = options_.temperature > 0
                   ? draw(logits)
                   : static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  recent_[recent_at_++ % recent_.size()] = id;
  return id;
}

void Sampler::penalise(std::span<float> logits) const {
  if (options_.repeat_penalty == 1) return;
  for (size_t i = 0; i < recent_.size(); ++i) {
    int32_t id = recent_[i];
    bool again = std::find(recent_.begin(), recent_.begin() + static_cast<std::ptrdiff_t>(i), id) !=
                 recent_.begin() + static_cast<std::ptrdiff_t>(i);
    if (id < 0 || again) continue;
    float& logit = logits[static_cast<size_t>(id)];
    logit = logit > 0 ? logit / options_.repeat_penalty : logit * options_.repeat_penalty;
  }
}

int32_t Sampler::draw(std::span<const float> logits) {
  candidates_.clear();
  for (size_t i = 0; i < logits.size(); ++i) candidates_.push_back({static_cast<int32_t>(i), logits[i]});
  auto more_probable = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  };
  size_t keep = candidates_.size();
  if (options_.top_k > 0) keep = std::min<size_t>(keep, static_cast<size_t>(options_.top_k));
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(keep), candidates_.end(),
                    more_probable);
  candidates_.resize(keep);
  double top = candidates_[0].logit, total = 0, sum = 0;
  for (const Candidate& c : candidates_) total += std::exp(c.logit - top);
  for (size_t i = 0; i < keep; ++i) {
    double p = std::exp(candidates_[i].logit - top) / total;
    sum += p;
    bool cut = (options_.top_p < 1 && sum > options_.top_p) ||
               p < options_.min_p / total;  // the most probable token always stays
    if (i > 0 && cut) keep = i;
  }
  double scaled = 0;
  for (size_t i = 0; i < keep; ++i) scaled += std::exp((candidates_[i].logit - top) / options_.temperature);
  double point = rng_.uniform() * scaled;
  for (size_t i = 0; i < keep; ++i) {
    point -= std::exp((candidates_[i].logit - top) / options_.temperature);
    if (point < 0) return candidates_[i].id;
  }
  return candidates_[keep - 1].id;
}

}  // namespace galago
