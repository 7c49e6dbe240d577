// Golden values of InternVL2 and Mini-Monkey: made by the published code (Yuliang-Liu/Monkey, project/mini_monkey) on a
// tiny configuration whose weights follow from their names (mixed_tensor), float32 on a CPU. Printed with six digits;
// sums of thousands of such values differ in the order of addition, hence a relative tolerance for them.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <numeric>

#include "models/language.h"
#include "runtime/token_pruning.h"
#include "runtime/trace.h"
#include "tests/models/golden_model.h"
#include "tests/support/executors.h"
#include "text/load_tokenizer.h"
#if GALAGO_WITH_TORCH
#include "torch/trainer_program.h"
#endif

namespace galago::testing {
namespace {

constexpr double kElement = 1e-5;  // measured 1.4e-6; an element is printed to 5e-7
constexpr int kFirst = 3;          // place of the first picture row in the golden prompt
constexpr int kRows = 44;          // 11 tiles of 4 tokens

Json golden_config() {
  Json config = find_family("internvl")->preset("tiny");
  config["llm_config"]["vocab_size"] = 97;
  config["llm_config"]["max_position_embeddings"] = 256;
  return config;
}

GoldenModel golden() { return golden_model(golden_config(), mixed_tensor); }

// 1 5 6, eleven tiles, 7 8 9 10 11.
TraceInput golden_input() {
  TraceInput input{.ids = {1, 5, 6}, .views = {mixed_values("pixel_values", {11, 3, 56, 56})}};
  input.ids.resize(kFirst + kRows, 0);
  for (int32_t id = 7; id <= 11; ++id) input.ids.push_back(id);
  input.rows_at.resize(kRows);
  input.rows.resize(kRows);
  std::iota(input.rows_at.begin(), input.rows_at.end(), kFirst);
  std::iota(input.rows.begin(), input.rows.end(), 0);
  return input;
}

struct Expected {
  std::vector<float> first, last;
  double sum, sum_abs;
};

void expect_values(std::span<const float> got, const Expected& want, const std::string& what) {
  for (size_t i = 0; i < want.first.size(); ++i) EXPECT_NEAR(got[i], want.first[i], kElement) << what << " first " << i;
  for (size_t i = 0; i < want.last.size(); ++i)
    EXPECT_NEAR(got[got.size() - want.last.size() + i], want.last[i], kElement) << what << " last " << i;
  double sum = 0, sum_abs = 0;
  for (float v : got) sum += v, sum_abs += std::abs(v);
  EXPECT_NEAR(sum, want.sum, 1e-6 * want.sum_abs + 1e-4) << what;
  EXPECT_NEAR(sum_abs, want.sum_abs, 1e-6 * want.sum_abs + 1e-4) << what;
}

std::span<const float> last_row(const Tensor& logits) {
  return logits.f32().last(static_cast<size_t>(logits.shape().last()));
}

int32_t best(std::span<const float> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

std::vector<int32_t> greedy(Executor& executor, const GoldenModel& m, TraceInput input, int n) {
  std::vector<int32_t> out;
  for (int i = 0; i < n; ++i) {
    Trace trace = run_trace(*m.model, m.weights, executor, input, "logits");
    out.push_back(best(last_row(trace["logits"])));
    input.ids.push_back(out.back());
  }
  return out;
}

TEST(InternVl, GoldenPictureAndPromptOnEveryExecutor) {
  GoldenModel m = golden();
  const std::pair<const char*, Expected> values[] = {{"vision.embedded",
                                                      {{0.889246f, -0.437976f, 0.290879f, -0.806589f},
                                                       {-0.376519f, 0.138711f, 1.331840f, 0.805546f},
                                                       56.2462,
                                                       3969.4839}},
                                                     {"vision.blocks.0.attn.out",
                                                      {{0.172712f, 0.553510f, 0.291266f, 0.385007f},
                                                       {0.148547f, 0.679423f, -0.156197f, -0.131748f},
                                                       154.3736,
                                                       1934.5772}},
                                                     {"vision.blocks.0.out",
                                                      {{1.181517f, 0.033815f, 1.619157f, -0.429881f},
                                                       {0.554697f, 0.614012f, -0.136041f, 1.534509f},
                                                       94.5400,
                                                       5400.2095}},
                                                     {"vision.blocks.1.out",
                                                      {{1.452978f, 1.570876f, 1.573045f, -1.486780f},
                                                       {0.326984f, 0.126869f, 0.233960f, 1.596374f},
                                                       1236.0466,
                                                       6951.9518}},
                                                     {"projector.joined",
                                                      {{0.984707f, 1.619713f, 2.324795f, 1.696025f},
                                                       {0.326984f, 0.126869f, 0.233960f, 1.596374f},
                                                       1216.3965,
                                                       6566.7314}},
                                                     {"projector.out",
                                                      {{0.345663f, -0.333246f, -0.953681f, 0.879902f},
                                                       {0.285295f, 1.176380f, -0.939179f, -0.237712f},
                                                       174.0421,
                                                       1584.9800}}};
  for (auto& [name, executor] : all_executors()) {
    Trace trace = run_trace(*m.model, m.weights, *executor, golden_input());
    for (auto& [value, want] : values) expect_values(trace[value].f32(), want, name + " " + value);
    expect_values(last_row(trace["logits"]),
                  {{-0.458215f, -0.464096f, -0.348776f, 1.524985f},
                   {-0.119264f, 1.881270f, -0.566017f, 0.512575f},
                   10.0828,
                   69.5080},
                  name + " logits");
    EXPECT_EQ(greedy(*executor, m, golden_input(), 5), (std::vector<int32_t>{47, 81, 85, 23, 22})) << name;
  }
}

TEST(InternVl, GoldenLanguageModelOnEveryExecutor) {
  GoldenModel m = golden();
  auto row = [&](const char* weight, int64_t i) {
    const Tensor& w = m.weights.at(weight)->data;
    return w.f32().subspan(static_cast<size_t>(i * w.shape().last()), 4);
  };
  // Row 0 of the packed matrix is row 0 of q; key head 1 begins at row 4 * 16 of q k v groups (2 + 1 + 1) * 16.
  std::vector<float> packed = {0.182833f, 0.202800f, 0.115172f, -0.004684f};
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(row("text.blocks.0.attn.q.weight", 0)[i], packed[i], 1e-6);
  TraceInput input{.ids = {1, 5, 6, 7, 8, 9, 10, 11}};
  for (auto& [name, executor] : all_executors()) {
    Trace trace = run_trace(*m.model, m.weights, *executor, input);
    Tensor logits = trace["logits"], block = trace["text.blocks.0.out"];
    std::vector<float> out = {-1.022872f, 1.626239f, -1.698837f, 1.299361f};
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(block.f32()[i], out[i], kElement) << name;
    std::span<const float> last = last_row(logits);
    std::vector<float> want = {-1.429702f, 0.543634f, -0.819406f, 0.470599f};
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(last[i], want[i], kElement) << name;
    EXPECT_NEAR(std::accumulate(last.begin(), last.end(), 0.0), 9.7294, 2e-4) << name;
    std::vector<int32_t> ids;
    for (int64_t i = 0; i < 8; ++i) ids.push_back(best(logits.f32().subspan(static_cast<size_t>(i * 97), 97)));
    EXPECT_EQ(ids, (std::vector<int32_t>{91, 28, 91, 4, 53, 45, 45, 27})) << name;
  }
}

// Published code, with its off-by-one: four detailed tiles, half of their tokens stay and place 19 goes too.
TEST(InternVl, GoldenCompressionOnEveryExecutor) {
  GoldenModel m = golden();
  Json config = golden_config();
  config["galago_slicing"] = "minimonkey";
  config["galago_scm"] = {{"fix_offset", false}};
  m.model = make_model(config, "golden");
  SlicePlan plan = find_slicing_policy("minimonkey").plan(56, 56, m.model->pictures().slice);
  ASSERT_EQ(plan.n_tiles(), 11);
  TokenPruning pruning = m.model->pruning(plan);
  EXPECT_EQ(pruning.n_candidates, 16);
  EXPECT_EQ(pruning.n_kept, 8);
  const std::vector<float> want = {0.0173548f, 0.0232813f, 0.0219592f, 0.0298113f, 0.0261316f, 0.0258990f,
                                   0.0290366f, 0.0351283f, 0.0303308f, 0.0266181f, 0.0321353f, 0.0372570f,
                                   0.0384756f, 0.0338048f, 0.0448165f, 0.0359651f};
  for (auto& [name, executor] : all_executors()) {
    TraceInput input = golden_input();
    Trace trace = run_trace(*m.model, m.weights, *executor, input, "projector.out");
    PromptRows prompt{input.ids, std::vector<const float*>(input.ids.size(), nullptr)};
    for (int i = 0; i < kRows; ++i) prompt.rows[kFirst + i] = trace["projector.out"].f32().data() + i * 64;
    std::vector<float> scores = importance(*m.model, m.weights, *executor, prompt, pruning);
    ASSERT_EQ(scores.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(scores[i], want[i], 5e-7) << name << " " << i;

    std::vector<int32_t> kept = kept_places(52, kFirst, pruning, scores);
    ASSERT_EQ(kept.size(), 43u);
    EXPECT_EQ(std::vector<int32_t>(kept.begin(), kept.begin() + 12),
              (std::vector<int32_t>{0, 1, 2, 10, 11, 13, 14, 15, 16, 17, 18, 20}));
    TraceInput shorter{.views = input.views};
    for (int32_t place : kept) {
      if (prompt.rows[static_cast<size_t>(place)]) {
        shorter.rows_at.push_back(static_cast<int32_t>(shorter.ids.size()));
        shorter.rows.push_back(place - kFirst);
      }
      shorter.ids.push_back(input.ids[static_cast<size_t>(place)]);
    }
    Trace pruned = run_trace(*m.model, m.weights, *executor, shorter, "logits");
    expect_values(last_row(pruned["logits"]),
                  {{-0.528962f, -0.173760f, -0.474232f, 1.720893f},
                   {-0.075408f, 1.670680f, -0.513937f, 0.858171f},
                   11.6132,
                   67.9564},
                  name + " logits");
    EXPECT_EQ(greedy(*executor, m, shorter, 5), (std::vector<int32_t>{47, 81, 31, 81, 85})) << name;
    PromptRows whole = pruned_prompt(*m.model, m.weights, *executor, prompt, plan);
    EXPECT_EQ(whole.ids, shorter.ids) << name;
  }
}

// Places 47 .. 50 predict 8 9 10 11; picture rows come as they are, so that only the language model has gradients.
std::shared_ptr<Graph> golden_loss_graph(const GoldenModel& m) {
  auto graph = std::make_shared<Graph>();
  Graph& g = *graph;
  Scope s(g, m.weights);
  PositionInfo at{.positions = g.input("positions", DType::I32, {52})};
  Value x = m.model->embed(s, g.input("ids", DType::I32, {1, 52}));
  Value rows = g.input("rows", DType::F32, {kRows, 64});
  x = scatter(g, reshape(g, x, {52, 64}), rows, g.input("rows_at", DType::I32, {kRows}));
  Value hidden = m.model->decode(s, reshape(g, x, {1, 52, 64}), at, {});
  Value logits = m.model->logits(s, slice(g, hidden, 1, 47, 51));
  g.output(cross_entropy(g, logits, g.input("targets", DType::I32, {1, 4})), "loss");
  return graph;
}

std::map<std::string, Tensor> golden_loss_inputs(const GoldenModel& m, Executor& executor) {
  TraceInput input = golden_input();
  Trace trace = run_trace(*m.model, m.weights, executor, input, "projector.out");
  std::vector<int32_t> positions(52);
  std::iota(positions.begin(), positions.end(), 0);
  return {{"ids", Tensor::from({1, 52}, input.ids)},
          {"positions", Tensor::from({52}, positions)},
          {"rows", trace["projector.out"].reshaped({kRows, 64})},
          {"rows_at", Tensor::from({kRows}, input.rows_at)},
          {"targets", Tensor::from({1, 4}, std::vector<int32_t>{8, 9, 10, 11})}};
}

TEST(InternVl, GoldenLossOnEveryExecutor) {
  GoldenModel m = golden();
  for (auto& [name, executor] : all_executors()) {
    auto program = executor->compile(golden_loss_graph(m));
    for (auto& [input, tensor] : golden_loss_inputs(m, *executor))
      std::memcpy(program->input(input).bytes(), tensor.bytes(), tensor.n_bytes());
    program->run();
    EXPECT_NEAR(program->output("loss").f32()[0], 4.932103, 5e-6) << name;
  }
}

#if GALAGO_WITH_TORCH
TEST(InternVl, GoldenGradientsOfTheLanguageModel) {
  GoldenModel m = golden();
  auto trainer = torch_backend::make_trainer({});
  auto executor = torch_backend::make_executor();
  EXPECT_NEAR(trainer->forward_backward(*golden_loss_graph(m), golden_loss_inputs(m, *executor), 1), 4.932103, 5e-6);
  auto norm = [&](std::initializer_list<const char*> names) {
    double squares = 0;
    for (const char* name : names) {
      Tensor gradient = trainer->gradient(std::string("text.") + name);
      for (float v : gradient.f32()) squares += static_cast<double>(v) * v;
    }
    return std::sqrt(squares);
  };
  EXPECT_NEAR(norm({"head.weight"}), 4.039388, 2e-5);
  EXPECT_NEAR(norm({"blocks.0.attn.q.weight", "blocks.0.attn.k.weight", "blocks.0.attn.v.weight"}), 3.423848, 2e-5);
  EXPECT_NEAR(norm({"blocks.2.mlp.down.weight"}), 2.222809, 2e-5);
  EXPECT_NEAR(norm({"norm.weight"}), 0.481681, 2e-5);
  EXPECT_NEAR(norm({"token_embed.weight"}), 0.623522, 2e-5);
  Tensor q = trainer->gradient("text.blocks.0.attn.q.weight");
  std::vector<float> first = {0.0037538f, 0.0131074f, 0.0069668f, 0.0013793f};
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(q.f32()[i], first[i], 1e-6);
  EXPECT_NEAR(trainer->step(0), 10.241343, 5e-5);  // the norm over all
}
#endif

TEST(InternVl, PublishedSizeHasItsTensorsAndParameters) {
  for (const char* size : {"2b", "minimonkey-2b"}) {
    auto model = make_model(find_family("internvl")->preset(size), "t");
    std::set<std::string> tensors;
    for (const WeightSpec& spec : model->weights()) tensors.insert(spec.stored.parts.begin(), spec.stored.parts.end());
    EXPECT_EQ(tensors.size(), 517u) << size;
    EXPECT_EQ(count_parameters(*model), 2205754368) << size;
    EXPECT_EQ(model->pictures().tokens_per_tile, 256);
    EXPECT_EQ(model->cache().max_context, 2 * 32768);  // dynamic rope scaling by a factor of 2
  }
}

TEST(InternVl, TokensOfAPicture) {
  struct Row {
    int width, height, plain, monkey, kept;  // tokens; kept: with compression, its offset not fixed
  };
  const Row rows[] = {{448, 448, 256, 2816, 2303},    {640, 480, 3328, 4864, 3327},   {1920, 1080, 2304, 3840, 2815},
                      {1653, 2339, 1792, 2816, 2047}, {3000, 1000, 3328, 4352, 2815}, {100, 37, 2816, 3584, 2303}};
  Json config = find_family("internvl")->preset("minimonkey-2b");
  config["galago_scm"] = {{"fix_offset", false}};
  auto plain = make_model(find_family("internvl")->preset("2b"), "t"), monkey = make_model(config, "t");
  auto plan = [](const Model& m, const Row& row) {
    return find_slicing_policy(m.pictures().policy).plan(row.width, row.height, m.pictures().slice);
  };
  for (const Row& row : rows) {
    EXPECT_EQ(256 * plan(*plain, row).n_tiles(), row.plain) << row.width;
    SlicePlan views = plan(*monkey, row);
    EXPECT_EQ(256 * views.n_tiles(), row.monkey) << row.width;
    TokenPruning p = monkey->pruning(views);
    EXPECT_EQ(row.monkey - p.n_candidates + p.n_kept - p.drop_next, row.kept) << row.width;
  }
}

// A plain InternVL checkpoint cut as InternVL cuts has nothing to leave out.
TEST(InternVl, NothingIsPrunedWithoutDetailedTiles) {
  auto model = make_model(find_family("internvl")->preset("tiny"), "t");
  SlicePlan plan = find_slicing_policy("internvl").plan(56, 56, model->pictures().slice);
  EXPECT_EQ(model->pruning(plan).n_candidates, 0);
  Json config = find_family("internvl")->preset("tiny");
  config["galago_slicing"] = {{"policy", "minimonkey"}, {"min_tiles", 1}, {"max_tiles", 8}};
  config["galago_scm"] = true;
  model = make_model(config, "t");
  plan = find_slicing_policy("minimonkey").plan(56, 56, model->pictures().slice);
  EXPECT_EQ(plan.views.front().name, "adaptive") << "a detailed grid of 1 x 1 is the global view";
  EXPECT_EQ(model->pruning(plan).n_candidates, 0);
}

TEST(InternVl, V1ExchangesRowsAndColumnsOfTokens) {
  Json config = golden_config();
  config.erase("ps_version");  // the published default
  GoldenModel v2 = golden(), v1 = golden_model(config, mixed_tensor);
  auto executor = all_executors().front().executor;
  Trace a = run_trace(*v2.model, v2.weights, *executor, golden_input(), "projector.out");
  Trace b = run_trace(*v1.model, v1.weights, *executor, golden_input(), "projector.out");
  std::span<float> x = a["projector.out"].f32(), y = b["projector.out"].f32();  // [11, 2 x 2, 64]
  constexpr size_t kOther[] = {0, 2, 1, 3};
  for (size_t i = 0; i < x.size(); ++i)
    ASSERT_NEAR(y[i], x[i / 256 * 256 + kOther[i / 64 % 4] * 64 + i % 64], 1e-6) << i;
}

std::vector<int32_t> flat(const std::vector<PromptPiece>& pieces, int32_t image_token) {
  std::vector<int32_t> ids;
  for (const PromptPiece& piece : pieces) {
    ids.insert(ids.end(), piece.ids.begin(), piece.ids.end());
    ids.insert(ids.end(), piece.rows.size(), image_token);
  }
  return ids;
}

class InternVlPrompt : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = GALAGO_SOURCE_DIR "/../shared/data/tokenizers/vocab/";
    if (!std::ifstream(folder + "internlm2.model")) GTEST_SKIP() << "the tokenizer files are not in " << folder;
    tokenizer = std::make_unique<Tokenizer>(
        load_tokenizer(folder + "internlm2.model", {.added_path = folder + "internvl2.added.json"}));
    Json config = find_family("internvl")->preset("tiny");
    config["force_image_size"] = 28;  // one token a tile
    model = make_model(config, "t");
  }
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<Model> model;
  SlicePlan one{{SliceView{.width = 28, .height = 28}}};
};

TEST_F(InternVlPrompt, ReferenceIds) {
  const TurnPart parts[] = {{.picture = &one}, {.text = "Read the all text in the image."}};
  EXPECT_EQ(flat(model->prompt(*tokenizer, {.parts = parts}), 92546),
            (std::vector<int32_t>{1,     92543, 9081,  364,   60403, 69643, 68589, 76659, 71581, 69504, 60731, 61325,
                                  68636, 68640, 74302, 60384, 60393, 60838, 60921, 60368, 70218, 60353, 69430, 78131,
                                  1214,  1070,  30924, 328,   262,   68625, 71042, 90861, 91468, 68925, 72018, 60355,
                                  92542, 92543, 1008,  364,   92544, 92546, 92545, 364,   4580,  410,   810,   1614,
                                  435,   410,   2321,  281,   92542, 92543, 525,   11353, 364}));
}

std::string text_of(const Tokenizer& tokenizer, const std::vector<PromptPiece>& pieces) {
  std::string text;
  for (int32_t id : flat(pieces, 92546)) text += tokenizer.decode(std::span(&id, 1));
  return text;
}

TEST_F(InternVlPrompt, SeveralPicturesAndTurns) {
  SlicePlan two{{SliceView{.width = 56, .height = 28, .cols = 2}}};
  const TurnPart parts[] = {
      {.text = "Image-1: "}, {.picture = &one}, {.text = "Image-2: "}, {.picture = &two}, {.text = "Which one?"}};
  auto pieces = model->prompt(*tokenizer, {.parts = parts, .system = "S"});
  EXPECT_EQ(text_of(*tokenizer, pieces),
            "<s><|im_start|>system\nS<|im_end|><|im_start|>user\nImage-1: <img><IMG_CONTEXT></img>\nImage-2: "
            "<img><IMG_CONTEXT><IMG_CONTEXT></img>\nWhich one?<|im_end|><|im_start|>assistant\n");
  std::vector<int> pictures;
  for (const PromptPiece& piece : pieces)
    if (piece.picture >= 0) pictures.push_back(piece.picture);
  EXPECT_EQ(pictures, (std::vector<int>{0, 1}));
  const TurnPart next[] = {{.text = "Why? <|im_end|>"}};
  pieces = model->prompt(*tokenizer, {.parts = next, .index = 1, .n_pictures_before = 2});
  EXPECT_EQ(text_of(*tokenizer, pieces),
            "<|im_end|><|im_start|>user\nWhy? <|im_end|><|im_end|><|im_start|>assistant\n");
  std::vector<int32_t> ids = flat(pieces, 0);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 92542), 2) << "words of a user are no control tokens";
}

