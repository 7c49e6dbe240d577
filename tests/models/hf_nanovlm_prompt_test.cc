// Prompts of nanoVLM with SmolLM2's published tokenizer, which does not have the tokens that stand beside pictures:
// they come from the config and take the next ids (huggingface/nanoVLM 4e0c096, data/processors.py).
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "models/model.h"
#include "text/load_tokenizer.h"

namespace galago::testing {
namespace {

std::string spelled(const Tokenizer& tokenizer, const std::vector<PromptPiece>& pieces) {
  std::string text;
  for (const PromptPiece& piece : pieces) {
    text += tokenizer.decode(piece.ids);
    if (piece.picture >= 0) text += fmt::format("{{{}: {} from {}}}", piece.picture, piece.rows.size(), piece.rows[0]);
  }
  return text;
}

SlicePlan plan_of(const Model& model, int width, int height) {
  PictureSpec spec = model.pictures();
  return find_slicing_policy(spec.policy).plan(width, height, spec.slice);
}

class HfNanoVlmPrompt : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string file = GALAGO_SOURCE_DIR "/../shared/data/tokenizers/vocab/smollm.tokenizer.json";
    if (!std::filesystem::exists(file)) GTEST_SKIP() << "no tokenizers beside the source folder";
    use(find_family("hf-nanovlm")->preset("460M"));
  }
  void use(const Json& config) {
    model = make_model(config, "t");
    std::string file = GALAGO_SOURCE_DIR "/../shared/data/tokenizers/vocab/smollm.tokenizer.json";
    tokenizer = std::make_unique<Tokenizer>(load_tokenizer(file, {.appended = model->extra_tokens()}));
  }
  std::unique_ptr<Model> model;
  std::unique_ptr<Tokenizer> tokenizer;
};

TEST_F(HfNanoVlmPrompt, TokensOfPicturesTakeTheNextIds) {
  EXPECT_EQ(tokenizer->vocab_size(), model->n_vocab());
  EXPECT_EQ(tokenizer->find("<|image|>"), 49152);
  EXPECT_EQ(tokenizer->find("<|global_image|>"), 49153);
  EXPECT_EQ(tokenizer->find("<row_1_col_1>"), 49154);
  EXPECT_EQ(tokenizer->find("<row_2_col_1>"), 49162);
  EXPECT_EQ(tokenizer->find("<row_8_col_8>"), 49217);
  EXPECT_EQ(tokenizer->encode("<row_8_col_8>", {.parse_special = true}), std::vector<int32_t>{49217});
  EXPECT_GT(tokenizer->encode("<row_8_col_8>").size(), 1u) << "typed by a user it is text";
}

TEST_F(HfNanoVlmPrompt, TilesHaveTheirNamesBehindTheGlobalView) {
  SlicePlan wide = plan_of(*model, 1000, 500), small = plan_of(*model, 300, 200);  // 1 x 2 tiles and a view of all
  TurnPart one[] = {{.picture = &wide}, {.text = "What is it?"}};
  EXPECT_EQ(spelled(*tokenizer, model->prompt(*tokenizer, {.parts = one})),
            "<|im_start|>user\n<|global_image|>{0: 64 from 0}<row_1_col_1>{0: 64 from 64}<row_1_col_2>{0: 64 from "
            "128}What is it?<|im_end|>\n<|im_start|>assistant\n");
  TurnPart two[] = {{.picture = &small}, {.picture = &small}, {.text = "Same?"}};
  EXPECT_EQ(spelled(*tokenizer, model->prompt(*tokenizer, {.parts = two, .index = 1})),
            "<|im_end|>\n<|im_start|>user\n<image: 0><|global_image|>{0: 64 from 0}<image: 1><|global_image|>{1: 64 "
            "from 0}Same?<|im_end|>\n<|im_start|>assistant\n");
}

TEST_F(HfNanoVlmPrompt, WithoutTheGlobalTokenThereIsNoGlobalView) {
  Json config = find_family("hf-nanovlm")->preset("460M");
  config["vlm_extra_tokens"].erase("global_image_token");
  config["lm_vocab_size"] = 49217;
  use(config);
  SlicePlan wide = plan_of(*model, 1000, 500), small = plan_of(*model, 300, 200);
  TurnPart parts[] = {{.picture = &wide}, {.text = "What is it?"}};
  EXPECT_EQ(
      spelled(*tokenizer, model->prompt(*tokenizer, {.parts = parts})),
      "<|im_start|>user\n<row_1_col_1>{0: 64 from 0}<row_1_col_2>{0: 64 from 64}What is it?<|im_end|>\n<|im_start|>"
      "assistant\n");
  parts[0].picture = &small;
  EXPECT_EQ(spelled(*tokenizer, model->prompt(*tokenizer, {.parts = parts})),
            "<|im_start|>user\n<row_1_col_1>{0: 64 from 0}What is it?<|im_end|>\n<|im_start|>assistant\n");
}

TEST(HfNanoVlmTokens, BadNamesAreRefused) {
  for (const Json& bad : {Json(7), Json{{"image_token", 3}}, Json{{"r1c1", ""}}}) {
    Json config = find_family("hf-nanovlm")->preset("tiny");
    config["vlm_extra_tokens"] = bad;
    EXPECT_THROW(make_model(config, "t"), Error) << bad;
  }
}

}  // namespace
}  // namespace galago::testing
