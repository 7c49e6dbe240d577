// Learning itself: the gradient of the whole model is the slope of its loss, and 64 pairs can be learnt by heart.
#include <cmath>

#include "base/rng.h"
#include "runtime/checkpoint.h"
#include "runtime/graphs.h"
#include "tests/train/small_run.h"
#include "text/train_bpe.h"
#include "torch/trainer_program.h"
#include "train/captions.h"
#include "train/recipe.h"

namespace galago {
namespace {

using torch_backend::make_trainer;
using Inputs = std::map<std::string, Tensor>;

// Random pictures and texts; the last target of each row does not count.
Inputs random_inputs(const Model& model, int64_t batch, int64_t n_text) {
  Rng rng(8);
  int64_t side = model.pictures().slice.tile, n = model.pictures().tokens_per_tile + n_text;
  Tensor pixels = Tensor::make(DType::F32, {batch, 3, side, side});
  for (float& v : pixels.f32()) v = static_cast<float>(rng.normal());
  Tensor ids = Tensor::make(DType::I32, {batch, n_text}), targets = Tensor::make(DType::I32, {batch, n_text});
  for (int32_t& id : ids.i32()) id = static_cast<int32_t>(rng.below(model.n_vocab()));
  for (int32_t& id : targets.i32()) id = static_cast<int32_t>(rng.below(model.n_vocab()));
  for (int64_t row = 0; row < batch; ++row) targets.i32()[(row + 1) * n_text - 1] = -100;
  Tensor positions = Tensor::make(DType::I32, {n});
  for (int64_t i = 0; i < n; ++i) positions.i32()[i] = static_cast<int32_t>(i);
  return {{"pixels", pixels}, {"ids", ids}, {"targets", targets}, {"positions", positions}};
}

// Weights large enough that every part of the model matters: with the std of 0.02 for training, slopes drown in
// rounding.
Weights lively_weights(const Model& model) {
  Rng rng(4);
  Weights weights;
  for (const WeightSpec& spec : model.weights()) {
    Tensor t = Tensor::make(DType::F32, spec.shape);
    float fan = static_cast<float>(spec.shape.elements() / spec.shape[0]);
    float scale = spec.shape.rank() > 1 ? std::max(1 / std::sqrt(fan), 0.1f) : 0.1f;
    for (float& v : t.f32()) v = spec.init_value + scale * static_cast<float>(rng.normal());
    weights[spec.name] = std::make_shared<Weight>(Weight{spec.name, t});
  }
  return weights;
}

// For each parameter: the slope along its gradient is the gradient's length, and along a random direction it is the
// product with the gradient. Central differences of fourth order in float: rounding costs about 1e-6 / step; kinks of a
// ReLU within the step cost some per cent of the slope.
void check_gradients(const Model& model, double step = 0.01, double relative = 0.01) {
  auto trainer = make_trainer({.n_threads = 1});
  Weights weights = lively_weights(model);
  auto graph = loss_graph(model, weights, 2, 1, 5);
  Inputs inputs = random_inputs(model, 2, 5);
  trainer->forward_backward(*graph, inputs, 1);
  Rng rng(2);
  for (const std::string& name : trainer->parameter_names()) {
    Tensor start = trainer->parameter(name), gradient = trainer->gradient(name);
    double length = 0;
    for (float v : gradient.f32()) length += static_cast<double>(v) * v;
    length = std::sqrt(length);
    ASSERT_GT(length, 0) << name;
    for (bool along_gradient : {true, false}) {
      std::vector<double> direction;
      for (float v : gradient.f32()) direction.push_back(along_gradient ? v / length : rng.normal());
      double norm = 0, expected = 0;
      for (double v : direction) norm += v * v;
      norm = std::sqrt(norm);
      for (size_t i = 0; i < direction.size(); ++i) expected += (direction[i] /= norm) * gradient.f32()[i];
      auto loss_at = [&](double distance) {
        Tensor moved = Tensor::make(DType::F32, start.shape());
        for (size_t i = 0; i < direction.size(); ++i)
          moved.f32()[i] = static_cast<float>(start.f32()[i] + distance * direction[i]);
        trainer->set_parameter(name, moved);
        return static_cast<double>(trainer->evaluate(*graph, inputs).at("loss").f32()[0]);
      };
      double slope = (8 * (loss_at(step) - loss_at(-step)) - (loss_at(2 * step) - loss_at(-2 * step))) / (12 * step);
      EXPECT_NEAR(slope, expected, 1.5e-6 / step + relative * std::abs(expected))
          << name << (along_gradient ? "" : ", random");
    }
    trainer->set_parameter(name, start);
  }
}

TEST(Gradient, NanoVlmsTiny) { check_gradients(*make_model(find_family("nanovlms")->preset("tiny"), "tiny")); }
TEST(Gradient, HfNanoVlmTiny) { check_gradients(*make_model(find_family("hf-nanovlm")->preset("tiny"), "tiny")); }
TEST(Gradient, ConvolutionStem) {
  Json config = find_family("nanovlms")->preset("tiny");
  config["patch_embed"] = "two_conv_patch";
  check_gradients(*make_model(config, "tiny"), 0.004, 0.03);
}

// nanovlm.md A10: mini learns 64 pairs by heart. Widths and depths of mini; pictures of 64 instead of 224 pixels
// and 512 tokens, as 64 texts give no more.
TEST(SlowOverfit, MiniLearns64PairsByHeart) {
  SKIP_WITHOUT_FONT();
  Json config = find_family("nanovlms")->preset("mini");
  config["image_size"] = 64;
  config["vocab_size"] = 512;
  config["dropout"] = 0.0;
  std::shared_ptr<const Model> model = make_model(config, "mini");
  std::shared_ptr<const CaptionSource> source = make_caption_source({.seed = 11, .train_size = 64}, 64);
  std::vector<std::string> texts;
  for (int64_t i = 0; i < 64; ++i) texts.push_back(source->text(Split::Train, i, "short"));
  auto tokenizer = std::make_shared<Tokenizer>(train_bpe(texts, {.vocab_size = 512}));
  CaptionBatch batch = CaptionBatches(source, model, tokenizer, 64).get(Split::Train, 0, "short");
  Weights weights = random_weights(*model, 1);
  auto graph = loss_graph(*model, weights, 64, 1, batch.n_text);
  auto trainer = make_trainer({.bf16 = multiplies_bf16("cpu"), .n_threads = 1});
  float first = trainer->evaluate(*graph, batch.inputs).at("loss").f32()[0], loss = first;
  EXPECT_NEAR(first, std::log(512), 0.5);  // it begins by knowing nothing
  int step = 0;
  for (; step < 400 && loss >= 0.1f; ++step) {
    loss = trainer->forward_backward(*graph, batch.inputs, 1);
    trainer->step(step < 20 ? 3e-3f * static_cast<float>(step + 1) / 20 : 3e-3f);
  }
  EXPECT_LT(loss, 0.1f) << "after " << step << " steps";
  RecordProperty("steps", step);
}

}  // namespace
}  // namespace galago
