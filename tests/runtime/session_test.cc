// Sessions on tiny random models: chunks, cache and executors must not change what is said.
#include "runtime/session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/runtime/small_model.h"
#include "tests/support/executors.h"

namespace galago::testing {
namespace {

std::vector<int32_t> answer(const std::shared_ptr<Checkpoint>& model, const std::shared_ptr<Executor>& executor,
                            const SessionOptions& options) {
  Session session(model, executor, options);
  session.attach_image(gradient());
  session.append("a red apple and two");
  session.generate({.max_new_tokens = 12, .sampling = {}, .ignore_end = true});
  return {session.generated_ids().begin(), session.generated_ids().end()};
}

class Sessions : public ::testing::TestWithParam<const char*> {};

TEST_P(Sessions, SameTokensOnEveryExecutorAndChunkLength) {
  auto model = tiny_model(GetParam());
  std::vector<int32_t> expected;
  for (auto& [name, executor] : all_executors())
    for (int chunk : {512, 3, 1}) {
      std::vector<int32_t> ids = answer(model, executor, {.n_context = 64, .chunk = chunk});
      if (expected.empty()) expected = ids;
      EXPECT_EQ(ids, expected) << name << ", chunks of " << chunk;
    }
  EXPECT_GT(std::set<int32_t>(expected.begin(), expected.end()).size(), 2u) << "the test model says nothing";
}

TEST_P(Sessions, NarrowCachesAreClose) {
  auto model = tiny_model(GetParam());
  auto executor = all_executors()[0].executor;
  auto full = answer(model, executor, {.n_context = 64, .cache_type = DType::F32});
  auto half = answer(model, executor, {.n_context = 64, .cache_type = DType::F16});
  EXPECT_EQ(half[0], full[0]);  // later tokens may differ once one near-tie flips
}

TEST_P(Sessions, ResetForgets) {
  auto model = tiny_model(GetParam());
  Session session(model, all_executors()[0].executor, {.n_context = 64});
  std::string first, second;
  for (std::string* text : {&first, &second}) {
    session.reset();
    session.attach_image(gradient());
    session.append("two dogs");
    *text = session.generate({.max_new_tokens = 8, .sampling = {}});
  }
  EXPECT_EQ(first, second);
}

INSTANTIATE_TEST_SUITE_P(Families, Sessions, ::testing::Values("nanovlms", "hf-nanovlm"), [](const auto& info) {
  return std::string(info.param) == "nanovlms" ? "NanoVlms" : "HfNanoVlm";
});

std::vector<int32_t> ids_of(std::span<const int32_t> ids) { return {ids.begin(), ids.end()}; }

std::shared_ptr<Executor> cpu() { return all_executors()[0].executor; }

const GenerateOptions kEight{.max_new_tokens = 8, .sampling = {}, .ignore_end = true};

// What a prompt of some 60 places leaves in the cache, and how the answer goes on.
struct Filled {
  std::vector<std::byte> bytes;
  std::vector<float> values;
  std::vector<int32_t> ids;
};

Filled fill_cache(const std::shared_ptr<Checkpoint>& model, const std::shared_ptr<Executor>& executor, DType type,
                  int chunk) {
  Session session(model, executor, {.n_context = 200, .chunk = chunk, .cache_type = type});
  session.attach_image(gradient());
  for (int i = 0; i < 4; ++i) session.add_text("a red apple and two dogs play in the green grass ");
  session.append("near the sea");
  Filled filled;
  for (size_t part = 0; part < session.cache().n_parts(); ++part) {
    auto rows = session.cache().rows(part, 0, session.n_past());
    filled.bytes.insert(filled.bytes.end(), rows.begin(), rows.end());
  }
  const DTypeInfo& format = info(type);
  filled.values.resize(filled.bytes.size() / format.block_bytes * format.block_values);
  format.decode(filled.bytes.data(), filled.values.data(), static_cast<int64_t>(filled.values.size()));
  session.generate(kEight);
  filled.ids = ids_of(session.generated_ids());
  return filled;
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {  // as a share of the largest
  double most = 0, difference = 0;
  for (float x : a) most = std::max<double>(most, std::fabs(x));
  for (size_t i = 0; i < a.size(); ++i) difference = std::max<double>(difference, std::fabs(a[i] - b[i]));
  return a.size() == b.size() ? difference / most : 1;
}

// A token's rows are written from that token alone, whatever piece of the prompt it comes in. The scenes preset has
// heads 32 wide, which blocks of 32 need.
TEST(SessionCache, SameBytesForEveryChunkLength) {
  auto model = tiny_model("hf-nanovlm", "caption", "scenes");
  auto scalar = all_executors()[1].executor;
  Filled expected = fill_cache(model, scalar, DType::Q8_0, 512);
  for (int chunk : {1, 7}) {
    Filled filled = fill_cache(model, scalar, DType::Q8_0, chunk);
    EXPECT_TRUE(filled.bytes == expected.bytes) << "chunks of " << chunk;
    EXPECT_EQ(filled.ids, expected.ids) << "chunks of " << chunk;
  }
}

// The fast kernels add in another order for few rows than for many, so their bytes may differ in the last place:
// f32 values by what the additions of four layers leave, f16 ones by 2^-11, q8_0 ones by a step of 127.
TEST(SessionCache, NearlySameBytesFromFastKernels) {
  auto model = tiny_model("hf-nanovlm", "caption", "scenes");
  for (auto [type, tolerance] : {std::pair{DType::F32, 1e-5}, {DType::F16, 5e-4}, {DType::Q8_0, 8e-3}}) {
    Filled expected = fill_cache(model, cpu(), type, 512);
    for (int chunk : {1, 7, 128}) {
      Filled filled = fill_cache(model, cpu(), type, chunk);
      EXPECT_LE(largest_difference(expected.values, filled.values), tolerance)
          << info(type).name << ", chunks of " << chunk;
      EXPECT_EQ(filled.ids, expected.ids) << info(type).name << ", chunks of " << chunk;
    }
  }
}

TEST(SessionCache, EightBitsAgreeOnAllExecutors) {
  auto model = tiny_model("hf-nanovlm", "caption", "scenes");
  std::vector<int32_t> expected;
  for (auto& [name, executor] : all_executors()) {
    std::vector<int32_t> ids = fill_cache(model, executor, DType::Q8_0, 64).ids;
    if (expected.empty()) expected = ids;
    EXPECT_EQ(ids, expected) << name;
  }
  EXPECT_EQ(fill_cache(model, cpu(), DType::F32, 64).ids[0], expected[0]);
}

TEST(SessionCache, TakesTheBytesItSays) {
  auto model = tiny_model("hf-nanovlm", "caption", "scenes");
  const CacheSpec spec = model->model->cache();
  const size_t values = size_t{2} * 100 * static_cast<size_t>(spec.n_layers * spec.n_kv_heads * spec.d_head);
  EXPECT_EQ(Session(model, cpu(), {.n_context = 100}).cache_bytes(), 2 * values);
  EXPECT_EQ(Session(model, cpu(), {.n_context = 100, .cache_type = DType::Q8_0}).cache_bytes(), values / 32 * 34);
  EXPECT_EQ(Session(model, cpu(), {.n_context = 100, .value_type = DType::F32}).cache_bytes(), 3 * values);
}

// Pieces of one length share their programs, wherever rows of pictures lie in them.
TEST(SessionCache, LongPromptsCompileFewPrograms) {
  auto model = tiny_model("hf-nanovlm", "question", "scenes");
  Session session(model, cpu(), {.n_context = 256, .chunk = 16});
  for (int i = 0; i < 5; ++i) {
    session.attach_image(gradient(i));
    session.add_text("two dogs play ");
  }
  session.append("near the sea");
  session.generate(kEight);
  EXPECT_GE(session.n_past(), 5 * 16 + 20);
  EXPECT_LE(session.n_compiled(), 4);  // with and without rows, the rest of the prompt, one token
}

// ---- turns
// -----------------------------------------------------------------------------------------------------------------

struct Conversation {
  std::vector<int32_t> ids;
  int n_past;
};

Conversation say(Session& session, const char* text, int n_pictures = 0) {
  for (int i = 0; i < n_pictures; ++i) session.attach_image(gradient(i + 2));
  session.append(text);
  session.generate(kEight);
  return {ids_of(session.generated_ids()), session.n_past()};
}

TEST(SessionTurns, PicturesInAnyTurnMatter) {
  auto model = tiny_model("hf-nanovlm", "question");
  Session session(model, cpu(), {.n_context = 256});
  Conversation first = say(session, "two dogs", 2);
  Conversation second = say(session, "a red apple", 1);
  EXPECT_EQ(session.n_turns(), 2);
  EXPECT_EQ(std::count(session.history().begin(), session.history().end(), -1),
            3 * model->model->pictures().tokens_per_tile);
  session.rewind_turns();
  EXPECT_EQ(session.n_past(), first.n_past);
  EXPECT_NE(say(session, "a red apple", 2).ids, second.ids);
}

TEST(SessionTurns, RewindAndSayItAgain) {
  auto model = tiny_model("hf-nanovlm", "question");
  Session session(model, cpu(), {.n_context = 256});
  say(session, "two dogs", 1);
  Conversation second = say(session, "a red apple", 1);
  say(session, "near the sea");
  session.rewind_turns(2);
  EXPECT_EQ(session.n_turns(), 1);
  Conversation again = say(session, "a red apple", 1);
  EXPECT_EQ(again.ids, second.ids);
  EXPECT_EQ(again.n_past, second.n_past);
  session.rewind_turns(5);
  EXPECT_EQ(session.n_past(), 0);
  EXPECT_THROW(session.generate(kEight), Error);
}

TEST(SessionTurns, RewindIntoAnAnswerGoesOnTheSameWay) {
  auto model = tiny_model("hf-nanovlm", "question");
  Session session(model, cpu(), {.n_context = 256});
  Conversation whole = say(session, "two dogs", 1);
  session.rewind(whole.n_past - 5);
  EXPECT_EQ(session.n_turns(), 1);
  session.generate({.max_new_tokens = 5, .sampling = {}, .ignore_end = true});
  EXPECT_EQ(ids_of(session.generated_ids()), std::vector<int32_t>(whole.ids.begin() + 3, whole.ids.end()));
  EXPECT_THROW(session.rewind(1000), Error);
  EXPECT_THROW(session.rewind(-1), Error);
  session.rewind(2);  // in the middle of the picture
  EXPECT_EQ(session.n_turns(), 1);
  EXPECT_THROW(session.generate(kEight), Error);
}

TEST(SessionTurns, ATurnThatDoesNotFitLeavesTheConversationAsItWas) {
  auto model = tiny_model("hf-nanovlm", "question");
  Session session(model, cpu(), {.n_context = 60}), other(model, cpu(), {.n_context = 60});
  Conversation first = say(session, "two dogs", 1);
  say(other, "two dogs", 1);
  std::string text;
  for (int i = 0; i < 30; ++i) text += "dogs play in the green grass ";
  EXPECT_THROW(say(session, text.c_str(), 1), Error);
  EXPECT_EQ(session.n_past(), first.n_past);
  EXPECT_EQ(say(session, "a").ids, say(other, "a").ids);
}

// ---- answers
// ---------------------------------------------------------------------------------------------------------------

TEST(SessionAnswers, AStopStringLeavesNoTrace) {
  auto model = tiny_model("hf-nanovlm", "question");
  Session session(model, cpu(), {.n_context = 256});
  session.append("two dogs");
  const int begin = session.n_past();
  std::string whole = session.generate({.max_new_tokens = 20, .sampling = {}, .ignore_end = true});
  ASSERT_GT(whole.size(), 8u);
  const std::string stop = whole.substr(whole.size() / 2, 3);
  session.rewind(begin);
  std::string streamed;
  GenerateOptions options{.max_new_tokens = 20, .sampling = {}, .ignore_end = true};
  options.stop = {stop};
  std::string text = session.generate(options, [&](std::string_view piece) {
    streamed += piece;
    return true;
  });
  EXPECT_EQ(text, whole.substr(0, whole.find(stop)));
  EXPECT_EQ(streamed, text);
  EXPECT_EQ(session.finish_reason(), FinishReason::StopString);
  EXPECT_EQ(session.n_past(), begin + static_cast<int>(session.generated_ids().size()));
}

TEST(SessionAnswers, LogprobsAreThoseOfTheModel) {
  auto model = tiny_model("hf-nanovlm", "question");
  Session session(model, cpu(), {.n_context = 256});
  session.append("two dogs");
  session.generate({.max_new_tokens = 5, .sampling = {.repeat_penalty = 3}, .ignore_end = true, .n_logprobs = 300});
  ASSERT_EQ(session.logprobs().size(), 5u);
  for (const TokenLogprobs& token : session.logprobs()) {
    double total = 0;
    for (const TokenScore& score : token.best) total += std::exp(score.logprob);
    EXPECT_NEAR(total, 1, 1e-5);  // 300 probabilities in float
    EXPECT_TRUE(std::is_sorted(token.best.begin(), token.best.end(),
                               [](const TokenScore& a, const TokenScore& b) { return a.logprob > b.logprob; }));
    auto same = std::find_if(token.best.begin(), token.best.end(),
                             [&](const TokenScore& score) { return score.id == token.chosen.id; });
    ASSERT_NE(same, token.best.end());
    EXPECT_EQ(same->logprob, token.chosen.logprob);
  }
  EXPECT_EQ(session.logprobs()[0].best[0].id, session.logprobs()[0].chosen.id);  // nothing to penalise yet
}

// Sum of the log-probabilities of ids behind "two dogs", one run of the model a token.
double sum_logprobs(Session& session, std::span<const int32_t> ids) {
  session.reset();
  session.append("two dogs");
  double sum = 0;
  for (int32_t id : ids) {
    session.generate({.max_new_tokens = 1, .sampling = {}, .ignore_end = true, .n_logprobs = 300});
    for (const TokenScore& score : session.logprobs()[0].best)
      if (score.id == id) sum += score.logprob;
    session.rewind(session.n_past() - 1);
    session.append_ids(std::span(&id, 1));
  }
  return sum;
}

// The score of the search is that of the same tokens one by one: rows of the beams' caches went where they should.
TEST(SessionBeams, ScoresAreThoseOfTheTokens) {
  auto model = tiny_model("hf-nanovlm", "question", "scenes");
  for (DType type : {DType::F32, DType::Q8_0}) {
    Session session(model, cpu(), {.n_context = 128, .cache_type = type});
    session.append("two dogs");
    const int begin = session.n_past();
    session.generate({.max_new_tokens = 9, .sampling = {}, .ignore_end = true, .beams = {.n = 4}});
    std::vector<int32_t> ids = ids_of(session.generated_ids());
    ASSERT_EQ(ids.size(), 9u);
    EXPECT_EQ(session.n_past(), begin + 9);
    const double score = session.beam_score();
    EXPECT_NEAR(score, sum_logprobs(session, ids) / 9, 2e-3);  // floats through 4 layers in another order
    session.rewind(begin);
    session.generate({.max_new_tokens = 9, .sampling = {}, .ignore_end = true});
    std::vector<int32_t> greedy = ids_of(session.generated_ids());
    EXPECT_GE(score, sum_logprobs(session, greedy) / 9 - 2e-3);
  }
}

// As wide as the vocabulary, two tokens deep: nothing is left out, so brute force must agree.
TEST(SessionBeams, AgreeWithBruteForce) {
  auto model = tiny_model("hf-nanovlm", "question");
  Session session(model, cpu(), {.n_context = 64, .cache_type = DType::F32});
  session.append("two dogs");
  const int begin = session.n_past(), n_vocab = model->tokenizer->vocab_size();
  const GenerateOptions one{.max_new_tokens = 1, .sampling = {}, .ignore_end = true, .n_logprobs = 1};
  GenerateOptions all = one;
  all.n_logprobs = n_vocab;
  session.generate(all);
  const std::vector<TokenScore> first = session.logprobs()[0].best;
  double best = -HUGE_VAL;
  std::vector<int32_t> expected;
  for (const TokenScore& score : first) {
    session.rewind(begin);
    session.append_ids(std::span(&score.id, 1));
    session.generate(one);
    const TokenScore second = session.logprobs()[0].best[0];
    if (score.logprob + second.logprob <= best) continue;
    best = score.logprob + second.logprob;
    expected = {score.id, second.id};
  }
  session.rewind(begin);
  session.generate({.max_new_tokens = 2, .sampling = {}, .ignore_end = true, .beams = {.n = n_vocab}});
  EXPECT_EQ(ids_of(session.generated_ids()), expected);
  EXPECT_NEAR(session.beam_score(), best / 2, 1e-4);  // floats, other shapes of products
}

TEST(SessionVision, ComesBackAfterItWasReleased) {
  auto model = tiny_model("hf-nanovlm", "question");
  Session session(model, cpu(), {.n_context = 256});
  Conversation before = say(session, "two dogs", 1);
  session.reset();
  session.release_vision();
  EXPECT_EQ(say(session, "two dogs", 1).ids, before.ids);
}

TEST(SessionErrors, AreSentences) {
  auto model = tiny_model("hf-nanovlm");
  auto executor = all_executors()[0].executor;
  auto message = [&](auto&& action) {
    try {
      action();
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  EXPECT_NE(message([&] {
              Session session(model, executor, {.n_context = 8});
              session.append("a red apple and two dogs play in the green grass near the sea");
            }).find("the context has 8"),
            std::string::npos);
  EXPECT_NE(message([&] { Session(model, executor).generate({}); }).find("append a prompt first"), std::string::npos);
  EXPECT_NE(message([&] { Session(model, executor, {.n_context = 1 << 20}); }).find("was trained for"),
            std::string::npos);
  EXPECT_NE(message([&] { Session(model, executor, {.cache_type = DType::Q8_0}); }).find("use f16"), std::string::npos);
  EXPECT_NE(message([&] { Session(model, executor, {.cache_type = DType::Q4_0}); }).find("f32, f16 or q8_0"),
            std::string::npos);
  auto nanovlms = tiny_model("nanovlms");
  EXPECT_NE(message([&] { Session(nanovlms, executor).append("two dogs"); }).find("exactly one picture"),
            std::string::npos);
}

}  // namespace
}  // namespace galago::testing
