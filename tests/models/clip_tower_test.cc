// CLIP's vision tower against transformers: weights, pictures and hidden states of tests/golden/clip_tower.safetensors,
// made by tools/parity/clip_tower.py (CLIPVisionModel, torch 2.15, transformers 5.23), read through vision_rows.
#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/weight_source.h"
#include "models/vision.h"
#include "runtime/graphs.h"
#include "tests/models/golden_model.h"
#include "tests/support/executors.h"

namespace galago::testing {
namespace {

// Only a tower, as much of a Model as it takes to load and run one.
class ClipTower final : public Model {
 public:
  ClipTower() {
    c_ = {.image_size = 28, .patch_size = 7, .d_model = 32, .d_ffn = 48, .n_heads = 4, .n_blocks = 2, .eps = 1e-5f};
    c_.class_token = c_.drop_class_token = c_.pre_norm = true;
    c_.final_norm = false;
    c_.activation = UnaryKind::QuickGelu;
  }
  std::string_view family() const override { return "clip-tower"; }
  const Json& config() const override { return json_; }
  std::vector<WeightSpec> weights(Dialect) const override {
    SpecList rows;
    vision_rows(rows, c_, kClipNames, "vision_model.");
    return rows.take();
  }
  PictureSpec pictures() const override { return {}; }
  CacheSpec cache() const override { return {}; }
  int n_vocab() const override { return 0; }
  int d_model() const override { return c_.d_model; }
  Value encode_image(const Scope& s, Value pixels) const override { return vit(s / "vision", pixels, c_); }
  Value embed(const Scope&, Value) const override { throw unsupported("a tower has no words"); }
  Value decode(const Scope&, Value, const PositionInfo&, std::span<const LayerCache>) const override {
    throw unsupported("a tower has no words");
  }
  Value logits(const Scope&, Value) const override { throw unsupported("a tower has no words"); }
  std::vector<PromptPiece> prompt(const Tokenizer&, const UserTurn&) const override { return {}; }

 private:
  Json json_;
  VitConfig c_;
};

TEST(ClipTower, EqualsTransformers) {
  auto file = open_weights(GALAGO_SOURCE_DIR "/tests/golden/clip_tower.safetensors");
  ClipTower tower;
  Weights weights = load_weights(tower, *file, WeightNames::Reference);
  Tensor pixels = file->get("pixels"), want = file->get("hidden");
  double largest = 0;
  for (float value : want.f32()) largest = std::max(largest, std::abs(static_cast<double>(value)));
  for (auto& [name, executor] : all_executors()) {
    auto program = executor->compile(encode_graph(tower, weights, pixels.shape()));
    std::copy(pixels.f32().begin(), pixels.f32().end(), program->input("pixels").f32().begin());
    program->run();
    std::span<float> got = program->output("embeddings").f32();
    ASSERT_EQ(got.size(), want.f32().size()) << name;
    // Two blocks in float32 on both sides: differences are roundings, a few 1e-6 of the largest value.
    for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want.f32()[i], 2e-5 * largest) << name << " " << i;
  }
}

}  // namespace
}  // namespace galago::testing
