// Formats and mixes: what each weight gets, what does not fit, and how large the error may be.
#include "quant/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "runtime/checkpoint.h"
#include "tests/support/temporary_folder.h"

namespace galago {
namespace {

std::shared_ptr<Model> tiny(const char* family, const char* size = "tiny") {
  const Family* f = find_family(family);
  return f->make(f->preset(size));
}

const QuantRow* find(const Quantized& q, std::string_view name) {
  for (const QuantRow& row : q.rows)
    if (row.name == name) return &row;
  return nullptr;
}

TEST(QuantRecipe, NamesAndUnknownNames) {
  EXPECT_EQ(find_quant_recipe("q4_0").matrix, DType::Q4_0);
  EXPECT_EQ(find_quant_recipe("bluelm_mobile").vision, DType::Q8_0);
  for (std::string_view name : quant_recipe_names()) EXPECT_NO_THROW(find_quant_recipe(name)) << name;
  for (const char* bad : {"", "i32", "f64", "q9", "bool", "mxfp4", "tq1_0"})
    EXPECT_THROW(find_quant_recipe(bad), Error) << bad;
}

TEST(QuantRecipe, RowsThatBlocksDoNotDivide) {
  EXPECT_EQ(fitting_format(DType::Q4_K, 512), DType::Q4_K);
  EXPECT_EQ(fitting_format(DType::Q4_K, 1152), DType::Q5_0);  // SigLIP-400M: 4.5 blocks of 256
  EXPECT_EQ(fitting_format(DType::Q6_K, 1152), DType::Q8_0);
  EXPECT_EQ(fitting_format(DType::IQ4_XS, 1152), DType::IQ4_NL);
  EXPECT_EQ(fitting_format(DType::Q4_K, 4304), DType::F16);
  EXPECT_EQ(fitting_format(DType::Q8_0, 4304), DType::F16);  // its feed-forward: 134.5 blocks of 32
  EXPECT_EQ(fitting_format(DType::BF16, 7), DType::BF16);
}

// One letter a layer: the format's digit, so that a row of the table in llama.cpp's source can be compared at a glance.
std::string digits(const char* recipe, const char* weight, RecipeContext context) {
  std::string text;
  for (int i = 0; i < context.n_layers; ++i)
    text +=
        info(wanted_format(find_quant_recipe(recipe), fmt::format("text.blocks.{}.{}", i, weight), context)).name[1];
  return text;
}

// Worked out by hand from llama_tensor_get_type_impl of ggml-org/llama.cpp, src/llama-quant.cpp, for 16 layers.
TEST(QuantRecipe, MixesFollowLlamaCpp) {
  const RecipeContext own{.n_layers = 16}, shared{.n_layers = 16, .heads_per_kv_head = 4};
  const RecipeContext weighted{.n_layers = 16, .weighted = true};
  const char *qkv = "attn.qkv.weight", *down = "mlp.down.weight", *out = "attn.proj.weight", *up = "mlp.up.weight";
  EXPECT_EQ(digits("q4_k_m", qkv, own), "6644644644644666");  // first and last eighth, then every third
  EXPECT_EQ(digits("q4_k_m", down, own), digits("q4_k_m", qkv, own));
  EXPECT_EQ(digits("q4_k_m", out, own), "4444444444444444");
  EXPECT_EQ(digits("q5_k_m", "mlp.fc2.weight", own).substr(0, 5), "66556");
  EXPECT_EQ(digits("q4_k_s", qkv, own), "5555444444444444");
  EXPECT_EQ(digits("q4_k_s", down, own), "5544444444444444");
  EXPECT_EQ(digits("q3_k_m", qkv, own), "5544444444444444");
  EXPECT_EQ(digits("q3_k_m", down, own), "5444444444444444");
  EXPECT_EQ(digits("q3_k_m", out, own), "4444444444444444");
  EXPECT_EQ(digits("q3_k_m", up, own), "3333333333333333");
  EXPECT_EQ(digits("q3_k_l", qkv, own), "5555555555555555");
  EXPECT_EQ(digits("q3_k_s", down, own), "3333333333333333");
  EXPECT_EQ(digits("q2_k", qkv, own), "3333333333333333");
  EXPECT_EQ(digits("q2_k", qkv, shared), "4444444444444444");
  EXPECT_EQ(digits("q2_k", up, own), "2222222222222222");
  EXPECT_EQ(digits("q2_k_s", down, own), "4422222222222222");
  EXPECT_EQ(digits("iq4_xs", qkv, shared), "5555555555555555");
  EXPECT_EQ(digits("iq4_xs", down, own).substr(0, 3), "55q");  // iq4_xs
  EXPECT_EQ(digits("iq4_xs", down, weighted).substr(0, 3), "qqq");
}

TEST(QuantRecipe, HeadEmbeddingVisionAndOverrides) {
  QuantRecipe mix = find_quant_recipe("q4_k_m");
  EXPECT_EQ(wanted_format(mix, "text.token_embed.weight", {.n_layers = 8}), DType::Q6_K);  // it is the head too
  EXPECT_EQ(wanted_format(mix, "text.token_embed.weight", {.n_layers = 8, .has_head = true}), DType::Q4_K);
  EXPECT_EQ(wanted_format(mix, "text.head.weight", {.n_layers = 8, .has_head = true}), DType::Q6_K);
  EXPECT_EQ(wanted_format(mix, "vision.blocks.0.mlp.fc2.weight", {.n_layers = 8}), DType::Q8_0);
  EXPECT_EQ(wanted_format(mix, "projector.weight", {.n_layers = 8}), DType::Q8_0);
  mix.overrides = {parse_override("mlp\\.(up|down)=q5_0"), parse_override("blocks\\.0\\.=f16")};
  EXPECT_EQ(wanted_format(mix, "text.blocks.1.mlp.up.weight", {.n_layers = 8}), DType::Q5_0);
  EXPECT_EQ(wanted_format(mix, "text.blocks.0.mlp.up.weight", {.n_layers = 8}), DType::F16);
  for (const char* bad : {"q4_0", "=q4_0", "a=", "a=q9", "(=q4_0"}) EXPECT_THROW(parse_override(bad), Error) << bad;
}

TEST(QuantRecipe, FileTypes) {
  struct Row {
    const char* name;
    uint32_t number;
  };
  for (const Row& row : {Row{"f32", 0}, Row{"f16", 1}, Row{"q4_0", 2}, Row{"q8_0", 7}, Row{"q5_1", 9}, Row{"q2_k", 10},
                         Row{"q3_k_l", 13}, Row{"q4_k_m", 15}, Row{"q5_k_m", 17}, Row{"q6_k", 18}, Row{"q2_k_s", 21},
                         Row{"iq4_nl", 25}, Row{"iq4_xs", 30}, Row{"bf16", 32}})
    EXPECT_EQ(file_type_of(find_quant_recipe(row.name)), row.number) << row.name;
}

TEST(QuantRecipe, ContextOfAModel) {
  auto model = tiny("hf-nanovlm", "scenes");
  RecipeContext context = recipe_context(*model, true);
  EXPECT_EQ(context.n_layers, model->cache().n_layers);
  EXPECT_TRUE(context.weighted);
}

TEST(Quantize, OnlyMatricesChangeAndVisionGoesItsOwnWay) {
  auto model = tiny("nanovlms");
  Weights weights = random_weights(*model, 1);
  QuantRecipe recipe{.matrix = DType::Q8_0, .vision = DType::F16};
  Quantized q = quantize(model, weights, recipe);
  EXPECT_EQ(q.weights.size(), weights.size());
  EXPECT_EQ(q.weights["vision.norm.weight"], weights["vision.norm.weight"]);
  EXPECT_EQ(q.weights["vision.blocks.0.mlp.fc1.weight"]->data.dtype(), DType::F16);
  const QuantRow* narrow = find(q, "text.blocks.0.mlp.fc1.weight");  // rows of 24
  ASSERT_NE(narrow, nullptr);
  EXPECT_EQ(narrow->wanted, DType::Q8_0);
  EXPECT_EQ(narrow->type, DType::F16);
  EXPECT_EQ(find(q, "text.norm.weight"), nullptr);
}

// Normal numbers, error relative to their size. The bounds are twice what a uniform step gives: a block of 32 normal
// numbers spans about +-2.1 sigma, so a step of 8 bits is 0.016 sigma wide (error 0.005), of 4 bits 0.27 (error 0.08).
TEST(Quantize, ErrorsAreAsSmallAsTheFormatAllows) {
  auto model = tiny("hf-nanovlm", "scenes");
  Weights weights = random_weights(*model, 2);
  ThreadPool pool(2);
  struct Row {
    const char* format;
    double low, high;
  };
  for (const Row& row : {Row{"f32", 0, 0},
                         {"f16", 1e-5, 5e-4},
                         {"bf16", 1e-4, 4e-3},
                         {"q8_0", 1e-3, 1e-2},
                         {"q4_0", 2e-2, 0.16},
                         {"q4_k", 2e-2, 0.16}}) {
    Quantized q = quantize(model, weights, find_quant_recipe(row.format), &pool);
    const QuantRow* matrix = find(q, "text.blocks.0.attn.qkv.weight");
    ASSERT_NE(matrix, nullptr);
    EXPECT_EQ(info(matrix->type).name, row.format);
    EXPECT_GE(matrix->error, row.low) << row.format;
    EXPECT_LE(matrix->error, row.high) << row.format;
  }
}

TEST(Quantize, ThreadsDoNotChangeTheBytes) {
  Tensor x = Tensor::make(DType::F32, {37, 256});
  for (int64_t i = 0; i < x.elements(); ++i) x.f32()[static_cast<size_t>(i)] = std::sin(static_cast<float>(i));
  ThreadPool pool(3);
  QuantRow row{.name = "w", .shape = x.shape(), .type = DType::Q4_K};
  Tensor a = quantize_one(x, row), b = quantize_one(x, row, nullptr, &pool);
  ASSERT_EQ(a.n_bytes(), b.n_bytes());
  EXPECT_EQ(std::memcmp(a.bytes(), b.bytes(), a.n_bytes()), 0);
  EXPECT_EQ(quantize_one(a, row).bytes(), a.bytes());  // nothing to do
}

TEST(Quantize, KeepsHalfPrecisionSourcesInPlaceOfFloats) {
  Tensor x = Tensor::make(DType::F32, {3, 64});
  for (int64_t i = 0; i < x.elements(); ++i) x.f32()[static_cast<size_t>(i)] = 0.25f * static_cast<float>(i % 9 - 4);
  QuantRow row{.name = "w", .shape = x.shape(), .type = DType::Q8_0};
  Tensor from_f32 = quantize_one(x, row), from_f16 = quantize_one(encode(x, DType::F16), row);
  EXPECT_EQ(std::memcmp(from_f32.bytes(), from_f16.bytes(), from_f32.n_bytes()), 0);
}

TEST(Quantize, RefusesWhatIsNotANumber) {
  auto model = tiny("nanovlms");
  Weights weights = random_weights(*model, 1);
  Tensor broken = Tensor::make(DType::F32, weights["projector.fc1.weight"]->data.shape());
  broken.f32()[5] = INFINITY;
  weights["projector.fc1.weight"] = std::make_shared<Weight>(Weight{"projector.fc1.weight", broken});
  try {
    quantize(model, weights, {});
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("projector.fc1.weight"), std::string::npos);
  }
}

// Weights that count the bytes of them that are alive.
struct LiveBytes {
  size_t now = 0, most = 0;
  Tensor track(Tensor data) {
    now += data.n_bytes();
    most = std::max(most, now);
    auto owner = std::shared_ptr<const void>(data.bytes(), [this, data](const void*) { now -= data.n_bytes(); });
    return Tensor::view(data.dtype(), data.shape(), data.bytes(), owner);
  }
};

TEST(Quantize, WritingHoldsOneWeightAtATime) {
  auto model = tiny("hf-nanovlm", "scenes");
  Weights weights = random_weights(*model, 1);
  std::vector<QuantRow> rows = plan_quantization(*model, weights, find_quant_recipe("q4_0"));
  LiveBytes live;
  PendingWeights pending;
  size_t largest = 0, total = 0;
  for (QuantRow& row : rows) {
    largest = std::max(largest, row.n_bytes);
    total += row.n_bytes;
    pending[row.name] = {row.type, row.shape, [&] { return live.track(quantize_one(weights[row.name]->data, row)); }};
  }
  testing::TemporaryFolder folder;
  write_gguf(folder.file("one_weight.gguf"), *model, pending, 2, nullptr);
  EXPECT_EQ(live.now, 0u);
  EXPECT_EQ(live.most, largest);
  EXPECT_GT(total, 4 * largest);  // or the test would say little
}

}  // namespace
}  // namespace galago
