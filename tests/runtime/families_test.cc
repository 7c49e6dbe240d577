// Every family with every tiny preset, from the lists: a random checkpoint in the reference's own layout gives the same
// numbers from its folder and from galago's GGUF, on every executor, and says the same words. A family that is added is
// tested here without a line more.
#include <gtest/gtest.h>

#include <cmath>

#include "cpu/footprint.h"
#include "runtime/estimate.h"
#include "runtime/picture.h"
#include "runtime/random_model.h"
#include "runtime/session.h"
#include "runtime/trace.h"
#include "tests/support/executors.h"
#include "tests/support/metered_executor.h"
#include "tests/support/temporary_folder.h"
#include "text/train_bpe.h"

namespace galago::testing {
namespace {

struct Row {
  std::string family, preset;
  friend void PrintTo(const Row& row, std::ostream* os) { *os << row.family << " " << row.preset; }
};

std::vector<Row> tiny_rows() {
  std::vector<Row> rows;
  for (const Family& family : all_families())
    for (std::string_view preset : family.presets())
      if (preset.starts_with("tiny")) rows.push_back({std::string(family.name), std::string(preset)});
  return rows;
}

Tokenizer toy_tokenizer(const Model& model, int n_vocab) {
  std::vector<std::string> corpus(20, "what is in the picture? a red apple and two dogs in the green grass");
  BpeTrainOptions options{.vocab_size = n_vocab};
  std::ranges::move(prompt_tokens(model), std::back_inserter(options.specials));
  return train_bpe(corpus, options);
}

Image picture() {
  Image image = make_image(90, 61);
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      for (int c = 0; c < 3; ++c) image.pixel(x, y)[c] = static_cast<uint8_t>(3 * x + 5 * y + 70 * c + x * y / 7);
  return image;
}

std::vector<Image> pictures_for(const Model& model) {
  if (model.pictures().policy.empty()) return {};
  return {picture()};
}

double relative_error(const Tensor& a, const Tensor& b) {
  double worst = 0, size = 0;
  for (size_t i = 0; i < b.f32().size(); ++i) {
    worst = std::max(worst, std::fabs(static_cast<double>(a.f32()[i]) - b.f32()[i]));
    size = std::max(size, std::fabs(static_cast<double>(b.f32()[i])));
  }
  return size > 0 ? worst / size : worst;
}

class EveryFamily : public ::testing::TestWithParam<Row> {
 protected:
  TemporaryFolder temporary_;

  // Weights ten times as wide as training would begin with: the words then depend on everything.
  std::string write_folder() {
    const Row& row = GetParam();
    const Family& family = *find_family(row.family);
    Json config = family.preset(row.preset);
    constexpr int kVocab = 340;  // room for the bytes
    for (const char* field : {"vocab_size", "lm_vocab_size"})
      if (config.contains(field)) config[field] = std::max(config[field].get<int>(), kVocab);
    auto model = make_model(config, row.family);
    Weights weights = random_weights(*model, 5);
    for (auto& [name, weight] : weights)
      if (weight->data.shape().rank() > 1)
        for (float& value : weight->data.f32()) value *= 10;
    Tokenizer tokenizer = toy_tokenizer(*model, std::min(model->n_vocab(), kVocab));
    std::string folder = temporary_.file("model");
    save_checkpoint(folder, *model, weights, &tokenizer);
    return folder;
  }

  Trace trace(const Checkpoint& c, Executor& executor) {
    std::vector<Image> pictures = pictures_for(*c.model);
    return run_trace(*c.model, c.weights, executor, trace_input(*c.model, *c.tokenizer, "what is it", pictures));
  }

  std::vector<int32_t> greedy(std::shared_ptr<Checkpoint> c, std::shared_ptr<Executor> executor) {
    Session session(c, executor,
                    {.n_context = std::min(c->model->cache().max_context, 1024), .cache_type = DType::F32});
    for (const Image& image : pictures_for(*c->model)) session.attach_image(image);
    session.append("what is it");
    session.generate({.max_new_tokens = 12, .ignore_end = true});
    return {session.generated_ids().begin(), session.generated_ids().end()};
  }
};

TEST_P(EveryFamily, FolderAndOneFileAreTheSameOnEveryExecutor) {
  std::string folder = write_folder(), file = folder + ".gguf";
  auto from_folder = std::make_shared<Checkpoint>(load_checkpoint(folder));
  EXPECT_TRUE(unread_tensors(open_model({.model = folder})).empty());
  write_gguf(file, *from_folder->model, from_folder->weights, from_folder->tokenizer.get());
  auto from_file = std::make_shared<Checkpoint>(load_checkpoint(file));

  auto executors = all_executors();
  Trace reference = trace(*from_folder, *executors[0].executor);
  std::vector<int32_t> words = greedy(from_folder, executors[0].executor);
  for (auto& [name, value] : trace(*from_file, *executors[0].executor))
    if (value.dtype() == DType::F32) {
      EXPECT_EQ(relative_error(value, reference.at(name)), 0) << name;
    }
  EXPECT_EQ(greedy(from_file, executors[0].executor), words);

  double worst = 0;
  for (auto& [executor_name, executor] : executors) {
    for (auto& [name, value] : trace(*from_folder, *executor)) {
      if (value.dtype() != DType::F32) continue;
      double error = relative_error(value, reference.at(name));
      worst = std::max(worst, error);
      // A few roundings of 2^-24 a layer, in sums of at most a few hundred terms.
      EXPECT_LT(error, 3e-5) << executor_name << " " << name;
    }
    EXPECT_EQ(greedy(from_folder, executor), words) << executor_name;
  }
  RecordProperty("worst_relative_error", fmt::format("{:.1e}", worst));
}

// Guesses one token, then two, then three, and so on in turn.
class EveryLength final : public Drafter {
 public:
  std::vector<DraftedToken> draft(std::span<const int32_t>, int n) override {
    return std::vector<DraftedToken>(static_cast<size_t>(n_drafts_++ % n + 1), DraftedToken{1});
  }

