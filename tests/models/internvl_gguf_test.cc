// InternVL2 as llama.cpp keeps it: a text model of architecture internlm2 and an mmproj file with projector internvl.
// The names are written down a second time, after convert_hf_to_gguf.py and tools/mtmd.
#include <gtest/gtest.h>

#include "formats/merged_source.h"
#include "tests/models/llama_cpp_files.h"
#include "tests/models/text_logits.h"
#include "tests/support/executors.h"
#include "tests/support/temporary_folder.h"

namespace galago::testing {
namespace {

std::string vision_name(std::string name) {
  constexpr const char* kNames[][2] = {{"vision.patch_embed", "v.patch_embd"},
                                       {"vision.cls_token", "v.class_embd"},
                                       {"vision.pos_embed", "v.position_embd.weight"},
                                       {"vision.blocks.", "v.blk."},
                                       {".norm1.", ".ln1."},
                                       {".norm2.", ".ln2."},
                                       {".attn.proj", ".attn_out"},
                                       {".attn.q.", ".attn_q."},
                                       {".attn.k.", ".attn_k."},
                                       {".attn.v.", ".attn_v."},
                                       {".attn.q_norm", ".attn_q_norm"},
                                       {".attn.k_norm", ".attn_k_norm"},
                                       {".mlp.fc1", ".ffn_up"},
                                       {".mlp.fc2", ".ffn_down"},
                                       {".ls1", ".ls1.weight"},
                                       {".ls2", ".ls2.weight"},
                                       {"projector.norm", "mm.model.mlp.0"},
                                       {"projector.fc1", "mm.model.mlp.1"},
                                       {"projector.fc2", "mm.model.mlp.3"}};
  for (auto& [from, to] : kNames) replace(name, from, to);
  return name;
}

void add_vision_weights(GgufWriter& writer, const Weights& weights) {
  for (auto& [name, weight] : weights) {
    if (name.starts_with("text.")) continue;
    Tensor data = to_f32(weight->data);
    Shape shape = data.shape();
    if (name.ends_with("cls_token")) data = data.reshaped({shape.last()});
    if (name.ends_with("pos_embed")) data = data.reshaped({shape[1], shape[2]});
    writer.add(vision_name(name), data);
  }
}

void write_mmproj(const std::string& path, const Json& config, const Weights& weights) {
  const Json& v = config["vision_config"];
  GgufWriter writer;
  auto count = [&](const char* key, const Json& value) {
    writer.set<uint32_t>(std::string("clip.vision.") + key, value.get<uint32_t>());
  };
  writer.set_string("general.architecture", "clip");
  writer.set_string("clip.projector_type", "internvl");
  writer.set<bool>("clip.has_vision_encoder", true);
  count("image_size", v["image_size"]);
  count("patch_size", v["patch_size"]);
  count("embedding_length", v["hidden_size"]);
  count("feed_forward_length", v["intermediate_size"]);
  count("block_count", v["num_hidden_layers"]);
  count("attention.head_count", v["num_attention_heads"]);
  count("projector.scale_factor", 2);
  writer.set<float>("clip.vision.attention.layer_norm_epsilon", v["layer_norm_eps"].get<float>());
  add_vision_weights(writer, weights);
  writer.save(path);
}

struct Pair {
  std::unique_ptr<Model> model;
  Weights weights;
};

Pair load_pair(const std::string& text, const std::string& vision) {
  auto text_file = std::make_shared<GgufFile>(GgufFile::open(text));
  auto vision_file = std::make_shared<GgufFile>(GgufFile::open(vision));
  Pair pair{make_model(find_family("internvl")->from_gguf(*text_file, vision_file.get()), text), {}};
  MergedSource both;
  both.add(text_file, MergeRule::Disjoint);
  both.add(vision_file, MergeRule::Disjoint);
  pair.weights = load_weights(*pair.model, both, WeightNames::LlamaCpp);
  return pair;
}

class InternVlGguf : public ::testing::TestWithParam<const char*> {
 protected:
  TemporaryFolder folder;
  std::string text = folder.file("text.gguf"), vision = folder.file("mmproj.gguf");
};

TEST_P(InternVlGguf, PairGivesTheSameLogits) {
  Json config = find_family("internvl")->preset(GetParam());
  auto model = make_model(config, "t");
  Weights weights = random_weights(*model, 5);
  for (auto& [name, weight] : weights)
    for (float& v : weight->data.f32()) v *= weight->data.shape().rank() > 1 ? 8 : 1.25f;
  write_llama_cpp_text(text, config["llm_config"], weights, {.architecture = "internlm2", .permute = true});
  write_mmproj(vision, config, weights);
  Pair pair = load_pair(text, vision);
  EXPECT_EQ(pair.model->family(), "internvl");
  EXPECT_EQ(pair.model->pictures().policy, "internvl");
  EXPECT_EQ(pair.model->pictures().slice.max_tiles, 12);
  Image picture = make_image(90, 60);
  for (int x = 0; x < 90; ++x) *picture.pixel(x, x / 2) = static_cast<uint8_t>(2 * x);
  auto executor = all_executors().front().executor;
  std::vector<int32_t> ids = {1, 5, 6, 7, 8};
  std::vector<float> want = logits_of(*model, weights, *executor, ids, {&picture, 1});
  std::vector<float> got = logits_of(*pair.model, pair.weights, *executor, ids, {&picture, 1});
  EXPECT_LT(relative_difference(got, want), 1e-6);  // the same numbers in another order of rows
}

INSTANTIATE_TEST_SUITE_P(Presets, InternVlGguf, ::testing::Values("tiny", "tiny-6b"),
                         [](const auto& info) { return std::string(info.param) == "tiny" ? "tiny" : "tiny_6b"; });

TEST_F(InternVlGguf, OtherLanguageModelsAreRefused) {
  Json config = find_family("internvl")->preset("tiny");
  auto model = make_model(config, "t");
  Weights weights = random_weights(*model, 5);
  write_llama_cpp_text(text, config["llm_config"], weights, {.architecture = "qwen2"});
  write_mmproj(vision, config, weights);
  try {
    load_pair(text, vision);
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("qwen2"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace galago::testing
