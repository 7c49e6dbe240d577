// BlueLM-V: golden values of SigLIP and VILA's projector (made by huggingface/nanoVLM's tower and VILA's projector on
// weights hashed from names, float32), the order of merged tokens, tiling, prompts. Tolerances: 2e-5 an element, 1e-3 a
// sum, as stated with the values.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "tests/models/golden_model.h"
#include "tests/models/text_logits.h"
#include "tests/support/executors.h"
#include "tests/support/temporary_folder.h"
#include "text/load_tokenizer.h"

namespace galago::testing {
namespace {

Json preset(std::string_view size) { return find_family("bluelm-v")->preset(size); }

Json tiny(const Json& vision = {}, const Json& projector = {}, const Json& tiling = {}) {
  Json config = preset("tiny");
  if (!vision.is_null()) config["vision"].update(vision);
  if (!projector.is_null()) config["projector"].update(projector);
  if (!tiling.is_null()) config["tiling"].update(tiling);
  return config;
}

struct Expected {
  double sum, sumsq;
  std::vector<float> first, last;
};

void expect_summary(const Tensor& values, const Expected& want, const std::string& what) {
  Summary got = summarise(values.f32());
  EXPECT_NEAR(got.sum, want.sum, 1e-3) << what;
  EXPECT_NEAR(got.sumsq, want.sumsq, 1e-3) << what;
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(got.first[i], want.first[i], 2e-5) << what << " first " << i;
    EXPECT_NEAR(got.last[i], want.last[i], 2e-5) << what << " last " << i;
  }
}

// Everything named while one tile is encoded.
std::unique_ptr<Program> encode(Executor& executor, const GoldenModel& m, const Tensor& pixels) {
  auto program = executor.compile(encode_graph(*m.model, m.weights, pixels.shape()), {.keep_named = true});
  std::copy(pixels.f32().begin(), pixels.f32().end(), program->input("pixels").f32().begin());
  program->run();
  return program;
}

const Tensor& image() {
  static const Tensor pixels = hashed_tensor("image", {1, 3, 44, 44}, true);
  return pixels;
}

TEST(BlueLmV, GoldenValuesOnEveryExecutor) {
  GoldenModel before_norm = golden_model(tiny({{"feature_layer", -2}})),
              after_norm = golden_model(tiny({{"layers", 2}, {"feature_layer", "post"}}));
  for (auto& [name, executor] : all_executors()) {
    expect_summary(encode(*executor, before_norm, image())->output("vision.out"),
                   {5.541917,
                    203.679101,
                    {1.211297f, -0.185331f, -0.726661f, 0.769310f},
                    {0.236654f, -0.389162f, -0.916682f, 0.248270f}},
                   name + " last block");
    auto program = encode(*executor, after_norm, image());
    expect_summary(program->output("vision.out"),
                   {5.169303,
                    758.198974,
                    {2.180042f, -0.201322f, -1.314471f, 1.373649f},
                    {0.681670f, -0.785167f, -1.899866f, 0.717109f}},
                   name + " last norm");
    expect_summary(program->output("projector.merged"),
                   {5.169303, 758.198974, {2.180042f, -0.201322f, -1.314471f, 1.373649f}, {0, 0, 0, 0}},
                   name + " merged");
    expect_summary(program->output("projector.out"),
                   {18.079559,
                    22.724065,
                    {0.309947f, -0.172057f, -0.050396f, -0.258815f},
                    {-0.052815f, 0.188151f, 0.168514f, -0.437822f}},
                   name + " projector");
  }
}

// transformers' SigLIP and Llama with the projector in torch (tools/parity/bluelmv.py): two tiles, then six ids.
TEST(BlueLmV, GivesTheLogitsOfTransformers) {
  std::string folder = GALAGO_SOURCE_DIR "/tests/golden/bluelm-v";
  Checkpoint checkpoint = load_checkpoint(folder);
  SafetensorsFile expected = SafetensorsFile::open(folder + "/expected.safetensors");
  Tensor ids = expected.get("ids"), rows = expected.get("rows"), logits = expected.get("logits");
  TraceInput input{.views = {expected.get("pixels")}};
  for (int32_t i = 0; i < rows.shape()[0]; ++i) input.rows.push_back(i);
  input.rows_at = input.rows;
  input.ids.assign(input.rows.size(), 0);
  input.ids.insert(input.ids.end(), ids.i32().begin(), ids.i32().end());
  for (auto& [name, executor] : all_executors()) {
    Trace trace = run_trace(*checkpoint.model, checkpoint.weights, *executor, input);
    EXPECT_LT(relative_difference(trace.at("projector.out").f32(), rows.f32()), 2e-5) << name;  // both float32
    EXPECT_LT(relative_difference(trace.at("logits").f32(), logits.f32()), 2e-5) << name;
  }
}

TEST(BlueLmV, TheFeatureLayerCountsFromTheEnd) {
  GoldenModel two = golden_model(tiny({{"layers", 2}, {"feature_layer", -1}})), three = golden_model(tiny());
  auto executor = cpu::make_executor(std::make_shared<ThreadPool>(2));
  auto a = encode(*executor, two, image()), b = encode(*executor, three, image());
  EXPECT_EQ(relative_difference(b->output("embeddings").f32(), a->output("embeddings").f32()), 0);
}

// 5 x 5 tokens, padded to 6 x 6: token j * 3 + i (or i * 3 + j by rows) is the neighbours of (2i, 2j), y first.
TEST(BlueLmV, MergedTokensAreInColumnsAndOddSidesEndInZeros) {
  auto executor = cpu::make_executor(std::make_shared<ThreadPool>(2));
  for (bool by_columns : {true, false}) {
    GoldenModel m = golden_model(tiny({}, {{"order", by_columns ? "column" : "row"}}));
    auto program = encode(*executor, m, image());
    std::span<float> tokens = program->output("vision.out").f32(), merged = program->output("projector.merged").f32();
    ASSERT_EQ(merged.size(), 9u * 128);
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j)
        for (int part = 0; part < 4; ++part)
          for (int c = 0; c < 32; ++c) {
            int y = 2 * i + part / 2, x = 2 * j + part % 2, token = by_columns ? j * 3 + i : i * 3 + j;
            float want = y < 5 && x < 5 ? tokens[(y * 5 + x) * 32 + c] : 0;
            ASSERT_EQ(merged[token * 128 + part * 32 + c], want) << i << ", " << j << " part " << part;
          }
  }
}

