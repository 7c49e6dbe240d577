#include "runtime/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace galago {
namespace {

bool more_probable(float a, int32_t a_id, float b, int32_t b_id) { return a != b ? a > b : a_id < b_id; }

double log_sum_exp(std::span<const float> logits) {
  double top = *std::max_element(logits.begin(), logits.end()), total = 0;
  for (float logit : logits) total += std::exp(logit - top);
  return top + std::log(total);
}

void check(const SamplingOptions& o, int n_vocab) {
  auto require = [](bool ok, const char* name, double value, const char* expected) {
    if (!ok) throw invalid_input("{}: {}; expected {}", name, value, expected);
  };
  require(o.temperature >= 0 && std::isfinite(o.temperature), "temperature", o.temperature, "a number of at least 0");
  require(o.top_k >= 0, "top_k", o.top_k, "0 or more");
  require(o.top_p >= 0, "top_p", o.top_p, "a number of at least 0");
  require(o.min_p >= 0 && o.min_p <= 1, "min_p", o.min_p, "a number from 0 to 1");
  require(o.repeat_penalty > 0 && std::isfinite(o.repeat_penalty), "repeat_penalty", o.repeat_penalty, "above 0");
  require(std::isfinite(o.presence_penalty), "presence_penalty", o.presence_penalty, "a number");
  require(std::isfinite(o.frequency_penalty), "frequency_penalty", o.frequency_penalty, "a number");
  require(o.repeat_window >= -1 && o.repeat_window <= (1 << 20), "repeat_window", o.repeat_window, "-1 to 1048576");
  for (auto [id, bias] : o.logit_bias) {
    require(id >= 0 && id < n_vocab, "logit_bias of token", id, "an id of the vocabulary");
    require(!std::isnan(bias), "logit_bias", bias, "a number");
  }
}

}  // namespace

Sampler::Sampler(const SamplingOptions& options, int n_vocab, std::span<const int32_t> prompt)
    : options_(options), rng_(options.seed) {
  check(options_, n_vocab);
  if (options_.temperature > 0) candidates_.reserve(static_cast<size_t>(n_vocab));
  bool penalties = options_.repeat_penalty != 1 || options_.presence_penalty != 0 || options_.frequency_penalty != 0;
  if (!penalties || options_.repeat_window == 0) return;
  counts_.resize(static_cast<size_t>(n_vocab));
  used_.reserve(static_cast<size_t>(n_vocab));
  if (options_.repeat_window > 0) recent_.assign(static_cast<size_t>(options_.repeat_window), -1);
  if (!options_.penalize_prompt) return;
  for (int32_t id : prompt)
    if (id >= 0) remember(id);  // -1 stands for a row of a picture
}

int32_t Sampler::next(std::span<float> logits) {
  adjust(logits);
  int32_t id = options_.temperature > 0
                   ? draw(logits)
                   : static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  if (!counts_.empty()) remember(id);
  return id;
}

void Sampler::remember(int32_t id) {
  if (counts_[static_cast<size_t>(id)]++ == 0 && std::find(used_.begin(), used_.end(), id) == used_.end())
    used_.push_back(id);
  if (recent_.empty()) return;
  int32_t& oldest = recent_[recent_at_++ % recent_.size()];
  if (oldest >= 0) --counts_[static_cast<size_t>(oldest)];
  oldest = id;
}

void Sampler::adjust(std::span<float> logits) const {
  for (auto [id, bias] : options_.logit_bias) logits[static_cast<size_t>(id)] += bias;
  for (int32_t id : used_) {
    int32_t count = counts_[static_cast<size_t>(id)];
    if (count == 0) continue;
    float& logit = logits[static_cast<size_t>(id)];
    logit = logit > 0 ? logit / options_.repeat_penalty : logit * options_.repeat_penalty;
    logit -= static_cast<float>(count) * options_.frequency_penalty + options_.presence_penalty;
  }
}

// The n most probable candidates come first, in order.
void Sampler::sort_first(size_t n) {
  n = std::min(n, candidates_.size());
  if (n <= n_sorted_) return;
  auto begin = candidates_.begin();
  std::partial_sort(begin + static_cast<std::ptrdiff_t>(n_sorted_), begin + static_cast<std::ptrdiff_t>(n),
                    candidates_.end(),
                    [](const Candidate& a, const Candidate& b) { return more_probable(a.logit, a.id, b.logit, b.id); });
  n_sorted_ = n;
}

int32_t Sampler::draw(std::span<const float> logits) {
  candidates_.clear();
  n_sorted_ = 0;
  for (size_t i = 0; i < logits.size(); ++i) candidates_.push_back({static_cast<int32_t>(i), logits[i]});
  if (options_.top_k > 0 && static_cast<size_t>(options_.top_k) < candidates_.size()) {
    sort_first(static_cast<size_t>(options_.top_k));
    candidates_.resize(n_sorted_);
  }
  double top = candidates_[0].logit;
  for (const Candidate& c : candidates_) top = std::max<double>(top, c.logit);
  return pick(count_kept(top), top);
}

// Both limits cut the sorted list, which is sorted only as far as they look. The token that passes top-p stays, as in
// llama.cpp and transformers.
size_t Sampler::count_kept(double top) {
  if (options_.top_p >= 1 && options_.min_p <= 0) return candidates_.size();
  double total = 0, sum = 0;
  for (const Candidate& c : candidates_) total += std::exp(c.logit - top);
  size_t kept = 0;
  while (kept < candidates_.size()) {
    constexpr size_t kFirst = 64;
    if (kept >= n_sorted_) sort_first(std::max(kFirst, 4 * kept));
    double relative = std::exp(candidates_[kept].logit - top);
    if (kept > 0 && relative < options_.min_p) break;
    ++kept;
    sum += relative / total;
    if (options_.top_p < 1 && sum >= options_.top_p) break;
  }
  return kept;
}

int32_t Sampler::pick(size_t kept, double top) {
  auto weight = [&](size_t i) { return std::exp((candidates_[i].logit - top) / options_.temperature); };
  double total = 0;
  for (size_t i = 0; i < kept; ++i) total += weight(i);
  double point = rng_.uniform() * total;
  for (size_t i = 0; i < kept; ++i) {
    point -= weight(i);
    if (point < 0) return candidates_[i].id;
  }
  return candidates_[kept - 1].id;
}

TokenScore score_of(std::span<const float> logits, int32_t chosen) {
  return {chosen, static_cast<float>(logits[static_cast<size_t>(chosen)] - log_sum_exp(logits))};
}

std::vector<TokenScore> best_scores(std::span<const float> logits, int n) {
  std::vector<TokenScore> all(logits.size());
  double total = log_sum_exp(logits);
  for (size_t i = 0; i < all.size(); ++i) all[i] = {static_cast<int32_t>(i), static_cast<float>(logits[i] - total)};
  auto end = all.begin() + std::min<std::ptrdiff_t>(n, static_cast<std::ptrdiff_t>(all.size()));
  std::partial_sort(all.begin(), end, all.end(), [](const TokenScore& a, const TokenScore& b) {
    return more_probable(a.logprob, a.id, b.logprob, b.id);
  });
  all.erase(end, all.end());
  return all;
}

}  // namespace galago
