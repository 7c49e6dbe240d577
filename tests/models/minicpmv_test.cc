// MiniCPM-V 2.0, 2.5, 2.6, 4.0 and 4.5 on tiny random models. Golden numbers: tools/parity/minicpmv.py, a second
// implementation in float64 numpy with the language model of transformers, on weights and pictures hashed from names.
#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>
#include <set>

#include "base/error.h"
#include "tests/models/golden_model.h"
#include "tests/models/llama_cpp_files.h"
#include "tests/models/text_logits.h"
#include "tests/support/executors.h"
#include "tests/support/temporary_folder.h"
#include "text/load_tokenizer.h"

namespace galago::testing {
namespace {

struct Expected {
  double sum, sumsq;
  std::vector<float> first, last;
};

struct GoldenRow {
  std::string preset;
  int64_t h, w;  // patches
  Expected vision, resampler, logits;
};

const GoldenRow kGolden[] = {
    {"tiny-2.0",
     3,
     3,
     {6.298204,
      429.028828,
      {-0.449736f, 0.482481f, -1.118694f, -0.238363f},
      {-0.706758f, -0.323568f, 0.184385f, 0.583920f}},
     {-1.768520,
      80.761499,
      {-0.187783f, -0.000620f, -0.369828f, -0.711715f},
      {0.076183f, -0.441450f, -0.074421f, -0.455011f}},
     {4.134304,
      52.013617,
      {0.097510f, 0.079539f, 0.074797f, 0.158254f},
      {0.299957f, -0.064803f, -0.149399f, 0.096059f}}},
    {"tiny-2.0",
     3,
     5,
     {11.062040,
      722.525680,
      {-0.075484f, 0.796205f, -0.760380f, 0.248232f},
      {-0.746690f, -0.450553f, -0.654059f, 0.929028f}},
     {-2.599121,
      75.929100,
      {-0.320773f, -0.232611f, -0.302885f, -0.407188f},
      {0.216649f, -0.141619f, -0.258028f, -0.240348f}},
     {2.691773,
      52.400212,
      {0.066810f, -0.023691f, 0.009291f, 0.063333f},
      {0.289295f, -0.062391f, -0.127222f, 0.095110f}}},
    {"tiny-2.0",
     2,
     10,
     {13.422271,
      975.245440,
      {-0.064258f, -0.257465f, 0.285369f, -0.286291f},
      {0.278531f, 0.333601f, -0.110274f, 0.136777f}},
     {14.466315,
      83.580074,
      {-0.561704f, -0.086996f, -0.173260f, -0.047760f},
      {0.560888f, 0.108681f, -0.285992f, -0.564140f}},
     {7.331298,
      52.041261,
      {0.096432f, -0.042132f, -0.002814f, 0.049675f},
      {0.283188f, -0.069083f, -0.134828f, 0.111833f}}},
    {"tiny-2.5",
     3,
     3,
     {-6.690033,
      421.539829,
      {0.633443f, 0.025800f, 1.217862f, -0.283710f},
      {-0.420566f, -1.637659f, -1.018140f, -0.726969f}},
     {15.545477,
      129.917615,
      {-0.516421f, 0.078753f, 0.389126f, -0.110617f},
      {0.112487f, 0.345108f, -0.829002f, -0.012313f}},
     {114.725598,
      1099.088805,
      {0.547305f, -0.018380f, 0.115972f, 0.096880f},
      {0.628830f, 0.349571f, 0.325666f, 0.300310f}}},
    {"tiny-2.5",
     3,
     5,
     {-11.196979,
      698.584577,
      {0.871803f, 0.224712f, 1.643303f, 0.475542f},
      {-0.427989f, -0.868848f, -1.574436f, 0.769700f}},
     {19.490519,
      130.984913,
      {-0.656257f, 0.424178f, 0.717076f, -0.069789f},
      {0.371529f, 0.384854f, -0.594921f, -0.104976f}},
     {81.431487,
      1097.548442,
      {-0.106934f, -0.277051f, 0.479917f, -0.355923f},
      {0.446532f, 0.172141f, 0.881481f, 0.613480f}}},
    {"tiny-2.5",
     2,
     10,
     {-13.555594,
      934.547692,
      {0.325868f, -0.598970f, 1.221021f, 0.412323f},
      {-0.437939f, -0.633409f, -1.541051f, 1.331668f}},
     {18.512242,
      140.060754,
      {-0.575323f, 0.299881f, 0.262548f, -0.051774f},
      {0.568152f, 0.382055f, -1.203944f, 0.021011f}},
     {168.086619,
      1102.914724,
      {0.089718f, -0.307090f, -0.066453f, -0.008852f},
      {0.484448f, 0.249447f, 0.089955f, 0.422258f}}},
    {"tiny-2.6",
     3,
     3,
     {-7.143537,
      426.310450,
      {0.782288f, -0.010147f, 1.417471f, -0.354538f},
      {-0.979478f, -0.056259f, -1.312096f, -0.318126f}},
     {15.574408,
      131.425038,
      {-0.412855f, 0.219668f, 0.910652f, 0.312454f},
      {0.155586f, 0.662143f, -0.764532f, 0.067218f}},
     {171.178133,
      1168.392446,
      {0.443941f, -0.011636f, 0.198875f, 0.139128f},
      {0.714013f, 0.352151f, 0.704181f, 0.099450f}}},
    {"tiny-2.6",
     3,
     5,
     {-11.749382,
      701.956929,
      {0.654788f, -0.136291f, 1.539632f, 0.504543f},
      {-0.569691f, -0.370481f, -1.242805f, 0.940091f}},
     {13.561677,
      109.801542,
      {-0.394423f, -0.420865f, 0.740324f, -0.037356f},
      {-0.000312f, 0.386543f, -0.329083f, -0.473721f}},
     {102.088141,
      1121.825727,
      {0.322357f, 0.039028f, 0.346672f, 0.469763f},
      {0.635145f, 0.637724f, 1.075706f, 0.092499f}}},
    {"tiny-2.6",
     2,
     10,
     {-13.842408,
      932.474825,
      {0.477718f, -0.698651f, 1.029162f, 0.487683f},
      {0.674740f, -0.609731f, -0.592761f, 1.961475f}},
     {12.296186,
      130.836783,
      {-0.634930f, -0.159832f, 0.038298f, -0.287849f},
      {0.816106f, 0.315801f, -1.131485f, -0.249973f}},
     {144.568015,
      1096.799456,
      {-0.079573f, -0.403872f, -0.142929f, 0.194154f},
      {0.083647f, 0.342288f, 0.226362f, 0.541003f}}},
    {"tiny-4.0",
     3,
     3,
     {-7.143537,
      426.310450,
      {0.782288f, -0.010147f, 1.417471f, -0.354538f},
      {-0.979478f, -0.056259f, -1.312096f, -0.318126f}},
     {15.574408,
      131.425038,
      {-0.412855f, 0.219668f, 0.910652f, 0.312454f},
      {0.155586f, 0.662143f, -0.764532f, 0.067218f}},
     {168.293787,
      1164.794025,
      {0.458785f, -0.041982f, 0.188595f, 0.116411f},
      {0.661882f, 0.339342f, 0.568662f, 0.054643f}}},
    {"tiny-4.0",
     3,
     5,
     {-11.749382,
      701.956929,
      {0.654788f, -0.136291f, 1.539632f, 0.504543f},
      {-0.569691f, -0.370481f, -1.242805f, 0.940091f}},
     {13.561677,
      109.801542,
      {-0.394423f, -0.420865f, 0.740324f, -0.037356f},
      {-0.000312f, 0.386543f, -0.329083f, -0.473721f}},
     {94.717312,
      1120.523645,
      {0.337584f, 0.007454f, 0.338585f, 0.447009f},
      {0.516281f, 0.620482f, 0.914080f, 0.028057f}}},
    {"tiny-4.0",
     2,
     10,
     {-13.842408,
      932.474825,
      {0.477718f, -0.698651f, 1.029162f, 0.487683f},
      {0.674740f, -0.609731f, -0.592761f, 1.961475f}},
     {12.296186,
      130.836783,
      {-0.634930f, -0.159832f, 0.038298f, -0.287849f},
      {0.816106f, 0.315801f, -1.131485f, -0.249973f}},
     {139.667371,
      1090.446512,
      {-0.082365f, -0.436974f, -0.148333f, 0.160766f},
      {0.078748f, 0.289831f, 0.041532f, 0.491167f}}},
    {"tiny-4.5",
     3,
     3,
     {-7.143537,
      426.310450,
      {0.782288f, -0.010147f, 1.417471f, -0.354538f},
      {-0.979478f, -0.056259f, -1.312096f, -0.318126f}},
     {15.574408,
      131.425038,
      {-0.412855f, 0.219668f, 0.910652f, 0.312454f},
      {0.155586f, 0.662143f, -0.764532f, 0.067218f}},
     {168.321694,
      1161.568683,
      {0.458785f, -0.041982f, 0.188595f, 0.116411f},
      {0.687087f, 0.297497f, 0.552414f, 0.076060f}}},
    {"tiny-4.5",
     3,
     5,
     {-11.749382,
      701.956929,
      {0.654788f, -0.136291f, 1.539632f, 0.504543f},
      {-0.569691f, -0.370481f, -1.242805f, 0.940091f}},
     {13.561677,
      109.801542,
      {-0.394423f, -0.420865f, 0.740324f, -0.037356f},
      {-0.000312f, 0.386543f, -0.329083f, -0.473721f}},
     {96.271052,
      1119.398767,
      {0.337584f, 0.007454f, 0.338585f, 0.447009f},
      {0.566995f, 0.552423f, 0.862944f, 0.054251f}}},
    {"tiny-4.5",
     2,
     10,
     {-13.842408,
      932.474825,
      {0.477718f, -0.698651f, 1.029162f, 0.487683f},
      {0.674740f, -0.609731f, -0.592761f, 1.961475f}},
     {12.296186,
      130.836783,
      {-0.634930f, -0.159832f, 0.038298f, -0.287849f},
      {0.816106f, 0.315801f, -1.131485f, -0.249973f}},
     {138.350870,
      1083.418612,
      {-0.082365f, -0.436974f, -0.148333f, 0.160766f},
      {0.089661f, 0.162650f, 0.000779f, 0.546935f}}},
};

Json preset(std::string_view size) { return find_family("minicpmv")->preset(size); }

const std::vector<int32_t> kIds = {1, 17, 200, 44};

// One picture of h x w patches, then kIds.
TraceInput picture_and_ids(const Model& model, int64_t h, int64_t w) {
  int n = model.pictures().tokens_per_tile;
  TraceInput input;
  input.views = {hashed_tensor("image", {1, 3, 14 * h, 14 * w}, true)};
  input.rows.resize(static_cast<size_t>(n));
  std::iota(input.rows.begin(), input.rows.end(), 0);
  input.rows_at = input.rows;
  input.ids.assign(static_cast<size_t>(n), 0);
  input.ids.insert(input.ids.end(), kIds.begin(), kIds.end());
  return input;
}

std::vector<float> logits_of(const Model& model, const Weights& weights, Executor& executor, int64_t h, int64_t w) {
  Tensor logits = run_trace(model, weights, executor, picture_and_ids(model, h, w), "logits")["logits"];
  return {logits.f32().begin(), logits.f32().end()};
}

// Elements within 2e-5: float32 against float64 through five layers. Sums of up to 3200 such elements.
void expect_summary(const Tensor& values, const Expected& want, const std::string& what) {
  constexpr double kElement = 2e-5, kSum = 2e-3;
  Summary got = summarise(values.f32());
  EXPECT_NEAR(got.sum, want.sum, kSum) << what;
  EXPECT_NEAR(got.sumsq, want.sumsq, kSum) << what;
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(got.first[i], want.first[i], kElement) << what << " first " << i;
    EXPECT_NEAR(got.last[i], want.last[i], kElement) << what << " last " << i;
  }
}

TEST(MiniCpmV, GoldenValuesOfEveryVersionOnEveryExecutor) {
  for (const GoldenRow& row : kGolden) {
    GoldenModel m = golden_model(preset(row.preset));
    for (auto& [name, executor] : all_executors()) {
      std::string what = fmt::format("{} {} x {} {} ", row.preset, row.h, row.w, name);
      Trace trace = run_trace(*m.model, m.weights, *executor, picture_and_ids(*m.model, row.h, row.w));
      expect_summary(trace.at("vision.out"), row.vision, what + "tower");
      expect_summary(trace.at("resampler.out"), row.resampler, what + "resampler");
      // The language model of 2.0 is the rows as they are and twelve times the embeddings.
      expect_summary(trace.at("logits"), row.logits, what + "logits");
    }
  }
}

// ---- files ----

// Wide enough for resampler heads of 128, which files of llama.cpp do not state.
Json wide(std::string_view size) {
  Json config = preset(size);
  config.erase("resampler_head_dim");
  config["hidden_size"] = 128;
  return config;
}

struct VersionCase {
  std::string preset;
  int version;  // clip.minicpmv_version
  LlamaCppOptions text;
};

const VersionCase kVersions[] = {{"tiny-2.0", 1, {"minicpm", true}},
                                 {"tiny-2.5", 2, {"llama", true}},
                                 {"tiny-2.6", 3, {"qwen2"}},
                                 {"tiny-4.0", 5, {"llama", true}},
                                 {"tiny-4.5", 6, {"qwen3"}}};

class EveryVersion : public ::testing::TestWithParam<VersionCase> {
 protected:
  GoldenModel model_ = golden_model(wide(GetParam().preset));
  std::unique_ptr<Executor> executor_ = cpu::make_executor(std::make_shared<ThreadPool>(2));
};

TEST_P(EveryVersion, SavedFolderAndOwnFileGiveTheSameLogits) {
  TemporaryFolder temporary;
  const std::string folder = temporary.path();
  save_checkpoint(folder, *model_.model, model_.weights, nullptr);
  write_gguf(folder + "/own.gguf", *model_.model, model_.weights, nullptr);
  std::vector<float> want = logits_of(*model_.model, model_.weights, *executor_, 3, 5);
  for (const std::string& path : {folder, folder + "/own.gguf"}) {
    Checkpoint loaded = load_checkpoint(path);
    EXPECT_EQ(logits_of(*loaded.model, loaded.weights, *executor_, 3, 5), want) << path;
  }
}

std::string mmproj_name(std::string name) {
  constexpr const char* kNames[][2] = {{"vision.patch_embed", "v.patch_embd"},
                                       {"vision.pos_embed", "v.position_embd.weight"},
                                       {"vision.norm", "v.post_ln"},
                                       {"vision.blocks.", "v.blk."},
                                       {".norm1.", ".ln1."},
                                       {".norm2.", ".ln2."},
                                       {"resampler.attn.proj", "resampler.attn.out"},
                                       {"resampler.pos_q", "resampler.pos_embed"},
                                       {".mlp.fc1", ".ffn_down"},  // exchanged in all these files
                                       {".mlp.fc2", ".ffn_up"}};
  for (auto& [from, to] : kNames) replace(name, from, to);
  if (!name.starts_with("v.")) return name;
  replace(name, ".attn.proj", ".attn_out");
  replace(name, ".attn.", ".attn_");
  return name;
}

void add_vision_weight(GgufWriter& writer, const std::string& name, Tensor data, double embed_scale) {
  if (name == "vision.pos_embed") data = data.reshaped({data.shape()[1], data.shape()[2]});
  if (name == "resampler.proj.weight")
    for (float& v : data.f32()) v = static_cast<float>(v / embed_scale);
  writer.add(mmproj_name(name), data);
}

// As the converters of 2024 wrote it: fc1 and fc2 exchanged, one block too few, no clip.minicpmv_query_num.
void write_mmproj(const std::string& path, const GoldenModel& m, int version) {
  Json config = m.model->config(), vision = config["vision_config"];
  GgufWriter writer;
  writer.set_string("general.architecture", "clip");
  writer.set_string("clip.projector_type", "resampler");
  writer.set<int32_t>("clip.minicpmv_version", version);
  writer.set<uint32_t>("clip.vision.image_size", 448);
  const std::pair<const char*, const char*> counts[] = {{"patch_size", "patch_size"},
                                                        {"embedding_length", "hidden_size"},
                                                        {"feed_forward_length", "intermediate_size"},
                                                        {"attention.head_count", "num_attention_heads"}};
  for (auto& [key, field] : counts)
    writer.set<uint32_t>(std::string("clip.vision.") + key, vision[field].get<uint32_t>());
  writer.set<uint32_t>("clip.vision.block_count", 1);
  writer.set<float>("clip.vision.attention.layer_norm_epsilon", 1e-6f);
  for (auto& [name, weight] : m.weights)
    if (!name.starts_with("text.")) {
      Tensor copy = Tensor::make(DType::F32, weight->data.shape());
      std::copy(weight->data.f32().begin(), weight->data.f32().end(), copy.f32().begin());
      add_vision_weight(writer, name, copy, config.value("scale_emb", 1.0));
    }
  writer.add("resampler.pos_embed_k", Tensor::make(DType::F32, {4900, 128}));  // redundant, ignored
  writer.save(path);
}

TEST_P(EveryVersion, LlamaCppPairGivesTheSameLogitsAlsoWhenConverted) {
  TemporaryFolder temporary;
  const std::string folder = temporary.path();
  ModelFiles pair{.model = folder + "/text.gguf", .mmproj = folder + "/mmproj.gguf"};
  write_llama_cpp_text(pair.model, model_.model->config(), model_.weights, GetParam().text);
  write_mmproj(pair.mmproj, model_, GetParam().version);
  Checkpoint loaded = load_checkpoint(pair);
  EXPECT_TRUE(unread_tensors(open_model(pair)).empty());
  std::vector<float> got = logits_of(*loaded.model, loaded.weights, *executor_, 3, 5);
  // Exact but for 2.0, where proj was divided by 12 and is multiplied again.
  double tolerance = GetParam().version == 1 ? 1e-5 : 0;
  EXPECT_LE(relative_difference(got, logits_of(*model_.model, model_.weights, *executor_, 3, 5)), tolerance);
  write_gguf(folder + "/converted.gguf", *loaded.model, loaded.weights, nullptr);
  Checkpoint converted = load_checkpoint(folder + "/converted.gguf");
  EXPECT_EQ(logits_of(*converted.model, converted.weights, *executor_, 3, 5), got);
}

TEST_P(EveryVersion, APictureAloneEqualsThePictureInABatch) {
  int64_t side = 3 * 14;
  std::vector<std::vector<float>> runs;
  for (int64_t n : {1, 2}) {
    auto program = executor_->compile(encode_graph(*model_.model, model_.weights, {n, 3, side, side}));
    Tensor image = hashed_tensor("image", {1, 3, side, side}, true);
    for (int64_t i = 0; i < n; ++i)
      std::copy(image.f32().begin(), image.f32().end(),
                program->input("pixels").f32().begin() + i * image.shape().elements());
    program->run();
    std::span<float> rows = program->output("embeddings").f32();
    runs.emplace_back(rows.begin(), rows.end());
  }
  size_t one = runs[0].size();
  EXPECT_LT(relative_difference(std::span(runs[1]).first(one), runs[0]), 1e-6);
  EXPECT_LT(relative_difference(std::span(runs[1]).last(one), runs[0]), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(MiniCpmV, EveryVersion, ::testing::ValuesIn(kVersions), [](const auto& info) {
  std::string name = info.param.preset;
  for (char& c : name)
    if (c == '-' || c == '.') c = '_';
  return name;
});

TEST(MiniCpmV, APairThatDoesNotBelongTogetherIsRefused) {
  GoldenModel m = golden_model(wide("tiny-2.6"));
  Json other = wide("tiny-2.6");
  other["hidden_size"] = 256;
  GoldenModel text_model = golden_model(other);
  TemporaryFolder temporary;
  const std::string folder = temporary.path();
  write_llama_cpp_text(folder + "/text.gguf", other, text_model.weights, {"qwen2"});
  write_mmproj(folder + "/mmproj.gguf", m, 3);
  GgufFile text = GgufFile::open(folder + "/text.gguf"), vision = GgufFile::open(folder + "/mmproj.gguf");
  EXPECT_THROW(find_family("minicpmv")->from_gguf(text, &vision), Error);
}

// ---- prompts ----

constexpr char kVocab[] = GALAGO_SOURCE_DIR "/../shared/data/tokenizers/vocab/";

bool has_tokenizers() { return std::filesystem::exists(kVocab); }

const Tokenizer& tokenizer_of(const std::string& version) {  // each is read once
  static const std::string folder = kVocab;
  if (version == "2.0") {
    static const Tokenizer minicpm = load_tokenizer(folder + "minicpm-v.model");
    return minicpm;
  }
  static const Tokenizer qwen =
      load_tokenizer(folder + "qwen2.vocab.json", {.added_path = folder + "qwen2-minicpmv26.added.json"});
  return qwen;
}

// Text of the ids, and {picture:first row+rows} where a picture stands.
std::string spelled(const Tokenizer& tokenizer, const std::vector<PromptPiece>& pieces) {
  std::string text;
  for (const PromptPiece& piece : pieces) {
    text += tokenizer.decode(piece.ids);
    if (piece.picture >= 0) text += fmt::format("{{{}:{}+{}}}", piece.picture, piece.rows[0], piece.rows.size());
  }
  return text;
}

struct Talk {
  std::string version;
  std::unique_ptr<Model> model = make_model(preset("tiny-" + version), "test");
  const Tokenizer& tokenizer = tokenizer_of(version);
  std::vector<SlicePlan> plans = {};

  std::string prompt(const std::vector<std::pair<int, int>>& pictures, const std::string& question, int turn = 0,
                     int before = 0, std::string_view system = {}) {
    plans.clear();
    PictureSpec spec = model->pictures();
    for (auto [width, height] : pictures)
      plans.push_back(find_slicing_policy(spec.policy).plan(width, height, spec.slice));
    std::vector<TurnPart> parts;
    for (const SlicePlan& plan : plans) parts.push_back({.picture = &plan});
    parts.push_back({.text = question});
    return spelled(tokenizer, model->prompt(tokenizer, {parts, turn, before, system}));
  }
};

const std::pair<int, int> kWhole{50, 40}, kTwoByOne{80, 60}, kTwoByTwo{100, 75};  // tiny models slice at 56 x 56

TEST(MiniCpmV, MarkupOf20) {
  if (!has_tokenizers()) GTEST_SKIP() << "no tokenizers beside the source folder";
  Talk talk{"2.0"};
  EXPECT_EQ(talk.prompt({kWhole}, "What?"), "<s><用户><image>{0:0+4}</image>\nWhat?<AI>");
  EXPECT_EQ(talk.prompt({kTwoByOne}, "What?"),
            "<s><用户><image>{0:0+4}</image><slice><image>{0:4+4}</image><image>{0:8+4}</image></slice>\nWhat?<AI>");
  EXPECT_EQ(talk.prompt({kTwoByTwo}, "What?"),
            "<s><用户><image>{0:0+4}</image><slice><image>{0:4+4}</image><image>{0:8+4}</image>\n"
            "<image>{0:12+4}</image><image>{0:16+4}</image></slice>\nWhat?<AI>");
  EXPECT_EQ(talk.prompt({}, "More.", 1), "<用户>More.<AI>");
}

TEST(MiniCpmV, MarkupOf25) {
  if (!has_tokenizers()) GTEST_SKIP() << "no tokenizers beside the source folder";
  Talk talk{"2.5"};  // Llama 3's marks are plain text to this vocabulary, which spells them alike
  const std::string open = "<|start_header_id|>user<|end_header_id|>\n\n";
  const std::string close = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n";
  EXPECT_EQ(talk.prompt({kTwoByOne}, "What?"),
            open + "<image>{0:0+6}</image><slice><image>{0:6+6}</image><image>{0:12+6}</image></slice>\nWhat?" + close);
  EXPECT_EQ(talk.prompt({}, "More.", 1), "<|eot_id|>" + open + "More." + close);
  EXPECT_EQ(talk.prompt({}, "Hi", 0, 0, "Be brief."),
            "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>" + open + "Hi" + close);
}

TEST(MiniCpmV, MarkupOf26) {
  if (!has_tokenizers()) GTEST_SKIP() << "no tokenizers beside the source folder";
  Talk talk{"2.6"};
  const std::string open = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n";
  const std::string close = "<|im_end|>\n<|im_start|>assistant\n";
  EXPECT_EQ(talk.prompt({kWhole}, "What?"), open + "<image_id>0</image_id><image>{0:0+6}</image>\nWhat?" + close);
  EXPECT_EQ(talk.prompt({kTwoByOne}, "What?"),
            open + "<image_id>0</image_id><image>{0:0+6}</image><slice>{0:6+6}</slice><slice>{0:12+6}</slice>\nWhat?" +
                close);
  EXPECT_EQ(talk.prompt({kTwoByTwo}, "What?"),
            open +
                "<image_id>0</image_id><image>{0:0+6}</image><slice>{0:6+6}</slice><slice>{0:12+6}</slice>\n"
                "<slice>{0:18+6}</slice><slice>{0:24+6}</slice>\nWhat?" +
                close);
  EXPECT_EQ(talk.prompt({kWhole, kTwoByOne}, "Both?"),
            open +
                "<image_id>0</image_id><image>{0:0+6}</image>\n"
                "<image_id>1</image_id><image>{1:0+6}</image><slice>{1:6+6}</slice><slice>{1:12+6}</slice>\nBoth?" +
                close);
  EXPECT_EQ(talk.prompt({kWhole}, "And this?", 1, 2),
            "<|im_end|>\n<|im_start|>user\n<image_id>2</image_id><image>{0:0+6}</image>\nAnd this?" + close);
}

TEST(MiniCpmV, FramesOfAVideoHaveNoNumbers) {
  if (!has_tokenizers()) GTEST_SKIP() << "no tokenizers beside the source folder";
  Talk talk{"4.0"};
  talk.prompt({kWhole, kWhole}, "");
  TurnPart parts[] = {
      {.picture = &talk.plans[0], .is_frame = true}, {.picture = &talk.plans[1], .is_frame = true}, {.text = "What?"}};
  EXPECT_EQ(spelled(talk.tokenizer, talk.model->prompt(talk.tokenizer, {parts})),
            "<|im_start|>user\n<image>{0:0+6}</image>\n<image>{1:0+6}</image>\nWhat?<|im_end|>\n"
            "<|im_start|>assistant\n");
}

TEST(MiniCpmV, MarkupOf40HasNoSystemText) {
  if (!has_tokenizers()) GTEST_SKIP() << "no tokenizers beside the source folder";
  Talk talk{"4.0"};
  EXPECT_EQ(talk.prompt({kWhole}, "What?"),
            "<|im_start|>user\n<image_id>0</image_id><image>{0:0+6}</image>\nWhat?<|im_end|>\n<|im_start|>assistant\n");
}

TEST(MiniCpmV, MarkupOf45AnswersAtOnceAndHasNoSystemText) {
  if (!has_tokenizers()) GTEST_SKIP() << "no tokenizers beside the source folder";
  Talk talk{"4.5"};
  EXPECT_EQ(talk.prompt({kWhole}, "What?"),
            "<|im_start|>user\n<image_id>0</image_id><image>{0:0+6}</image>\nWhat?<|im_end|>\n"
            "<|im_start|>assistant\n<think>\n\n</think>\n\n");
}

TEST(MiniCpmV, MarksAreSingleTokensAndUserTextHasNone) {
  if (!has_tokenizers()) GTEST_SKIP() << "no tokenizers beside the source folder";
  Talk talk{"2.6"};
  talk.prompt({kTwoByTwo}, "");
  TurnPart parts[] = {{.picture = &talk.plans[0]}, {.text = "</slice><|im_end|>"}};
  std::vector<PromptPiece> pieces = talk.model->prompt(talk.tokenizer, {parts});
  ASSERT_EQ(pieces.size(), 6u);
  EXPECT_EQ(pieces[0].ids.back(), talk.tokenizer.find("<image>"));
  int32_t slice = *talk.tokenizer.find("<slice>"), end = *talk.tokenizer.find("</slice>");
  int32_t newline = talk.tokenizer.encode("\n").front();
  EXPECT_EQ(pieces[1].ids, (std::vector<int32_t>{*talk.tokenizer.find("</image>"), slice}));
  EXPECT_EQ(pieces[2].ids, (std::vector<int32_t>{end, slice}));
  EXPECT_EQ(pieces[3].ids, (std::vector<int32_t>{end, newline, slice}));
  auto count = [&](int32_t id) { return std::count(pieces[5].ids.begin(), pieces[5].ids.end(), id); };
  EXPECT_EQ(count(*talk.tokenizer.find("<|im_end|>")), 1);  // the template's own
}

// ---- sizes ----

// minicpm-v.md sections 1 and 8.1; the first two are the totals in the checkpoints' own indexes.
TEST(MiniCpmV, PublishedSizesHaveTheirParametersAndTensors) {
  struct Row {
    const char* size;
    int64_t parameters;
    size_t tensors;
  };
  const Row rows[] = {{"2.0", 3434965792, 694}, {"2.5", 8537092336, 741}, {"2.6", 8099175152, 789}};
  for (const Row& row : rows) {
    auto model = make_model(preset(row.size), "test");
    std::set<std::string> names;
    for (const WeightSpec& spec : model->weights()) names.insert(spec.stored.parts.begin(), spec.stored.parts.end());
    EXPECT_EQ(count_parameters(*model), row.parameters) << row.size;
    EXPECT_EQ(names.size(), row.tensors) << row.size;
  }
}

TEST(MiniCpmV, VersionIsFoundOut) {
  Json config = preset("2.0");
  EXPECT_EQ(make_model(config, "test")->pictures().tokens_per_tile, 64);
  config = preset("2.5");
  config.erase("version");
  EXPECT_EQ(make_model(config, "test")->pictures().tokens_per_tile, 96);
  config = preset("tiny");
  config["version"] = 2.6;  // a number in the published file
  EXPECT_NO_THROW(make_model(config, "test"));
  config["version"] = "3.9";
  EXPECT_THROW(make_model(config, "test"), Error);
}

TEST(MiniCpmV, HeadsOfTheResamplerMustFit) {
  Json config = preset("tiny");
  config["resampler_head_dim"] = 24;
  EXPECT_THROW(make_model(config, "test"), Error);
}

}  // namespace
}  // namespace galago::testing