TEST(BlueLmV, FuseThenMlpIsALinearLayerInFrontOfTheMlp) {
  GoldenModel m = golden_model(tiny({}, {{"type", "fuse_then_mlp"}}));
  EXPECT_EQ(m.weights.at("projector.fuse.weight")->data.shape(), Shape({32, 128}));
  EXPECT_EQ(m.weights.at("projector.fc1.weight")->data.shape(), Shape({40, 32}));
  EXPECT_EQ(m.weights.count("projector.norm.weight"), 0u);
  std::vector<float> first;
  for (auto& [name, executor] : all_executors()) {
    auto program = encode(*executor, m, image());
    std::span<float> rows = program->output("embeddings").f32();
    if (first.empty()) first.assign(rows.begin(), rows.end());
    EXPECT_LT(relative_difference(rows, first), 1e-5) << name;  // float32 sums in another order
  }
}

TEST(BlueLmV, NineTilesAtOnceEqualNineTiles) {
  GoldenModel m = golden_model(tiny());
  Tensor pixels = hashed_tensor("tiles", {9, 3, 44, 44}, true);
  size_t per_tile = 3 * 44 * 44;
  for (auto& [name, executor] : all_executors()) {
    std::vector<float> all;
    for (int64_t batch : {9, 4, 1}) {
      std::vector<float> rows;
      for (int64_t from = 0; from < 9; from += batch) {
        int64_t n = std::min<int64_t>(batch, 9 - from);
        Tensor part = Tensor::make(DType::F32, {n, 3, 44, 44});
        std::copy_n(pixels.f32().begin() + from * per_tile, n * per_tile, part.f32().begin());
        auto program = encode(*executor, m, part);
        std::span<float> out = program->output("embeddings").f32();
        rows.insert(rows.end(), out.begin(), out.end());
      }
      if (all.empty()) all = rows;
      EXPECT_LT(relative_difference(rows, all), 1e-5) << name << " batch " << batch;
    }
  }
}

