#include "formats/lora.h"

#include <gtest/gtest.h>

#include <cmath>

#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "formats/merged_source.h"
#include "formats/torch_writer.h"
#include "tests/formats/bytes.h"
#include "tests/support/temporary_folder.h"

namespace galago {
namespace {

using testing::expect_error;
using testing::TemporaryFolder;

Tensor matrix(int64_t rows, int64_t cols, std::vector<float> values) { return Tensor::from({rows, cols}, values); }

std::vector<float> floats(const Tensor& tensor) {
  Tensor f32 = to_f32(tensor);
  return {f32.f32().begin(), f32.f32().end()};
}

// W [2, 3] = 0..5, A [1, 3] = 1 2 3, B [2, 1] = 10 20: B A = 10 20 30 / 20 40 60.
const Tensor kW = matrix(2, 3, {0, 1, 2, 3, 4, 5}), kA = matrix(1, 3, {1, 2, 3}), kB = matrix(2, 1, {10, 20});
const std::vector<float> kMergedTwice{20, 41, 62, 43, 84, 125};  // W + 2 B A

// A base model and a PEFT folder beside it.
struct Peft {
  TemporaryFolder folder;
  std::string base = folder.file("base.safetensors"), adapter = folder.file("adapter");
  Peft() { std::filesystem::create_directory(adapter); }
  std::shared_ptr<const WeightSource> write_base(std::vector<NamedTensor> tensors = {{"m.q.weight", kW}}) const {
    write_safetensors(base, std::move(tensors));
    return open_weights(base);
  }
  void write_config(std::string_view fields) const {
    write_file(adapter + "/adapter_config.json", fmt::format(R"({{"peft_type":"LORA",{}}})", fields));
  }
  LoraAdapter read(std::string_view config, std::vector<NamedTensor> tensors) const {
    write_config(config);
    write_safetensors(adapter + "/adapter_model.safetensors", std::move(tensors));
    return open_lora(adapter);
  }
};

std::vector<NamedTensor> q_pair(const std::string& prefix = "base_model.model.", const std::string& adapter = "") {
  return {{prefix + "m.q.lora_A" + adapter + ".weight", kA}, {prefix + "m.q.lora_B" + adapter + ".weight", kB}};
}

TEST(Lora, PeftFolder) {
  Peft files;
  LoraAdapter adapter = files.read(R"("r":1,"lora_alpha":2)", q_pair());
  ASSERT_EQ(adapter.pairs.size(), 1u);
  EXPECT_EQ(adapter.pairs[0].target, "m.q.weight");
  EXPECT_EQ(adapter.pairs[0].scale, 2);
  LoraSource model(files.write_base(), adapter);
  EXPECT_EQ(floats(model.get("m.q.weight")), kMergedTwice);
  EXPECT_EQ(floats(LoraSource(open_weights(files.base), adapter, 0.5f).get("m.q.weight")),
            (std::vector<float>{10, 21, 32, 23, 44, 65}));
  expect_error([&] { model.get("x"); }, "base.safetensors: no tensor x");
}

TEST(Lora, BinFolder) {
  Peft files;
  files.write_config(R"("r":1,"lora_alpha":2)");
  TorchWriter writer;
  for (const NamedTensor& item : q_pair()) writer.add(item.name, item.tensor);
  writer.save(files.adapter + "/adapter_model.bin");
  EXPECT_EQ(floats(LoraSource(files.write_base(), open_lora(files.adapter)).get("m.q.weight")), kMergedTwice);
}

TEST(Lora, ScaleFollowsTheConfig) {
  Peft files;
  std::vector<NamedTensor> rank4{{"m.q.lora_A.weight", Tensor::make(DType::F32, {4, 3})},
                                 {"m.q.lora_B.weight", Tensor::make(DType::F32, {2, 4})}};
  auto scale = [&](std::string_view config) { return files.read(config, rank4).pairs[0].scale; };
  EXPECT_EQ(scale(R"("r":4,"lora_alpha":8)"), 2);
  EXPECT_EQ(scale(R"("r":4,"lora_alpha":8,"use_rslora":true)"), 4);
  EXPECT_EQ(scale(R"("r":4,"lora_alpha":8,"alpha_pattern":{"q":16})"), 4);
  EXPECT_EQ(scale(R"("r":4,"lora_alpha":8,"alpha_pattern":{"m.q":16})"), 4);
  EXPECT_EQ(scale(R"("r":4,"lora_alpha":8,"alpha_pattern":{".q":16,"xq":16})"), 2);
  EXPECT_EQ(scale(R"("r":2,"lora_alpha":8,"rank_pattern":{"q":4})"), 2);
  expect_error([&] { scale(R"("r":2,"lora_alpha":8)"); }, "has rank 4; adapter_config.json says 2");
}

TEST(Lora, TransposedLayersAndEmbeddings) {
  Peft files;
  Tensor wt = transposed_f32(kW);
  auto base = files.write_base({{"m.q.weight", wt}, {"e.weight", wt}});
  auto merged = [&](const LoraAdapter& adapter, std::string_view name) {
    return floats(transposed_f32(LoraSource(base, adapter).get(name)));
  };
  EXPECT_EQ(merged(files.read(R"("r":1,"lora_alpha":2,"fan_in_fan_out":true)", q_pair()), "m.q.weight"), kMergedTwice);
  LoraAdapter embedding = files.read(R"("r":1,"lora_alpha":2)", {{"base_model.model.e.lora_embedding_A", kA},
                                                                 {"base_model.model.e.lora_embedding_B", kB}});
  EXPECT_EQ(merged(embedding, "e.weight"), kMergedTwice);
}

TEST(Lora, Convolution) {
  Peft files;
  auto base = files.write_base({{"c.weight", kW.reshaped({2, 1, 3, 1})}});
  LoraAdapter adapter = files.read(R"("r":1,"lora_alpha":2)", {{"c.lora_A.weight", kA.reshaped({1, 1, 3, 1})},
                                                               {"c.lora_B.weight", kB.reshaped({2, 1, 1, 1})}});
  Tensor merged = LoraSource(base, adapter).get("c.weight");
  EXPECT_EQ(merged.shape(), Shape({2, 1, 3, 1}));
  EXPECT_EQ(floats(merged), kMergedTwice);
}

TEST(Lora, OtherTensorsReplaceTheBase) {
  Peft files;
  auto base = files.write_base({{"m.q.weight", kW}, {"head.weight", kW}, {"m.q.bias", kA}});
  auto tensors = q_pair();
  tensors.push_back({"base_model.model.head.modules_to_save.default.weight", kB});
  tensors.push_back({"base_model.model.head.original_module.weight", kW});
  tensors.push_back({"base_model.model.m.q.bias", kB});
  tensors.push_back({"base_model.model.new", kB});
  LoraSource model(base, files.read(R"("r":1,"lora_alpha":2)", tensors));
  EXPECT_EQ(floats(model.get("head.weight")), floats(kB));
  EXPECT_EQ(floats(model.get("m.q.bias")), floats(kB));
  EXPECT_EQ(model.names(), (std::vector<std::string>{"head.weight", "m.q.bias", "m.q.weight", "new"}));
}

// W keeps half precision (the sums here are exact in it); a quantized W becomes f32.
TEST(Lora, NumberFormatOfTheResult) {
  Peft files;
  LoraAdapter adapter = files.read(R"("r":1,"lora_alpha":2)", q_pair());
  for (DType dtype : {DType::F16, DType::BF16}) {
    Tensor merged = LoraSource(files.write_base({{"m.q.weight", encode(kW, dtype)}}), adapter).get("m.q.weight");
    EXPECT_EQ(merged.dtype(), dtype);
    EXPECT_EQ(floats(merged), kMergedTwice);
  }
  GgufWriter writer;
  writer.set_string("general.architecture", "llama");
  writer.add("m.q.weight", encode(Tensor::make(DType::F32, {2, 32}), DType::Q8_0));
  writer.save(files.folder.file("q.gguf"));
  LoraAdapter wide{.path = "wide", .pairs = {{"m.q.weight", Tensor::from({1, 32}, std::vector<float>(32, 1)), kB, 1}}};
  Tensor merged = LoraSource(open_weights(files.folder.file("q.gguf")), wide).get("m.q.weight");
  EXPECT_EQ(merged.dtype(), DType::F32);
  EXPECT_EQ(merged.f32()[40], 20);
}

// Ranks that are no multiple of the unrolled step, against the plain triple loop.
TEST(Lora, ProductsOfManyRanks) {
  for (int64_t rank : {1, 2, 3, 7, 8}) {
    const int64_t out = 5, in = 33;
    Tensor a = Tensor::make(DType::F32, {rank, in}), b = Tensor::make(DType::F32, {out, rank});
    for (int64_t i = 0; i < a.elements(); ++i) a.f32()[i] = static_cast<float>(i % 7 - 3);
    for (int64_t i = 0; i < b.elements(); ++i) b.f32()[i] = static_cast<float>(i % 5 - 2);
    Peft files;
    auto base = files.write_base({{"w", Tensor::make(DType::F32, {out, in})}});
    Tensor merged = LoraSource(base, {.path = "x", .pairs = {{"w", a, b, 0.5f}}}).get("w");
    for (int64_t row = 0; row < out; ++row)
      for (int64_t col = 0; col < in; ++col) {
        float sum = 0;
        for (int64_t r = 0; r < rank; ++r) sum += b.f32()[row * rank + r] * a.f32()[r * in + col];
        ASSERT_EQ(merged.f32()[row * in + col], 0.5f * sum) << rank;  // small integers: exact
      }
  }
}

// A training checkpoint of a larger model, one part of which PEFT wrapped (TinyGPT-V): both spellings load alike.
TEST(Lora, StageCheckpoints) {
  for (const char* adapter_name : {"", ".default"}) {
    Peft files;
    TorchWriter writer("model");
    for (const NamedTensor& item : q_pair("llama_model.base_model.model.", adapter_name))
      writer.add(item.name, item.tensor);
    writer.add("llama_model.base_model.model.m.norm.weight", kB);
    writer.add("llama_model.base_model.model.m.fc.base_layer.weight", kA);
    writer.add("llama_proj.weight", kA);
    writer.save(files.folder.file("stage.pth"));
    auto stage = open_weights(files.folder.file("stage.pth"));
    EXPECT_TRUE(has_lora(*stage));

    auto base = std::make_shared<MergedSource>();
    base->add(files.write_base({{"m.q.weight", kW}, {"m.norm.weight", kA}}), MergeRule::Disjoint,
              with_prefix("llama_model."));
    EXPECT_FALSE(has_lora(*base));
    LoraSource model(base, read_lora(*stage, {.alpha = 2}));
    EXPECT_EQ(floats(model.get("llama_model.m.q.weight")), kMergedTwice);
    EXPECT_EQ(floats(model.get("llama_model.m.norm.weight")), floats(kB));
    EXPECT_EQ(floats(model.get("llama_model.m.fc.weight")), floats(kA));
    EXPECT_EQ(floats(model.get("llama_proj.weight")), floats(kA));
  }
}

TEST(Lora, BaseNames) {
  EXPECT_EQ(base_name("base_model.model.a.b.weight"), "a.b.weight");
  EXPECT_EQ(base_name("x.base_model.model.a.weight"), "x.a.weight");
  EXPECT_EQ(base_name("xbase_model.model.a"), "xbase_model.model.a");
  EXPECT_EQ(base_name("a.base_layer.weight"), "a.weight");
  EXPECT_EQ(base_name("a.base_layer_norm.weight"), "a.base_layer_norm.weight");
  EXPECT_EQ(base_name("a.modules_to_save.default.bias"), "a.bias");
  EXPECT_EQ(base_name("a.original_module.bias"), "");
  EXPECT_EQ(base_name("a.lora_A.default.weight"), "");
  EXPECT_EQ(base_name("a.lora_Attention.weight"), "a.lora_Attention.weight");
}

TEST(LoraAttack, WrongAdapters) {
  Peft files;
  const std::string_view config = R"("r":1,"lora_alpha":2)";
  auto half = q_pair();
  half.pop_back();
  expect_error([&] { files.read(config, half); }, "m.q has only one of lora_A and lora_B");
  expect_error([&] { files.read(config, {{"m.x", kA}}); }, "holds no LoRA tensors");
  expect_error(
      [&] {
        files.read(config, {{"m.q.lora_A.weight", kA}, {"m.q.lora_B.weight", kA}});
      },
      "A is 1 x 3, B is 1 x 3; expected rank x in and out x rank");
  expect_error(
      [&] {
        files.read(config, {{"m.q.lora_A.weight", kA.reshaped({3})}, {"m.q.lora_B.weight", kB}});
      },
      "expected rank x in");
  expect_error(
      [&] {
        Tensor none = Tensor::make(DType::F32, {0, 3}), empty = Tensor::make(DType::F32, {2, 0});
        files.read(config, {{"m.q.lora_A.weight", none}, {"m.q.lora_B.weight", empty}});
      },
      "expected rank x in");
  expect_error(
      [&] {
        files.read(config, {{"m.q.lora_A.weight", Tensor::make(DType::I32, {1, 3})}, {"m.q.lora_B.weight", kB}});
      },
      "expected rank x in");
  auto two = q_pair();
  two.push_back({"base_model.model.m.k.lora_A.other.weight", kA});
  expect_error([&] { files.read(config, two); }, "holds two adapters");
  auto twice = q_pair();
  twice.push_back({"m.q.lora_A.weight", kA});
  expect_error([&] { files.read(config, twice); }, "is there twice");
  auto dora = q_pair();
  dora.push_back({"base_model.model.m.q.lora_magnitude_vector", kB});
  expect_error([&] { files.read(config, dora); }, "DoRA");
}

TEST(LoraAttack, WrongConfigs) {
  Peft files;
  auto read = [&](std::string_view config) { files.read(config, q_pair()); };
  expect_error([&] { read(R"("r":1)"); }, "no number \"lora_alpha\"");
  expect_error([&] { read(R"("r":0,"lora_alpha":1)"); }, "r is 0; expected 1 to 65536");
  expect_error([&] { read(R"("r":1e30,"lora_alpha":1)"); }, "expected 1 to 65536");
  expect_error([&] { read(R"("r":"1","lora_alpha":1)"); }, "no number \"r\"");
  expect_error([&] { read(R"("r":1,"lora_alpha":1,"use_dora":true)"); }, "DoRA is not supported");
  expect_error([&] { read(R"("r":1,"lora_alpha":1,"alpha_pattern":{"^q":2})"); }, "only ends of names");
  expect_error([&] { read(R"("r":1,"lora_alpha":1,"rank_pattern":{"q":-1})"); }, "rank_pattern q is -1");
  write_file(files.adapter + "/adapter_config.json", R"({"peft_type":"IA3"})");
  expect_error([&] { open_lora(files.adapter); }, "only LORA is supported");
  write_file(files.adapter + "/adapter_config.json", "[]");
  expect_error([&] { open_lora(files.adapter); }, "not a JSON object");
}

TEST(LoraAttack, WrongBases) {
  Peft files;
  LoraAdapter adapter = files.read(R"("r":1,"lora_alpha":2)", q_pair());
  auto attach = [&](std::vector<NamedTensor> tensors) { LoraSource(files.write_base(std::move(tensors)), adapter); };
  expect_error([&] { attach({{"x", kW}}); }, "adapts m.q.weight, which");
  expect_error([&] { attach({{"m.q.weight", transposed_f32(kW)}}); }, "f32 3 x 2 cannot take an update of 2 x 3");
  expect_error([&] { attach({{"m.q.weight", Tensor::make(DType::I32, {2, 3})}}); }, "i32 2 x 3 cannot take");
  expect_error([&] { attach({{"m.q.weight", kW.reshaped({6})}}); }, "cannot take an update");
}

// llama.cpp's adapters.
struct GgufLora {
  TemporaryFolder folder;
  GgufWriter writer;
  explicit GgufLora(float alpha = 2, const char* kind = "lora") {
    writer.set_string("general.architecture", "llama");
    writer.set_string("general.type", "adapter");
    writer.set_string("adapter.type", kind);
    writer.set<float>("adapter.lora.alpha", alpha);
  }
  LoraAdapter read() {
    writer.save(folder.file("lora.gguf"));
    return open_lora(folder.file("lora.gguf"));
  }
  std::shared_ptr<const WeightSource> base(const char* architecture) {
    GgufWriter base;
    base.set_string("general.architecture", architecture);
    base.add("blk.0.attn_q.weight", kW);
    base.add("token_embd.weight", transposed_f32(kW));
    base.save(folder.file("base.gguf"));
    return open_weights(folder.file("base.gguf"));
  }
};

TEST(Lora, GgufAdapter) {
  GgufLora file;
  file.writer.add("blk.0.attn_q.weight.lora_a", kA);
  file.writer.add("blk.0.attn_q.weight.lora_b", kB);
  file.writer.add("token_embd.weight.lora_a", transposed_f32(kA));  // [vocabulary, rank]
  file.writer.add("token_embd.weight.lora_b", kB);
  LoraAdapter adapter = file.read();
  EXPECT_EQ(adapter.architecture, "llama");
  LoraSource model(file.base("llama"), adapter);
  EXPECT_EQ(floats(model.get("blk.0.attn_q.weight")), kMergedTwice);
  EXPECT_EQ(floats(transposed_f32(model.get("token_embd.weight"))), kMergedTwice);
  expect_error([&] { LoraSource(file.base("phi2"), adapter); }, "an adapter for llama, but");
}

TEST(Lora, GgufAlphaZeroMeansOne) {
  GgufLora file(0);
  file.writer.add("w.lora_a", kA);
  file.writer.add("w.lora_b", kB);
  EXPECT_EQ(file.read().pairs[0].scale, 1);
}

TEST(LoraAttack, WrongGgufAdapters) {
  GgufLora half;
  half.writer.add("w.lora_a", kA);
  expect_error([&] { half.read(); }, "w has only one of lora_a and lora_b");
  GgufLora other;
  other.writer.add("w.scale", kA);
  expect_error([&] { other.read(); }, "only .lora_a and .lora_b are supported");
  expect_error([] { GgufLora(2, "other").read(); }, "not a LoRA adapter");
  GgufLora flat;
  flat.writer.add("token_embd.weight.lora_a", kA.reshaped({3}));
  flat.writer.add("token_embd.weight.lora_b", kB);
  expect_error([&] { flat.read(); }, "expected rank x in");
}

}  // namespace
}  // namespace galago
