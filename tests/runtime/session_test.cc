// Sessions on tiny random models: chunks, cache and executors must not change what is said.
#include "runtime/session.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/executors.h"
#include "text/train_bpe.h"

namespace galago::testing {
namespace {

std::shared_ptr<const Tokenizer> small_tokenizer() {
  std::vector<std::string> corpus(20, "a red apple and two dogs play in the green grass near the sea");
  return std::make_shared<Tokenizer>(train_bpe(corpus, {.vocab_size = 300}));
}

std::shared_ptr<Checkpoint> tiny_model(const char* family) {
  Json config = find_family(family)->preset("tiny");
  config[std::string(family) == "nanovlms" ? "vocab_size" : "lm_vocab_size"] = 300;
  if (std::string(family) == "hf-nanovlm") config["prompt_format"] = "caption";
  auto checkpoint = std::make_shared<Checkpoint>();
  checkpoint->path = family;
  checkpoint->model = make_model(config, family);
  checkpoint->weights = random_weights(*checkpoint->model, 3);
  // At N(0, 0.02) a tiny model says the same token for ever; larger weights make the texts depend on everything.
  for (auto& [name, weight] : checkpoint->weights)
    if (weight->data.shape().rank() > 1)
      for (float& value : weight->data.f32()) value *= 12;
  checkpoint->tokenizer = small_tokenizer();
  return checkpoint;
}

Image gradient() {
  Image image = make_image(40, 30);
  for (int y = 0; y < 30; ++y)
    for (int x = 0; x < 40; ++x) *image.pixel(x, y) = static_cast<uint8_t>(6 * x + y);
  return image;
}

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

TEST_P(Sessions, HalfPrecisionCacheIsClose) {
  auto model = tiny_model(GetParam());
  auto executor = all_executors()[0].executor;
  auto full = answer(model, executor, {.n_context = 64});
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
  auto nanovlms = tiny_model("nanovlms");
  EXPECT_NE(message([&] { Session(nanovlms, executor).append("two dogs"); }).find("exactly one picture"),
            std::string::npos);
}

}  // namespace
}  // namespace galago::testing
