// Golden values of both nano families. They were made by the published code (seemore; huggingface/nanoVLM) on weights
// hashed from their names (tests/support/golden.h), float32 on a CPU. Tolerances as stated with the values: 2e-5 an
// element, 1e-3 a sum (5e-3 for the logits of HF nanoVLM, whose tied embeddings make them large).
#include <gtest/gtest.h>

#include <numeric>

#include "runtime/graphs.h"
#include "tests/models/golden_model.h"
#include "tests/support/executors.h"

namespace galago::testing {
namespace {

constexpr double kElement = 2e-5;

struct Expected {
  double sum, sumsq;
  std::vector<float> first, last;
};

void expect_summary(std::span<const float> values, const Expected& want, double sum_tolerance,
                    const std::string& what) {
  Summary got = summarise(values);
  EXPECT_NEAR(got.sum, want.sum, sum_tolerance) << what;
  EXPECT_NEAR(got.sumsq, want.sumsq, sum_tolerance) << what;
  for (size_t i = 0; i < want.first.size(); ++i)
    EXPECT_NEAR(got.first[i], want.first[i], kElement) << what << " first " << i;
  for (size_t i = 0; i < want.last.size(); ++i)
    EXPECT_NEAR(got.last[i], want.last[i], kElement) << what << " last " << i;
}

void fill(Tensor to, const Tensor& from) { std::copy(from.f32().begin(), from.f32().end(), to.f32().begin()); }
void fill(Tensor to, const std::vector<int32_t>& from) { std::copy(from.begin(), from.end(), to.i32().begin()); }

// One forward pass of picture and text with every named value kept.
std::unique_ptr<Program> run_sequence(Executor& executor, const GoldenModel& m, const std::vector<int32_t>& ids) {
  int64_t side = m.model->pictures().slice.tile, n_text = std::ssize(ids);
  auto program = executor.compile(sequence_graph(*m.model, m.weights, 1, 1, n_text), {.keep_named = true});
  fill(program->input("pixels"), hashed_tensor("image", {1, 3, side, side}, true));
  fill(program->input("ids"), ids);
  std::span<int32_t> positions = program->input("positions").i32();
  std::iota(positions.begin(), positions.end(), 0);
  program->run();
  return program;
}

std::vector<int32_t> argmax_rows(const Tensor& logits) {
  std::vector<int32_t> best;
  int64_t n = logits.shape().last();
  for (int64_t row = 0; row < logits.shape().rows(); ++row) {
    auto begin = logits.f32().begin() + row * n;
    best.push_back(static_cast<int32_t>(std::max_element(begin, begin + n) - begin));
  }
  return best;
}

// Greedy continuation by full recomputation: the definition that the cache must agree with.
std::vector<int32_t> greedy_by_recomputation(Executor& executor, const GoldenModel& m, std::vector<int32_t> ids,
                                             int n) {
  std::vector<int32_t> out;
  for (int i = 0; i < n; ++i) {
    auto program = run_sequence(executor, m, ids);
    out.push_back(argmax_rows(program->output("logits")).back());
    ids.push_back(out.back());
  }
  return out;
}

// Picture and prompt in one chunk through the cache, then token by token. Returns the logits of every step.
std::vector<std::vector<float>> cached_logits(Executor& executor, const GoldenModel& m, const std::vector<int32_t>& ids,
                                              int n) {
  int64_t side = m.model->pictures().slice.tile;
  int n_rows = m.model->pictures().tokens_per_tile, n_prompt = n_rows + static_cast<int>(ids.size());
  auto encoder = executor.compile(encode_graph(*m.model, m.weights, {1, 3, 32, 32}));
  fill(encoder->input("pixels"), hashed_tensor("image", {1, 3, side, side}, true));
  encoder->run();
  std::vector<LayerCache> caches = empty_caches(*m.model, n_prompt + n);
  std::vector<std::vector<float>> steps;
  auto step = [&](Program& program, int past, int count) {
    program.input("past").i32()[0] = past;
    std::span<int32_t> positions = program.input("positions").i32();
    std::iota(positions.begin(), positions.end(), past);
    program.run();
    std::span<float> logits = program.output("logits").f32();
    steps.emplace_back(logits.begin(), logits.end());
    return past + count;
  };
  auto prompt = executor.compile(step_graph(*m.model, m.weights, caches, n_prompt, n_rows, StepLogits::Last));
  std::vector<int32_t> padded(static_cast<size_t>(n_rows), 0);
  padded.insert(padded.end(), ids.begin(), ids.end());
  fill(prompt->input("ids"), padded);
  fill(prompt->input("rows"), encoder->output("embeddings"));
  std::iota(prompt->input("rows_at").i32().begin(), prompt->input("rows_at").i32().end(), 0);
  int past = step(*prompt, 0, n_prompt);
  auto one = executor.compile(step_graph(*m.model, m.weights, caches, 1, 0, StepLogits::Last));
  for (int i = 1; i < n; ++i) {
    const std::vector<float>& logits = steps.back();
    fill(one->input("ids"),
         std::vector<int32_t>{static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin())});
    past = step(*one, past, 1);
  }
  return steps;
}

void expect_cache_equals_recomputation(Executor& executor, const GoldenModel& m, std::vector<int32_t> ids, int n) {
  for (const std::vector<float>& step : cached_logits(executor, m, ids, n)) {
    auto program = run_sequence(executor, m, ids);
    Tensor logits = program->output("logits");
    std::span<float> last = logits.f32().last(step.size());
    for (size_t i = 0; i < step.size(); ++i)
      ASSERT_NEAR(step[i], last[i], kElement) << "logit " << i << " after " << ids.size() << " tokens";
    ids.push_back(static_cast<int32_t>(std::max_element(step.begin(), step.end()) - step.begin()));
  }
}

Json nanovlms_tiny(bool seemore) {
  Json config = find_family("nanovlms")->preset("tiny");
  if (seemore) {
    config["attn_scale"] = "embd";
    config["ffn_residual"] = "normed";
  }
  return config;
}

const std::vector<int32_t> kCaption = {1, 9, 30, 4};

double caption_loss(Executor& executor, const GoldenModel& m) {
  auto program = executor.compile(loss_graph(*m.model, m.weights, 1, 1, 4));
  fill(program->input("pixels"), hashed_tensor("image", {1, 3, 32, 32}, true));
  fill(program->input("ids"), kCaption);
  fill(program->input("targets"), {9, 30, 4, 2});
  std::iota(program->input("positions").i32().begin(), program->input("positions").i32().end(), 0);
  program->run();
  return program->output("loss").f32()[0];
}

TEST(HashedTensors, AreTheAgreedOnes) {
  EXPECT_NEAR(hashed_uniform("x", 0), 0.20120823, 1e-8);
  EXPECT_NEAR(hashed_uniform("x", 1), 0.80852675, 1e-8);
  Tensor image = hashed_tensor("image", {4}, true);
  std::vector<float> want = {0.191766f, 0.448378f, 0.131285f, -0.450194f};
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(image.f32()[i], want[i], 1e-6);
}

TEST(NanoVlms, SeemoreCompatibleValuesOnEveryExecutor) {
  GoldenModel m = golden_model(nanovlms_tiny(true));
  for (auto& [name, executor] : all_executors()) {
    auto program = run_sequence(*executor, m, kCaption);
    expect_summary(program->output("vision.out").f32(),
                   {-0.643206, 31.922596, {-0.269266f, -0.231987f, -0.654792f, -1.025186f}, {}}, 1e-3, name + " CLS");
    expect_summary(program->output("projector.out").f32(),
                   {-1.579636, 0.977049, {-0.433835f, 0.100180f, -0.119949f, 0.115856f}, {}}, 1e-3,
                   name + " visual token");
    expect_summary(program->output("logits").f32(),
                   {2.540880,
                    86.991400,
                    {0.443889f, -0.407286f, -0.089904f, -0.168780f},
                    {0.318959f, -0.462824f, -0.287739f, -0.296751f}},
                   1e-3, name + " logits");
    EXPECT_EQ(argmax_rows(program->output("logits")), (std::vector<int32_t>{32, 17, 17, 0, 17})) << name;
    EXPECT_NEAR(caption_loss(*executor, m), 4.139191, kElement) << name;
    EXPECT_EQ(greedy_by_recomputation(*executor, m, kCaption, 5), (std::vector<int32_t>{17, 20, 16, 17, 20})) << name;
  }
}

TEST(NanoVlms, DefaultValuesOnEveryExecutor) {
  GoldenModel m = golden_model(nanovlms_tiny(false));
  for (auto& [name, executor] : all_executors()) {
    auto program = run_sequence(*executor, m, kCaption);
    expect_summary(program->output("logits").f32(),
                   {8.597054,
                    81.598035,
                    {0.440840f, -0.327764f, -0.052988f, -0.243688f},
                    {0.454577f, -0.599050f, -0.036892f, 0.076218f}},
                   1e-3, name + " logits");
    EXPECT_EQ(argmax_rows(program->output("logits")), (std::vector<int32_t>{32, 31, 6, 0, 47})) << name;
    EXPECT_NEAR(caption_loss(*executor, m), 4.110331, kElement) << name;
  }
}

TEST(NanoVlms, CacheEqualsRecomputation) {
  for (bool seemore : {false, true}) {
    GoldenModel m = golden_model(nanovlms_tiny(seemore));
    for (auto& [name, executor] : all_executors()) expect_cache_equals_recomputation(*executor, m, kCaption, 6);
  }
}

TEST(NanoVlms, ConvolutionOptionsAgreeOnEveryExecutor) {
  for (const char* option : {"two_conv_patch", "two_conv_image"}) {
    Json config = nanovlms_tiny(false);
    config["patch_embed"] = option;
    config["projector"] = "linear_gelu";
    GoldenModel m = golden_model(config);
    std::vector<float> first;
    for (auto& [name, executor] : all_executors()) {
      auto program = run_sequence(*executor, m, kCaption);
      std::span<float> logits = program->output("logits").f32();
      if (first.empty()) first.assign(logits.begin(), logits.end());
      for (size_t i = 0; i < first.size(); ++i) ASSERT_NEAR(logits[i], first[i], kElement) << option << " " << name;
    }
  }
}

TEST(NanoVlms, ParameterCountsOfTheThreeSizes) {
  struct Row {
    const char* size;
    int vocab;
    int64_t total;
  };
  // Encoder + projector + decoder at V = 10,000; the totals at 8,000 follow.
  const Row rows[] = {{"mini", 10000, 2311600 + 795296 + 2472400},
                      {"base", 10000, 9948672 + 1312896 + 4281360},
                      {"large", 10000, 16250368 + 1444032 + 8485264}};
  for (const Row& row : rows) {
    Json config = find_family("nanovlms")->preset(row.size);
    config["vocab_size"] = row.vocab;
    EXPECT_EQ(count_parameters(*make_model(config, "t")), row.total) << row.size;
  }
  const std::pair<const char*, double> millions[] = {{"mini", 5.19}, {"base", 15.03}, {"large", 25.41}};
  for (auto& [size, want] : millions) {
    double got = static_cast<double>(count_parameters(*make_model(find_family("nanovlms")->preset(size), "t"))) * 1e-6;
    EXPECT_NEAR(got, want, 0.005) << size;
  }
}

Json hf_tiny() { return find_family("hf-nanovlm")->preset("tiny"); }

// The golden prompt has its picture in front of the words only for our sequence graph; the reference's is 7, picture,
// 11 42 3. So it runs through the cache graph, which puts picture rows anywhere.
std::unique_ptr<Program> run_hf_prompt(Executor& executor, const GoldenModel& m, std::vector<LayerCache>& caches) {
  auto encoder = executor.compile(encode_graph(*m.model, m.weights, {1, 3, 32, 32}), {.keep_named = true});
  fill(encoder->input("pixels"), hashed_tensor("image", {1, 3, 32, 32}, true));
  encoder->run();
  expect_summary(encoder->output("vision.out").f32(),
                 {-10.134840,
                  546.121531,
                  {-0.153692f, -1.390203f, -1.169821f, 0.920901f},
                  {-1.047261f, -0.835725f, 0.606673f, 0.660986f}},
                 1e-3, "vision");
  expect_summary(encoder->output("embeddings").f32(),
                 {12.900499,
                  65.884624,
                  {1.209603f, 0.881951f, 0.185729f, -0.135567f},
                  {-0.113236f, -0.222161f, 0.494884f, -0.111996f}},
                 1e-3, "projector");
  auto prompt = executor.compile(step_graph(*m.model, m.weights, caches, 8, 4, StepLogits::Last), {.keep_named = true});
  fill(prompt->input("ids"), {7, 100, 100, 100, 100, 11, 42, 3});
  fill(prompt->input("rows"), encoder->output("embeddings"));
  fill(prompt->input("rows_at"), {1, 2, 3, 4});
  std::iota(prompt->input("positions").i32().begin(), prompt->input("positions").i32().end(), 0);
  prompt->input("past").i32()[0] = 0;
  prompt->run();
  return prompt;
}

// Logits of every position from the decoder's hidden states.
std::vector<float> all_logits(Executor& executor, const GoldenModel& m, const Tensor& hidden) {
  auto graph = std::make_shared<Graph>();
  Value x = graph->input("hidden", DType::F32, hidden.shape());
  graph->output(m.model->logits(Scope(*graph, m.weights), x), "logits");
  auto program = executor.compile(graph);
  fill(program->input("hidden"), hidden);
  program->run();
  std::span<float> logits = program->output("logits").f32();
  return {logits.begin(), logits.end()};
}

TEST(HfNanoVlm, GoldenValuesOnEveryExecutor) {
  GoldenModel m = golden_model(hf_tiny());
  for (auto& [name, executor] : all_executors()) {
    std::vector<LayerCache> caches = empty_caches(*m.model, 16);
    auto prompt = run_hf_prompt(*executor, m, caches);
    std::vector<float> logits = all_logits(*executor, m, prompt->output("text.out"));
    expect_summary(logits,
                   {0.306226,
                    3673.599710,
                    {1.861068f, -1.173502f, 3.860632f, -0.353919f},
                    {-0.379523f, -0.133529f, -1.590461f, -1.332937f}},
                   5e-3, name + " logits");
    EXPECT_EQ(argmax_rows(Tensor::from({8, 101}, logits)), (std::vector<int32_t>{7, 6, 26, 82, 47, 11, 42, 3})) << name;
    expect_summary(prompt->output("logits").f32(),
                   {-15.848494,
                    607.358601,
                    {1.694379f, -3.917675f, 0.866859f, 10.957243f},
                    {-0.379523f, -0.133529f, -1.590461f, -1.332937f}},
                   5e-3, name + " last logits");
    auto one = executor->compile(step_graph(*m.model, m.weights, caches, 1, 0, StepLogits::Last));
    std::vector<int32_t> greedy = {argmax_rows(prompt->output("logits"))[0]};
    for (int past = 8; past < 13; ++past) {
      one->input("ids").i32()[0] = greedy.back();
      one->input("past").i32()[0] = one->input("positions").i32()[0] = past;
      one->run();
      greedy.push_back(argmax_rows(one->output("logits"))[0]);
    }
    EXPECT_EQ(greedy, (std::vector<int32_t>{3, 3, 3, 3, 3, 3})) << name;
  }
}

TEST(HfNanoVlm, CacheEqualsRecomputation) {
  GoldenModel m = golden_model(hf_tiny());
  for (auto& [name, executor] : all_executors()) expect_cache_equals_recomputation(*executor, m, {11, 42, 3}, 6);
}

TEST(HfNanoVlm, ParameterCountsOfPublishedSizes) {
  const std::pair<const char*, int64_t> rows[] = {
      {"222M", 222081600}, {"450M", 450614400}, {"460M", 460113984}, {"230M", 228063936}};
  for (auto& [size, want] : rows)
    EXPECT_EQ(count_parameters(*make_model(find_family("hf-nanovlm")->preset(size), "t")), want) << size;
}

TEST(HfNanoVlm, BadConfigsNameTheField) {
  Json config = hf_tiny();
  config["vit_patch_size"] = 0;
  try {
    make_model(config, "t");
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("\"vit_patch_size\" is 0"), std::string::npos) << e.what();
  }
  config = hf_tiny();
  config.erase("lm_vocab_size");
  EXPECT_THROW(make_model(config, "t"), Error);
  config = hf_tiny();
  config["lm_n_kv_heads"] = 4;  // does not divide 6 heads
  EXPECT_THROW(make_model(config, "t"), Error);
}

}  // namespace
}  // namespace galago::testing
