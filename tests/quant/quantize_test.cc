// Formats and mixes: what each weight gets, what does not fit, and how large the error may be.
#include "quant/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "runtime/checkpoint.h"

namespace galago {
namespace {

std::unique_ptr<Model> tiny(const char* family, const char* size = "tiny") {
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
  for (const char* bad : {"", "i32", "q9", "bool"}) EXPECT_THROW(find_quant_recipe(bad), Error) << bad;
}

TEST(QuantRecipe, RowsThatBlocksDoNotDivide) {
  EXPECT_EQ(fitting_format(DType::Q4_K, 512), DType::Q4_K);
  EXPECT_EQ(fitting_format(DType::Q4_K, 1152), DType::Q8_0);  // SigLIP-400M: 4.5 blocks of 256
  EXPECT_EQ(fitting_format(DType::Q8_0, 4304), DType::F16);   // its feed-forward: 134.5 blocks of 32
  EXPECT_EQ(fitting_format(DType::BF16, 7), DType::BF16);
}

// n = 8 layers: the first and the last, and every third from the third on, as llama.cpp's use_more_bits(i, 8) gives.
TEST(QuantRecipe, MixGivesMoreBitsToSomeLayers) {
  QuantRecipe mix = find_quant_recipe("q4_k_m");
  std::string more;
  for (int i = 0; i < 8; ++i)
    more += wanted_format(mix, fmt::format("text.blocks.{}.mlp.down.weight", i), 8) == DType::Q6_K ? '1' : '0';
  EXPECT_EQ(more, "10010011");
  EXPECT_EQ(wanted_format(mix, "text.blocks.0.mlp.up.weight", 8), DType::Q4_K);
  EXPECT_EQ(wanted_format(mix, "text.token_embed.weight", 8), DType::Q6_K);
  EXPECT_EQ(wanted_format(mix, "vision.blocks.0.mlp.fc2.weight", 8), DType::Q8_0);
  EXPECT_EQ(wanted_format(mix, "projector.weight", 8), DType::Q8_0);
}

TEST(Quantize, OnlyMatricesChangeAndVisionGoesItsOwnWay) {
  auto model = tiny("nanovlms");
  Weights weights = random_weights(*model, 1);
  QuantRecipe recipe{.matrix = DType::Q8_0, .vision = DType::F16};
  Quantized q = quantize(*model, weights, recipe);
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
    Quantized q = quantize(*model, weights, find_quant_recipe(row.format), &pool);
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
  Tensor a = encode_rows(x, DType::Q4_K), b = encode_rows(x, DType::Q4_K, &pool);
  ASSERT_EQ(a.n_bytes(), b.n_bytes());
  EXPECT_EQ(std::memcmp(a.bytes(), b.bytes(), a.n_bytes()), 0);
}

TEST(Quantize, RefusesWhatIsNotANumber) {
  auto model = tiny("nanovlms");
  Weights weights = random_weights(*model, 1);
  Tensor broken = Tensor::make(DType::F32, weights["projector.fc1.weight"]->data.shape());
  broken.f32()[5] = INFINITY;
  weights["projector.fc1.weight"] = std::make_shared<Weight>(Weight{"projector.fc1.weight", broken});
  try {
    quantize(*model, weights, {});
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("projector.fc1.weight"), std::string::npos);
  }
}

}  // namespace
}  // namespace galago
