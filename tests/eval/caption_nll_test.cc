// The likelihoods against whole sequences run through runtime/graphs.h, which training and parity tests use.
#include "eval/caption_nll.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "runtime/graphs.h"
#include "tests/eval/tiny_model.h"

namespace galago::testing {
namespace {

// -ln p of every token of `text` and the end token, one picture, no padding.
std::vector<double> reference_nll(const Checkpoint& c, Executor& executor, const Image& image,
                                  const std::string& text) {
  std::vector<int32_t> ids = c.tokenizer->encode(text);
  ids.insert(ids.begin(), *c.tokenizer->special_ids().bos);
  auto program = executor.compile(sequence_graph(*c.model, c.weights, 1, 1, std::ssize(ids)));
  PreparedPicture picture = prepare_picture(image, c.model->pictures());
  std::span<const float> pixels = picture.views[0].f32();
  std::copy(pixels.begin(), pixels.end(), program->input("pixels").f32().begin());
  std::copy(ids.begin(), ids.end(), program->input("ids").i32().begin());
  std::span<int32_t> positions = program->input("positions").i32();
  std::iota(positions.begin(), positions.end(), 0);
  program->run();
  Tensor logits = program->output("logits");  // [1, 1 + T, V]
  std::vector<double> nll;
  size_t n_vocab = static_cast<size_t>(c.model->n_vocab());
  for (size_t i = 0; i < ids.size(); ++i) {
    int32_t target = i + 1 < ids.size() ? ids[i + 1] : *c.tokenizer->special_ids().eos;
    nll.push_back(token_nll(logits.f32().subspan((i + 1) * n_vocab, n_vocab), target));
  }
  return nll;
}

double sum(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

TEST(CaptionNll, OneTokenByHand) {
  const std::vector<float> logits = {0.0f, std::log(3.0f)};
  EXPECT_NEAR(token_nll(logits, 0), std::log(4.0), 1e-6);
  EXPECT_NEAR(token_nll(logits, 1), std::log(4.0 / 3), 1e-6);
}

TEST(CaptionNll, EqualsWholeSequences) {
  auto c = tiny_checkpoint();
  auto executor = tiny_executor();
  CaptionNll nll(c, executor);
  Image red = plain_picture({200, 20, 20}), blue = plain_picture({0, 0, 255});
  const std::string text = "two red apples, a dog, on the grass.";
  auto want_red = reference_nll(*c, *executor, red, text), want_blue = reference_nll(*c, *executor, blue, text);
  NllSums got = nll.score(nll.encode(red), nll.encode(blue), "", text);
  EXPECT_EQ(got.tokens, std::ssize(want_red));
  EXPECT_NEAR(got.right, sum(want_red), 1e-4);  // float sums over a few dozen tokens
  EXPECT_NEAR(got.shuffled, sum(want_blue), 1e-4);
  EXPECT_GT(std::abs(got.right - got.blank), 1e-5);

  // Behind a beginning, the same tokens without those of the beginning.
  size_t skip = c->tokenizer->encode("two red").size();
  NllSums rest = nll.score(nll.encode(red), nll.encode(blue), "two red", " apples, a dog, on the grass.");
  EXPECT_NEAR(rest.right, sum({want_red.begin() + static_cast<ptrdiff_t>(skip), want_red.end()}), 1e-4);
}

TEST(CaptionNll, BlankIsZeroEmbeddings) {
  auto c = tiny_checkpoint();
  CaptionNll nll(c, tiny_executor());
  EncodedPicture zero = nll.encode(plain_picture({9, 9, 9}));
  EncodedPicture picture = nll.encode(plain_picture({255, 255, 0}));
  std::ranges::fill(zero.rows.f32(), 0.0f);
  NllSums got = nll.score(zero, picture, "", "a dog");
  EXPECT_DOUBLE_EQ(got.right, got.blank);
  EXPECT_NE(got.shuffled, got.blank);
}

TEST(CaptionNll, TextTooLongForTheModelIsASentence) {
  auto c = tiny_checkpoint();
  CaptionNll nll(c, tiny_executor());
  EncodedPicture picture = nll.encode(plain_picture({1, 2, 3}));
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "z ";
  EXPECT_THROW(nll.score(picture, picture, "", text), Error);
}

TEST(CaptionNll, DerangementsHaveNoFixedPoint) {
  for (int64_t n : {2, 3, 10, 257})
    for (uint64_t seed = 0; seed < 20; ++seed) {
      auto order = derangement(n, seed);
      for (int64_t i = 0; i < n; ++i) EXPECT_NE(order[static_cast<size_t>(i)], i);
      std::ranges::sort(order);
      for (int64_t i = 0; i < n; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
    }
}

}  // namespace
}  // namespace galago::testing