// T4 of bluelm-v.md: 300 tokens in chunks of any size.
TEST(BlueLmV, ChunksOfAnySizeGiveTheSameLogits) {
  GoldenModel m = golden_model(tiny());
  auto executor = cpu::make_executor(std::make_shared<ThreadPool>(2));
  std::vector<int32_t> ids(300);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>((i * 37 + i * i) % 320);
  std::vector<float> whole = cached_logits_of(*m.model, m.weights, *executor, ids, 300);
  for (int chunk : {7, 128})
    EXPECT_LT(relative_difference(cached_logits_of(*m.model, m.weights, *executor, ids, chunk), whole), 1e-5) << chunk;
  std::vector<int32_t> some(ids.begin(), ids.begin() + 40);  // one by one takes as many programs as tokens
  EXPECT_LT(relative_difference(cached_logits_of(*m.model, m.weights, *executor, some, 1),
                                cached_logits_of(*m.model, m.weights, *executor, some, 40)),
            1e-5);
}

TEST(BlueLmV, SavedFolderOwnFileAndOtherPrefixesGiveTheSameLogits) {
  auto executor = cpu::make_executor(std::make_shared<ThreadPool>(2));
  TemporaryFolder temporary;
  const std::string folder = temporary.path();
  GoldenModel m = golden_model(tiny());
  save_checkpoint(folder, *m.model, m.weights, nullptr);
  write_gguf(folder + "/own.gguf", *m.model, m.weights, nullptr);
  Image picture = make_image(60, 30);
  for (size_t i = 0; i < picture.rgb.size(); ++i) picture.rgb[i] = static_cast<uint8_t>(i * 7 % 251);
  const std::vector<int32_t> ids = {1, 7, 300};
  std::vector<float> want = logits_of(*m.model, m.weights, *executor, ids, {&picture, 1});
  for (const std::string& path : {folder, folder + "/own.gguf"}) {
    Checkpoint loaded = load_checkpoint(path);
    EXPECT_EQ(logits_of(*loaded.model, loaded.weights, *executor, ids, {&picture, 1}), want) << path;
  }
  for (const char* prefix : {"vision_tower.vision_tower.vision_model.", "vision_tower."}) {
    std::vector<NamedTensor> bundle = reference_tensors(*m.model, m.weights);
    const std::string usual = "vision_tower.vision_model.";
    for (NamedTensor& tensor : bundle)
      if (tensor.name.starts_with(usual)) tensor.name = prefix + tensor.name.substr(usual.size());
    write_safetensors(folder + "/model.safetensors", bundle);
    Checkpoint loaded = load_checkpoint(folder);
    EXPECT_EQ(logits_of(*loaded.model, loaded.weights, *executor, ids, {&picture, 1}), want) << prefix;
  }
}

Grid grid_of(const Json& config, int width, int height) {
  PictureSpec spec = make_model(config, "test")->pictures();
  for (const SliceView& view : find_slicing_policy(spec.policy).plan(width, height, spec.slice).views)
    if (view.name != "global" && view.name != "thumbnail") return {view.cols, view.rows};
  return {0, 0};
}

// A few rows of the table in bluelm-v.md section 3.7; all of them: tests/image/slicing.
TEST(BlueLmV, TilingMethodsOfTheConfig) {
  auto with = [](const char* method, int side) {
    Json config = preset("minicpm-2b");
    config["tiling"].update({{"method", method}, {"max_m", side}, {"max_n", side}});
    if (std::string(method) == "internvl") config["tiling"]["max_tiles"] = 9;
    return config;
  };
  EXPECT_EQ(grid_of(with("relaxed", 4), 394, 390), (Grid{1, 1}));
  EXPECT_EQ(grid_of(with("llava_next", 4), 394, 390), (Grid{2, 2}));
  EXPECT_EQ(grid_of(with("relaxed", 4), 1080, 2400), (Grid{2, 4}));
  EXPECT_EQ(grid_of(with("relaxed", 3), 1080, 2400), (Grid{2, 3}));
  EXPECT_EQ(grid_of(with("relaxed", 3), 800, 600), (Grid{2, 2}));
  EXPECT_EQ(grid_of(with("llava_next", 3), 800, 600), (Grid{3, 2}));
  EXPECT_EQ(grid_of(with("internvl", 4), 3000, 400), (Grid{8, 1}));
}

