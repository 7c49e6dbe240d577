// Speculative decoding: the same answers token by token, the same distribution of answers, and fewer runs of the model.
#include "runtime/drafter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "runtime/session.h"
#include "tests/runtime/small_model.h"
#include "tests/support/executors.h"

namespace galago::testing {
namespace {

std::shared_ptr<Executor> scalar() { return all_executors()[1].executor; }

std::vector<int32_t> ids_of(const std::vector<DraftedToken>& drafted) {
  std::vector<int32_t> ids;
  for (const DraftedToken& token : drafted) ids.push_back(token.id);
  return ids;
}

TEST(LookupDrafter, SaysWhatFollowedBefore) {
  LookupDrafter lookup;
  auto draft = [&](std::vector<int32_t> history, int n) { return ids_of(lookup.draft(history, n)); };
  using Ids = std::vector<int32_t>;
  EXPECT_EQ(draft({1, 2, 3, 4, 5, 9, 2, 3, 4}, 8), (Ids{5, 9, 2, 3, 4}));
  EXPECT_EQ(draft({1, 2, 3, 4, 5, 9, 2, 3, 4}, 2), (Ids{5, 9}));
  EXPECT_EQ(draft({7, 1, 8, 7, 2, 8, 7}, 1), (Ids{2}));     // the latest place with the longest match
  EXPECT_EQ(draft({3, 4, 1, 9, 4, 2, 3, 4}, 1), (Ids{1}));  // two tokens are better than one
  EXPECT_EQ(draft({5, 6, -1, -1, 5}, 4), (Ids{6}));         // a picture's rows cannot be guessed
  EXPECT_EQ(draft({1, 2, 3}, 4), Ids{});
  EXPECT_EQ(draft({}, 4), Ids{});
  EXPECT_EQ(draft({4, 4}, 4), (Ids{4}));
}

// ---- acceptance
// ------------------------------------------------------------------------------------------------------------

// Chi-square statistic of counts against probabilities, over the outcomes that are expected at all.
double chi_square(const std::map<int32_t, int>& counts, const std::map<int32_t, double>& expected, int n) {
  double sum = 0;
  for (auto [id, p] : expected) {
    auto found = counts.find(id);
    const double wanted = p * n, seen = found == counts.end() ? 0 : found->second;
    sum += (seen - wanted) * (seen - wanted) / wanted;
  }
  return sum;
}

constexpr double kLimit5 = 20.5, kLimit15 = 37.7;  // exceeded by chance once in 1000 at 5 and 15 degrees of freedom

// Whatever is drafted and from whatever distribution, what comes out is distributed as without drafts.
TEST(Speculation, KeepsTheDistributionOfATokens) {
  const std::vector<float> logits{1.2f, 0.3f, -0.5f, 2.0f, 0.9f, -1.5f};
  const SamplingOptions options{.temperature = 0.8f, .seed = 11};
  constexpr int kDraws = 20000;
  std::map<int32_t, double> wanted;
  std::vector<float> copy = logits;
  Sampler plain(options, 6);
  for (auto [id, p] : plain.distribution(copy)) wanted[id] = p;
  const std::vector<TokenProbability> skewed{{0, 0.7}, {5, 0.2}, {3, 0.1}};
  for (bool certain : {false, true}) {
    Sampler sampler(options, 6), drafts({.temperature = 1, .seed = 5}, 6);
    std::map<int32_t, int> counts;
    for (int i = 0; i < kDraws; ++i) {
      copy = logits;
      const DraftedToken drafted = certain ? DraftedToken{i % 6} : DraftedToken{drafts.pick(skewed), skewed};
      ++counts[sampler.next(copy, drafted)];
    }
    EXPECT_LT(chi_square(counts, wanted, kDraws), kLimit5) << certain;
  }
}

TEST(Speculation, FiltersAndPenaltiesHold) {
  const std::vector<float> logits{3, 2, 1, 0};
  Sampler sampler({.temperature = 1, .top_k = 2, .frequency_penalty = 100, .seed = 1}, 4);
  std::vector<float> copy = logits;
  const int32_t first = sampler.next(copy, {3});  // not among the best two
  EXPECT_LT(first, 2);
  copy = logits;
  EXPECT_NE(sampler.next(copy, {first}), first);  // it was said, so it is as good as impossible
}

// ---- sessions
// --------------------------------------------------------------------------------------------------------------

struct Answer {
  std::string text;
  std::vector<int32_t> ids, history;
  FinishReason finish;
  bool operator==(const Answer&) const = default;
};

Answer answer(Session& session, const GenerateOptions& options) {
  session.reset();
  session.attach_image(gradient());
  session.append("a red apple and two dogs and a red apple");
  std::string text = session.generate(options);
  return {std::move(text),
          {session.generated_ids().begin(), session.generated_ids().end()},
          {session.history().begin(), session.history().end()},
          session.finish_reason()};
}

std::shared_ptr<Drafter> model_drafter(const std::shared_ptr<Checkpoint>& draft, const Checkpoint& target,
                                       const SamplingOptions& sampling = {},
                                       const std::shared_ptr<Executor>& executor = scalar()) {
  return std::make_shared<ModelDrafter>(draft, executor, target, sampling, 256);
}

// Another network that has the same tokens.
std::shared_ptr<Checkpoint> other_model() {
  auto model = tiny_model("hf-nanovlm", "question");
  model->weights = random_weights(*model->model, 4);
  return model;
}

// The scalar executor's logits do not depend on how many places run at once, so that not even ties can fall otherwise.
TEST(SessionDrafts, GreedyAnswersAreTheSame) {
  auto model = tiny_model("hf-nanovlm", "question");
  Session session(model, scalar(), {.n_context = 256, .cache_type = DType::F32});
  GenerateOptions options{.max_new_tokens = 60, .sampling = {}, .ignore_end = true};
  options.n_logprobs = 2;
  const Answer expected = answer(session, options);
  const std::string stop = expected.text.substr(expected.text.size() / 2, 4);
  for (auto [name, drafter] :
       {std::pair<const char*, std::shared_ptr<Drafter>>{"lookup", std::make_shared<LookupDrafter>()},
        {"itself", model_drafter(model, *model)},
        {"another", model_drafter(other_model(), *model)}})
    for (int n : {1, 3, 16}) {
      options.drafter = drafter;
      options.max_draft = n;
      options.stop = {};
      EXPECT_TRUE(answer(session, options) == expected) << name << n;
      EXPECT_EQ(session.logprobs().size(), 60u);
      EXPECT_GT(session.timings().n_drafted, 0) << name << n;
      EXPECT_LE(session.timings().n_accepted, session.timings().n_drafted);
      options.stop = {stop};
      const Answer stopped = answer(session, options);
      EXPECT_EQ(stopped.text, expected.text.substr(0, expected.text.find(stop))) << name << n;
      EXPECT_EQ(session.n_past(), session.timings().n_prompt + std::ssize(stopped.ids)) << name << n;
    }
}

// A draft that sees what the model sees is always right: the model runs once for every nine tokens.
TEST(SessionDrafts, ThePerfectDraftIsAlwaysAccepted) {
  auto model = tiny_model("hf-nanovlm", "question");
  Session session(model, scalar(), {.n_context = 256, .cache_type = DType::F32});
  GenerateOptions options{.max_new_tokens = 27, .sampling = {}, .ignore_end = true};
  session.append("two dogs");
  options.drafter = model_drafter(model, *model);
  session.generate(options);
  EXPECT_EQ(session.timings().n_drafted, session.timings().n_accepted);
  EXPECT_EQ(session.timings().n_accepted, 24);
  EXPECT_LE(session.n_compiled(), 3);
}

TEST(SessionDrafts, TheContextIsNotExceeded) {
  auto model = tiny_model("hf-nanovlm", "question");
  for (int room : {1, 2, 5, 9, 10}) {
    Session plain(model, scalar(), {.n_context = 30 + room}), drafting(model, scalar(), {.n_context = 30 + room});
    GenerateOptions options{.max_new_tokens = 100, .sampling = {}, .ignore_end = true};
    const std::vector<int32_t> prompt(30, 7);
    plain.append_ids(prompt);
    drafting.append_ids(prompt);
    plain.generate(options);
    options.drafter = model_drafter(model, *model);
    drafting.generate(options);
    EXPECT_EQ(std::vector(plain.generated_ids().begin(), plain.generated_ids().end()),
              std::vector(drafting.generated_ids().begin(), drafting.generated_ids().end()));
    EXPECT_EQ(drafting.finish_reason(), FinishReason::ContextFull);
    EXPECT_EQ(drafting.n_past(), drafting.n_context());
  }
}

// The second and third tokens of many answers, together, with and without drafts from another model.
TEST(SessionDrafts, SampledAnswersAreDistributedTheSame) {
  auto model = tiny_model("hf-nanovlm", "question");
  const auto executor = all_executors()[0].executor;
  Session session(model, executor, {.n_context = 64, .cache_type = DType::F32});
  session.append("two dogs");
  const int begin = session.n_past();
  auto count = [&](bool drafts, int n) {
    std::map<int32_t, int> counts;
    for (int i = 0; i < n; ++i) {
      SamplingOptions sampling{.temperature = 1.5f, .top_k = 4, .seed = static_cast<uint64_t>(2 * i)};
      GenerateOptions options{.max_new_tokens = 3, .sampling = sampling, .ignore_end = true};
      static const auto draft = other_model();
      if (drafts)
        options.drafter =
            model_drafter(draft, *model, {.temperature = 3, .top_k = 12, .seed = sampling.seed}, executor);
      session.rewind(begin);
      session.generate(options);
      const auto ids = session.generated_ids();
      ++counts[ids[1] * 300 + ids[2]];
    }
    return counts;
  };
  constexpr int kPlain = 2000, kDrafted = 2000;
  const auto plain = count(false, kPlain), drafted = count(true, kDrafted);
  // Two samples of one size: the sum of (a - b)^2 / (a + b) over the cells is a chi-square statistic.
  double sum = 0;
  int n_cells = 0, rest_a = kPlain, rest_b = kDrafted;
  for (auto [cell, a] : plain) {
    if (a < 20) continue;
    auto found = drafted.find(cell);
    const int b = found == drafted.end() ? 0 : found->second;
    sum += static_cast<double>(a - b) * (a - b) / (a + b);
    rest_a -= a, rest_b -= b;
    ++n_cells;
  }
  sum += static_cast<double>(rest_a - rest_b) * (rest_a - rest_b) / std::max(1, rest_a + rest_b);
  ASSERT_GE(n_cells, 5);
  EXPECT_LT(sum, n_cells + 4 * std::sqrt(2.0 * n_cells) + 4) << n_cells << " cells";  // mean + 4 standard deviations
}

TEST(ModelDrafter, RefusesAnotherTokenizer) {
  auto model = tiny_model("hf-nanovlm", "question"), other = tiny_model("hf-nanovlm", "question");
  std::vector<std::string> corpus(20, "quite another text with other words in it");
  other->tokenizer = std::make_shared<Tokenizer>(train_bpe(corpus, {.vocab_size = 300}));
  EXPECT_THROW(model_drafter(other, *model), Error);
}

}  // namespace
}  // namespace galago::testing