 private:
  int n_drafts_ = 0;
};

// What `galago run` says before it begins is enough for the programs that it will hold, and not much more.
void expect_estimate_holds(std::shared_ptr<Checkpoint> checkpoint, ExpectedUse use) {
  constexpr int kThreads = 2;
  auto executor = std::make_shared<MeteredExecutor>(cpu::make_executor(std::make_shared<ThreadPool>(kThreads)));
  std::vector<TurnPart> parts;
  for (const Image& image : pictures_for(*checkpoint->model))
    use.pictures.push_back(plan_picture(image, picture_spec(*checkpoint)));
  for (const SlicePlan& plan : use.pictures) parts.push_back({.picture = &plan});
  parts.push_back({.text = "what is it"});
  use.prompt = picture_places(checkpoint->model->prompt(*checkpoint->tokenizer, {.parts = parts}));
  auto bytes = [](const Graph& graph) { return cpu::program_bytes(graph, kThreads); };
  const MemoryEstimate estimate = estimate_memory(*checkpoint, use, bytes);

  Session session(checkpoint, executor, {.n_context = use.n_context, .chunk = use.chunk, .tile_batch = use.tile_batch});
  for (const Image& image : pictures_for(*checkpoint->model)) session.attach_image(image);
  if (use.eager) session.prefill_pictures();
  session.append("what is it");
  session.generate({.max_new_tokens = 4 + 4 * use.max_draft,
                    .ignore_end = true,
                    .drafter = use.max_draft > 0 ? std::make_shared<EveryLength>() : nullptr,
                    .max_draft = use.max_draft});
  EXPECT_EQ(estimate.cache, session.cache_bytes());
  int n_dropped = 0;
  for (const SlicePlan& plan : use.pictures) {
    const TokenPruning pruning = checkpoint->model->pruning(plan);
    n_dropped += pruning.n_candidates - pruning.n_kept + (pruning.drop_next ? 1 : 0);
  }
  EXPECT_EQ(std::ssize(use.prompt) - n_dropped, session.timings().n_prompt);
  EXPECT_GE(estimate.activations, executor->peak_bytes());
  EXPECT_LE(static_cast<double>(estimate.activations), 1.25 * static_cast<double>(executor->peak_bytes()));
}

TEST_P(EveryFamily, TheMemoryEstimateCoversItsPrograms) {
  std::string folder = write_folder();
  auto checkpoint = std::make_shared<Checkpoint>(load_checkpoint(folder));
  const ExpectedUse plain{.n_context = std::min(checkpoint->model->cache().max_context, 1024),
                          .chunk = 24};  // many pieces
  ExpectedUse grouped = plain, eager = plain, drafted = plain;
  grouped.tile_batch = 2;
  eager.eager = true;
  drafted.max_draft = 3;
  for (const ExpectedUse& use : {plain, grouped, eager, drafted}) {
    SCOPED_TRACE(fmt::format("tile_batch {}, eager {}, max_draft {}", use.tile_batch, use.eager, use.max_draft));
    expect_estimate_holds(checkpoint, use);
  }
}

TEST(ExtraTokens, AreAddedToATokenizerThatHasNone) {
  TemporaryFolder temporary;
  Json config = find_family("hf-nanovlm")->preset("tiny-tiles");
  auto full = make_model(config, "t");
  const int n_extra = static_cast<int>(full->extra_tokens().size()), n_plain = 290;
  config["lm_vocab_size"] = n_plain + n_extra;
  auto model = make_model(config, "t");
  std::vector<std::string> corpus(20, "what is in the picture? a red apple and two dogs in the green grass");
  Tokenizer plain = train_bpe(corpus, {.vocab_size = n_plain});
  ASSERT_EQ(plain.vocab_size(), n_plain);
  save_checkpoint(temporary.path(), *model, random_weights(*model, 1), &plain);
  auto tokenizer = open_model({.model = temporary.path()}).tokenizer;
  EXPECT_EQ(tokenizer->vocab_size(), model->n_vocab());
  EXPECT_EQ(tokenizer->find("<|image|>"), n_plain);
  EXPECT_EQ(tokenizer->find("<row_8_col_8>"), model->n_vocab() - 1);

  Tokenizer other = train_bpe(corpus, {.vocab_size = n_plain - 1});
  save_checkpoint(temporary.path(), *model, random_weights(*model, 1), &other);
  try {
    open_model({.model = temporary.path()});
    FAIL() << "a tokenizer of another size";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("has 289 tokens, with 66 more of the config 355, but the model has 356"),
              std::string::npos)
        << e.what();
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, EveryFamily, ::testing::ValuesIn(tiny_rows()), [](const auto& info) {
  std::string name = info.param.family + "_" + info.param.preset;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
});

}  // namespace
}  // namespace galago::testing