TEST(BlueLmV, FullSizeHasTheTrunkOfSiglipAndThePhonesTokens) {
  Json config = preset("minicpm-2b");
  PictureSpec spec = make_model(config, "test")->pictures();
  EXPECT_EQ(spec.tokens_per_tile, 196);
  SlicePlan plan = find_slicing_policy(spec.policy).plan(768, 1536, spec.slice);
  EXPECT_EQ(plan.n_tiles() * spec.tokens_per_tile, 1764);
  EXPECT_EQ(plan.views[0].name, "global");
  config["vision"]["feature_layer"] = "post";
  int64_t trunk = 0, projector = 0;
  auto model = make_model(config, "test");
  for (const WeightSpec& row : model->weights()) {
    if (row.name.starts_with("vision.")) trunk += row.shape.elements();
    if (row.name.starts_with("projector.")) projector += row.shape.elements();
  }
  EXPECT_EQ(trunk, 412987248);
  EXPECT_EQ(projector, 2 * 4608 + 4608 * 2304 + 2304 + 2304 * 2304 + 2304);
}

std::string spelled(const Tokenizer& tokenizer, const std::vector<PromptPiece>& pieces) {
  std::string text;
  for (const PromptPiece& piece : pieces) {
    text += tokenizer.decode(piece.ids);
    if (piece.picture >= 0) text += fmt::format("{{{}: {}}}", piece.picture, piece.rows.size());
  }
  return text;
}

TEST(BlueLmV, PicturesStandInFrontOfTheInstruction) {
  std::string vocab = GALAGO_SOURCE_DIR "/../shared/data/tokenizers/vocab/";
  if (!std::filesystem::exists(vocab)) GTEST_SKIP() << "no tokenizers beside the source folder";
  Tokenizer minicpm = load_tokenizer(vocab + "minicpm-v.model"),
            qwen = load_tokenizer(vocab + "qwen2.vocab.json", {.added_path = vocab + "qwen2.added.json"});
  auto model = make_model(tiny(), "test");
  PictureSpec spec = model->pictures();
  SlicePlan one = find_slicing_policy("bluelm").plan(40, 40, spec.slice),
            wide = find_slicing_policy("bluelm").plan(88, 44, spec.slice);
  TurnPart parts[] = {{.text = "Which is older?"}, {.picture = &one}, {.picture = &wide}};
  EXPECT_EQ(spelled(minicpm, model->prompt(minicpm, {parts})), "<s><用户>{0: 18}{1: 27}Which is older?<AI>");
  TurnPart next[] = {{.text = "Why?"}};
  EXPECT_EQ(spelled(minicpm, model->prompt(minicpm, {.parts = next, .index = 1})), "<用户>Why?<AI>");
  Json config = tiny();
  config["llm"]["model_type"] = "qwen2";
  model = make_model(config, "test");
  EXPECT_EQ(spelled(qwen, model->prompt(qwen, {parts})),
            "<|im_start|>user\n{0: 18}{1: 27}Which is older?<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(spelled(qwen, model->prompt(qwen, {.parts = next, .index = 1, .system = "Be brief."})),
            "<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n");
  config["chat_template"] = "vicuna";
  EXPECT_NO_THROW(make_model(config, "test"));
}

void expect_error(const Json& config, const std::string& words) {
  try {
    make_model(config, "test");
    FAIL() << words;
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what();
  }
}

TEST(BlueLmV, BadConfigsNameTheField) {
  expect_error(tiny({{"feature_layer", 0}}), "feature_layer");
  expect_error(tiny({{"feature_layer", -4}}), "feature_layer");
  expect_error(tiny({{"feature_layer", "last"}}), "feature_layer");
  expect_error(tiny({{"heads", 5}}), "5 heads");
  expect_error(tiny({{"patch", 64}}), "patches of 64");
  expect_error(tiny({}, {{"type", "qformer"}}), "qformer");
  expect_error(tiny({}, {{"order", "spiral"}}), "spiral");
  expect_error(tiny({}, {}, {{"method", "s2"}}), "s2");
  expect_error(tiny({}, {}, {{"thumbnail", "both"}}), "thumbnail");
  expect_error(tiny({}, {}, {{"alpha", 2}}), "alpha");
  Json config = tiny();
  config.erase("llm");
  expect_error(config, "llm section");
  config = tiny();
  config["chat_template"] = 3;
  expect_error(config, "chat_template");
  config = tiny();
  config["vision"] = "siglip";
  expect_error(config, "vision");
}

}  // namespace
}  // namespace galago::testing
