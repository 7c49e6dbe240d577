// Which places of a prompt stay. The golden scores of the published code are in tests/models/internvl_test.cc.
#include "runtime/token_pruning.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "base/rng.h"
#include "runtime/checkpoint.h"
#include "runtime/session.h"
#include "tests/runtime/small_model.h"
#include "tests/support/executors.h"

namespace galago::testing {
namespace {

using Places = std::vector<int32_t>;

TEST(TokenPruning, KeepsTheBestAndEverythingElse) {
  const std::vector<float> scores = {0.1f, 0.4f, 0.2f, 0.3f};
  EXPECT_EQ(kept_places(8, 2, {4, 2, false}, scores), (Places{0, 1, 3, 5, 6, 7}));
  EXPECT_EQ(kept_places(8, 2, {4, 2, true}, scores), (Places{0, 1, 3, 5, 7})) << "the place behind the candidates too";
  EXPECT_EQ(kept_places(8, 2, {4, 0, false}, scores), (Places{0, 1, 6, 7}));
  EXPECT_EQ(kept_places(8, 2, {4, 4, false}, scores), (Places{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(TokenPruning, OfEqualScoresTheEarlierStay) {
  const std::vector<float> scores = {0.5f, 0.2f, 0.2f, 0.2f, 0.1f};
  EXPECT_EQ(kept_places(5, 0, {5, 3, false}, scores), (Places{0, 1, 2}));
}

std::vector<float> random_rows(int64_t n, uint64_t seed) {
  std::vector<float> rows(static_cast<size_t>(n));
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i] = static_cast<float>(splitmix64(seed + i * 0x9E3779B97F4A7C15ull) >> 40) * 0x1.0p-23f - 1;
  return rows;
}

struct TinyMonkey {
  std::unique_ptr<Model> model;
  Weights weights;
};

TinyMonkey tiny_monkey() {
  TinyMonkey tiny{make_model(find_family("internvl")->preset("tiny-minimonkey"), "t"), {}};
  tiny.weights = random_weights(*tiny.model, 7);
  for (auto& [name, weight] : tiny.weights)  // at N(0, 0.02) all attention is even
    if (weight->data.shape().rank() > 1)
      for (float& value : weight->data.f32()) value *= 10;
  return tiny;
}

// What received_attention says, through the attention op: values that are 1 at one key show its probabilities. 150
// queries are more than two blocks of them.
TEST(TokenPruning, ReceivedAttentionIsTheMeanOfTheProbabilities) {
  constexpr int64_t kLength = 190, kFirst = 5, kKeys = 35, kBehind = kLength - kFirst - kKeys;
  TinyMonkey tiny = tiny_monkey();
  AttentionConfig c{.n_heads = 4, .n_kv_heads = 2, .d_head = 16, .causal = true, .rotary = true};
  c.rope = {.base = 1e6f, .n_rot = 16, .layout = RopeLayout::Halves, .scale = 1};
  auto graph = std::make_shared<Graph>();
  Graph& g = *graph;
  Scope s = Scope(g, tiny.weights) / "text" / "blocks" / 0 / "attn";
  Value x = g.input("x", DType::F32, {1, kLength, 64});
  PositionInfo at{.positions = g.input("positions", DType::I32, {kLength})};
  g.output(received_attention(s, x, c, at, kFirst, kKeys), "got");
  Value q = rope(g, reshape(g, linear(s / "q", x), {1, kLength, 4, 16}), at.positions, c.rope);
  Value k = rope(g, reshape(g, linear(s / "k", x), {1, kLength, 2, 16}), at.positions, c.rope);
  Tensor one = Tensor::make(DType::F32, {1, kLength, 2, kKeys});
  for (int64_t key = 0; key < kKeys; ++key)
    for (int64_t head = 0; head < 2; ++head) one.f32()[((kFirst + key) * 2 + head) * kKeys + key] = 1;
  Value p = attention(g, q, k, s.constant("one", one), {.scale = 0.25f, .causal = true});  // [1, T, 4, keys]
  p = slice(g, p, 1, kFirst + kKeys, kLength);
  g.output(mean(g, reshape(g, p, {kBehind * 4, kKeys}), 0), "want");
  std::vector<float> values = random_rows(kLength * 64, 1);
  for (auto& [name, executor] : all_executors()) {
    auto program = executor->compile(graph);
    std::copy(values.begin(), values.end(), program->input("x").f32().begin());
    for (int i = 0; i < kLength; ++i) program->input("positions").i32()[i] = i;
    program->run();
    double total = 0;
    for (int64_t i = 0; i < kKeys; ++i) {
      // Means of 600 probabilities of about 1/100, in two orders of addition; measured 1.5e-8.
      EXPECT_NEAR(program->output("got").f32()[i], program->output("want").f32()[i], 5e-8) << name << " key " << i;
      total += program->output("got").f32()[i];
    }
    EXPECT_GT(total, 0.05) << name;
  }
}

class PrunedPrompt : public ::testing::Test {
 protected:
  // A picture of one tile is cut into 4 detailed, 6 adaptive tiles and the global one, 4 rows each.
  PrunedPrompt() {
    plan = find_slicing_policy("minimonkey").plan(56, 56, tiny.model->pictures().slice);
    prompt.ids = {3, 4};
    prompt.ids.resize(2 + 44, -1);
    prompt.ids.insert(prompt.ids.end(), {5, 6, 7});
    prompt.rows.resize(prompt.ids.size(), nullptr);
    for (int i = 0; i < 44; ++i) prompt.rows[2 + i] = rows.data() + 64 * i;
  }
  PromptRows pruned() { return pruned_prompt(*tiny.model, tiny.weights, *executor, prompt, plan); }

  TinyMonkey tiny = tiny_monkey();
  std::shared_ptr<Executor> executor = all_executors().front().executor;
  std::vector<float> rows = random_rows(44 * 64, 2);
  PromptRows prompt;
  SlicePlan plan;
};

TEST_F(PrunedPrompt, LosesHalfOfTheDetailedRows) {
  PromptRows kept = pruned();
  ASSERT_EQ(kept.ids.size(), prompt.ids.size() - 8);
  EXPECT_EQ(Places(kept.ids.begin(), kept.ids.begin() + 2), (Places{3, 4}));
  EXPECT_EQ(Places(kept.ids.end() - 3, kept.ids.end()), (Places{5, 6, 7}));
  EXPECT_TRUE(std::is_sorted(kept.rows.begin() + 2, kept.rows.end() - 3)) << "the order of rows stays";
  EXPECT_TRUE(std::equal(kept.rows.begin() + 10, kept.rows.end(), prompt.rows.begin() + 18)) << "the others all stay";
}

TEST_F(PrunedPrompt, DependsOnTheQuestion) {
  PromptRows first = pruned();
  std::set<std::vector<const float*>> answers;
  for (int32_t id = 10; id < 40; ++id) {
    prompt.ids.back() = id;
    answers.insert(pruned().rows);
  }
  EXPECT_GT(answers.size(), 1u);
}

TEST_F(PrunedPrompt, OfAModelThatPrunesNothingIsThePrompt) {
  tiny.model = make_model(find_family("internvl")->preset("tiny"), "t");
  EXPECT_EQ(pruned().ids, prompt.ids);
}

TEST_F(PrunedPrompt, NeedsRowsAndSomethingBehindThem) {
  prompt.ids.resize(2 + 16);
  prompt.rows.resize(2 + 16);
  EXPECT_THROW(pruned(), Error) << "no query";
  prompt.ids = {1, 2, 3};
  prompt.rows.assign(3, nullptr);
  EXPECT_THROW(pruned(), Error) << "no picture";
}

// The session leaves the rows out on the first turn, and goes on as with any prompt.
TEST(TokenPruning, SessionsLeaveRowsOut) {
  TinyMonkey tiny = tiny_monkey();
  auto checkpoint = std::make_shared<Checkpoint>();
  checkpoint->path = "tiny";
  checkpoint->weights = tiny.weights;
  checkpoint->tokenizer = small_tokenizer();
  auto places = [&](const char* preset) {
    checkpoint->model = make_model(find_family("internvl")->preset(preset), "t");
    Session session(checkpoint, all_executors().front().executor, {.n_context = 512});
    session.attach_image(make_image(56, 56));
    session.append("two dogs");
    EXPECT_EQ(session.timings().n_picture_tokens, std::string(preset) == "tiny" ? 4 : 44 - 8) << preset;
    int n = session.n_past() - session.timings().n_picture_tokens;
    session.generate({.max_new_tokens = 2, .ignore_end = true});
    session.attach_image(make_image(56, 56));
    session.append("and now?");
    EXPECT_EQ(session.timings().n_picture_tokens, std::string(preset) == "tiny" ? 8 : 44 - 8 + 44) << preset;
    return n;
  };
  EXPECT_EQ(places("tiny"), places("tiny-minimonkey")) << "the words of the first turn all stay";
}

}  // namespace
}  // namespace galago::testing