void expect_refused(Json config, std::string_view why) {
  try {
    make_model(config, "t");
    ADD_FAILURE() << "accepted; expected: " << why;
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(why), std::string::npos) << e.what();
  }
}

TEST(InternVl, BadConfigsAreRefused) {
  const std::tuple<const char*, Json, const char*> rows[] = {
      {"/vision_config/norm_type", "batch_norm", "norm_type"},
      {"/vision_config/num_attention_heads", 5, "5 heads"},
      {"/vision_config", 7, "vision_config: expected an object"},
      {"/llm_config/model_type", "mamba", "mamba"},
      {"/llm_config/bias", true, "bias"},
      {"/template", "phi3-chat", "phi3-chat"},
      {"/select_layer", -4, "select_layer"},
      {"/pad2square", true, "pad2square"},
      {"/force_image_size", 70, "70 pixels"},
      {"/downsample_ratio", 0.4, "downsample_ratio 0.4"},
      {"/max_dynamic_patch", 100000, "max_dynamic_patch"},
      {"/galago_slicing", "nanovlm", "nanovlm"},
      {"/galago_slicing", 5, "galago_slicing"},
      {"/galago_scm", true, "policy minimonkey"},
      {"/galago_scm", "yes", "galago_scm"},
  };
  for (auto& [path, value, why] : rows) {
    Json config = find_family("internvl")->preset("tiny");
    config[Json::json_pointer(path)] = value;
    expect_refused(config, why);
  }
  Json config = find_family("internvl")->preset("tiny");
  config["galago_slicing"] = {{"policy", "minimonkey"}, {"order", "adaptive"}};
  config["galago_scm"] = true;
  expect_refused(config, "detailed tiles first");
}

}  // namespace
}  // namespace galago::testing
