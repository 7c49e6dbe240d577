// Beam search without a model: wide enough it is exhaustive search, so brute force says what it must find; narrow, the
// steps are counted by hand from the rules of transformers' generate().
#include "runtime/beam_search.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/error.h"
#include "base/rng.h"

namespace galago {
namespace {

using Logits = std::function<std::vector<float>(std::span<const int32_t> ids)>;  // of the next token

// Logits that depend on the whole answer so far.
Logits random_language(size_t n_vocab, uint64_t seed) {
  return [=](std::span<const int32_t> ids) {
    uint64_t state = seed;
    for (int32_t id : ids) state = splitmix64(state * 31 + static_cast<uint64_t>(id) + 1);
    Rng rng(state);
    std::vector<float> logits(n_vocab);
    for (float& logit : logits) logit = static_cast<float>(rng.uniform(-2, 2));
    return logits;
  };
}

std::vector<double> logprobs(const std::vector<float>& logits) {
  double total = 0;
  for (double logit : logits) total += std::exp(logit);
  std::vector<double> out;
  for (float logit : logits) out.push_back(logit - std::log(total));
  return out;
}

BeamAnswer search(const BeamOptions& options, const Logits& language, std::vector<int32_t> ends, int max_tokens) {
  BeamSearch beams(options, ends, max_tokens);
  std::vector<float> logits = language({});
  const size_t n_vocab = logits.size();
  while (beams.advance(logits, n_vocab)) {
    logits.clear();
    for (const BeamAnswer& answer : beams.live())
      for (float logit : language(answer.ids)) logits.push_back(logit);
  }
  return beams.best();
}

// The best of all answers: finished by `end` or of full length.
void brute_force(const Logits& language, int32_t end, size_t max_tokens, float penalty, std::vector<int32_t>& ids,
                 double sum, BeamAnswer& best) {
  auto offer = [&](double total, size_t length) {
    double score = total / std::pow(static_cast<double>(length), penalty);
    if (score > best.score) best = {ids, total, score};
  };
  if (ids.size() == max_tokens) return offer(sum, max_tokens);
  std::vector<double> next = logprobs(language(ids));
  for (size_t id = 0; id < next.size(); ++id) {
    if (static_cast<int32_t>(id) == end) {
      offer(sum + next[id], ids.size() + 1);
      continue;
    }
    ids.push_back(static_cast<int32_t>(id));
    brute_force(language, end, max_tokens, penalty, ids, sum + next[id], best);
    ids.pop_back();
  }
}

TEST(BeamSearch, WideEnoughItFindsTheBestOfAll) {
  for (uint64_t seed = 0; seed < 20; ++seed)
    for (float penalty : {0.f, 1.f, 2.f}) {
      Logits language = random_language(5, seed);
      BeamAnswer expected;
      expected.score = -HUGE_VAL;
      std::vector<int32_t> ids;
      brute_force(language, 4, 4, penalty, ids, 0, expected);
      BeamOptions options{.n = 400, .length_penalty = penalty};
      BeamAnswer got = search(options, language, {4}, 4);
      EXPECT_EQ(got.ids, expected.ids) << "seed " << seed << ", penalty " << penalty;
      EXPECT_NEAR(got.score, expected.score, 1e-9);  // doubles, other order of additions
    }
}

TEST(BeamSearch, OneBeamIsGreedy) {
  Logits language = random_language(50, 3);
  std::vector<int32_t> greedy;
  while (greedy.size() < 6) {
    std::vector<float> logits = language(greedy);
    greedy.push_back(static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
  }
  EXPECT_EQ(search({.n = 1}, language, {}, 6).ids, greedy);
}

TEST(BeamSearch, MoreBeamsFindWhatGreedyMisses) {
  // 0 is likelier now; 1 leads to a certain token.
  Logits language = [](std::span<const int32_t> ids) -> std::vector<float> {
    if (ids.empty()) return {std::log(0.6f), std::log(0.4f), -50};
    return ids[0] == 0 ? std::vector<float>{0, 0, 0} : std::vector<float>{-50, -50, 0};
  };
  EXPECT_EQ(search({.n = 1}, language, {}, 2).ids[0], 0);
  BeamAnswer best = search({.n = 2}, language, {}, 2);
  EXPECT_EQ(best.ids, (std::vector<int32_t>{1, 2}));
  EXPECT_NEAR(best.score, std::log(0.4) / 2, 1e-6);  // logits are floats
}

// Token 2 ends an answer. With penalty 0 the short answer log 0.5 beats what follows the other branch.
TEST(BeamSearch, TheEndTokenCountsInScoreAndLength) {
  Logits language = [](std::span<const int32_t> ids) -> std::vector<float> {
    if (ids.empty()) return {std::log(0.5f), -50, std::log(0.5f)};
    return {std::log(0.9f), -50, std::log(0.1f)};
  };
  EXPECT_EQ(search({.n = 2, .length_penalty = 0}, language, {2}, 4).ids, std::vector<int32_t>{});
  // Per token: log 0.5 against (log 0.5 + 3 log 0.9) / 4.
  BeamAnswer by_length = search({.n = 2, .length_penalty = 1}, language, {2}, 4);
  EXPECT_EQ(by_length.ids, (std::vector<int32_t>{0, 0, 0, 0}));
  EXPECT_NEAR(by_length.score, (std::log(0.5) + 3 * std::log(0.9)) / 4, 1e-6);
}

TEST(BeamSearch, EarlyStoppingTakesTheFirstFinishedAnswers) {
  // One answer finishes at once, a second one after it; the branch that goes on would win by length in the end.
  Logits language = [](std::span<const int32_t> ids) -> std::vector<float> {
    if (ids.empty()) return {std::log(0.5f), -50, std::log(0.5f)};
    if (ids.size() == 1) return {std::log(0.6f), -50, std::log(0.4f)};
    return {std::log(0.999f), -50, std::log(0.001f)};
  };
  EXPECT_LT(search({.n = 2, .early_stopping = EarlyStopping::Yes}, language, {2}, 8).ids.size(), 2u);
  EXPECT_EQ(search({.n = 2, .early_stopping = EarlyStopping::Never}, language, {2}, 8).ids.size(), 8u);
}

TEST(BeamSearch, RepetitionDividesLogProbabilities) {
  Logits language = [](std::span<const int32_t>) { return std::vector<float>{std::log(0.6f), std::log(0.4f)}; };
  EXPECT_EQ(search({.n = 1}, language, {}, 3).ids, (std::vector<int32_t>{0, 0, 0}));
  // log 0.6 * 2 = -1.02 < log 0.4 = -0.92: the second token changes; then both are used: -1.02 against -1.83.
  EXPECT_EQ(search({.n = 1, .repeat_penalty = 2}, language, {}, 3).ids, (std::vector<int32_t>{0, 1, 0}));
}

TEST(BeamSearch, RefusesOptionsThatMakeNoSense) {
  EXPECT_THROW(BeamSearch({.n = 0}, {}, 3), Error);
  EXPECT_THROW(BeamSearch({.n = 100000}, {}, 3), Error);
  EXPECT_THROW(BeamSearch({.n = 2, .length_penalty = NAN}, {}, 3), Error);
  EXPECT_THROW(BeamSearch({.n = 2, .repeat_penalty = 0}, {}, 3), Error);
}

}  // namespace
}  // namespace galago
