#include "runtime/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace galago {
namespace {

bool more_probable(float a, int32_t a_id, float b, int32_t b_id) { return a != b ? a > b : a_id < b_id; }

int32_t most_probable(std::span<const float> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

double probability(std::span<const TokenProbability> tokens, int32_t id) {
  auto found = std::ranges::find(tokens, id, &TokenProbability::id);
  return found == tokens.end() ? 0 : found->p;
}

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
  const int32_t id = options_.temperature > 0 ? draw(logits) : most_probable(logits);
  if (!counts_.empty()) remember(id);
  return id;
}

// Accepts with probability min(1, p / q); otherwise draws from what the draft leaves over, max(0, p - q).
int32_t Sampler::next(std::span<float> logits, const DraftedToken& drafted) {
  distribution(logits);
  const double p = probability(probabilities_, drafted.id);
  const double q = drafted.from.empty() ? 1 : probability(drafted.from, drafted.id);
  const int32_t id = rng_.uniform() * q < p ? drafted.id : draw_rest(drafted, logits.size());
  if (!counts_.empty()) remember(id);
  return id;
}

int32_t Sampler::draw_rest(const DraftedToken& drafted, size_t n_vocab) {
  std::vector<double> taken(n_vocab);
  if (drafted.from.empty()) taken[static_cast<size_t>(drafted.id)] = 1;
  for (auto [id, q] : drafted.from) taken[static_cast<size_t>(id)] = q;
  double total = 0;
  for (TokenProbability& token : probabilities_)
    total += token.p = std::max(0.0, token.p - taken[static_cast<size_t>(token.id)]);
  // Nothing is left over where both distributions are the same but for rounding.
  return total > 0 ? pick(probabilities_, total) : drafted.id;
}

int32_t Sampler::pick(std::span<const TokenProbability> tokens, double total) {
  double point = rng_.uniform() * total;
  for (const TokenProbability& token : tokens)
    if ((point -= token.p) < 0) return token.id;
  return tokens.back().id;
}

std::span<const TokenProbability> Sampler::distribution(std::span<float> logits) {
  adjust(logits);
  probabilities_.clear();
  if (options_.temperature <= 0) {
    probabilities_.push_back({most_probable(logits), 1});
    return probabilities_;
  }
  const size_t n_kept = filter(logits);
  double total = 0;
  for (size_t i = 0; i < n_kept; ++i) {
    probabilities_.push_back({candidates_[i].id, weight(candidates_[i])});
    total += probabilities_.back().p;
  }
  for (TokenProbability& token : probabilities_) token.p /= total;
  return probabilities_;
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

// Puts what may be drawn first and says how many that are.
size_t Sampler::filter(std::span<const float> logits) {
  candidates_.clear();
  n_sorted_ = 0;
  for (size_t i = 0; i < logits.size(); ++i) candidates_.push_back({static_cast<int32_t>(i), logits[i]});
  if (options_.top_k > 0 && static_cast<size_t>(options_.top_k) < candidates_.size()) {
    sort_first(static_cast<size_t>(options_.top_k));
    candidates_.resize(n_sorted_);
  }
  top_ = candidates_[0].logit;
  for (const Candidate& c : candidates_) top_ = std::max<double>(top_, c.logit);
  return count_kept();
}

// Both limits cut the sorted list, which is sorted only as far as they look. The token that passes top-p stays, as in
// llama.cpp and transformers.
size_t Sampler::count_kept() {
  if (options_.top_p >= 1 && options_.min_p <= 0) return candidates_.size();
  double total = 0, sum = 0;
  for (const Candidate& c : candidates_) total += std::exp(c.logit - top_);
  size_t kept = 0;
  while (kept < candidates_.size()) {
    constexpr size_t kFirst = 64;
    if (kept >= n_sorted_) sort_first(std::max(kFirst, 4 * kept));
    double relative = std::exp(candidates_[kept].logit - top_);
    if (kept > 0 && relative < options_.min_p) break;
    ++kept;
    sum += relative / total;
    if (options_.top_p < 1 && sum >= options_.top_p) break;
  }
  return kept;
}

double Sampler::weight(const Candidate& c) const { return std::exp((c.logit - top_) / options_.temperature); }

int32_t Sampler::draw(std::span<const float> logits) {
  const size_t kept = filter(logits);
  double total = 0;
  for (size_t i = 0; i < kept; ++i) total += weight(candidates_[i]);
  double point = rng_.uniform() * total;
  for (size_t i = 0; i < kept; ++i) {
    point -= weight(candidates_[i]);
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
