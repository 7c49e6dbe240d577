// Steps through the cache on the tiny model of every family: several sequences at once say what each says alone, and
// rows of pictures that share a program with fewer rows change nothing.
#include "runtime/step_runner.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/runtime/small_model.h"
#include "tests/support/executors.h"

namespace galago::testing {
namespace {

struct TinyModel {
  std::string name;
  std::shared_ptr<Checkpoint> checkpoint;
};

std::vector<TinyModel> tiny_models() {
  std::vector<TinyModel> models;
  for (const Family& family : all_families())
    for (std::string_view preset : family.presets()) {
      if (!preset.starts_with("tiny")) continue;
      auto checkpoint = std::make_shared<Checkpoint>();
      checkpoint->path = fmt::format("{} {}", family.name, preset);
      checkpoint->model = make_model(family.preset(preset), checkpoint->path);
      checkpoint->weights = random_weights(*checkpoint->model, 5);
      models.push_back({checkpoint->path, checkpoint});
    }
  return models;
}

void run_ids(StepRunner& steps, std::span<const int32_t> ids, int past) {
  std::vector<const float*> rows(ids.size(), nullptr);
  steps.run(ids, rows, past, StepLogits::Last);
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max<double>(most, std::fabs(a[i] - b[i]));
  return most;
}

TEST(StepRunner, SeveralSequencesAtOnceAreEachAsAlone) {
  for (auto& [name, model] : tiny_models()) {
    const CacheSpec spec = model->model->cache();
    const CacheTypes types{DType::F32, DType::F32};
    const std::vector<int32_t> prompt = {3, 1, 4, 1, 5}, next = {9, 2, 6};
    auto executor = all_executors()[0].executor;
    KvCache one(spec, 16, types), many(spec, 16, types, 3);
    StepRunner steps(model, executor, one), batch(model, executor, many);
    run_ids(steps, prompt, 0);
    for (int i = 0; i < 3; ++i) many.copy_rows(one, {0, 0}, {i, 0}, 5);
    batch.run_batch(next, 5);
    const std::vector<float> together(batch.logits().begin(), batch.logits().end());
    const size_t n_vocab = together.size() / 3;
    for (size_t i = 0; i < 3; ++i) {
      run_ids(steps, std::span(&next[i], 1), 5);
      auto logits = std::span(together).subspan(i * n_vocab, n_vocab);
      EXPECT_LT(largest_difference(logits, steps.logits()), 2e-5) << name;  // floats, products of other shapes
    }
    EXPECT_GT(largest_difference(std::span(together).first(n_vocab), std::span(together).last(n_vocab)), 1e-4) << name;
  }
}

TEST(StepRunner, ProgramsForMoreRowsTakeFewer) {
  for (auto& [name, model] : tiny_models()) {
    if (model->model->pictures().policy.empty()) continue;
    const size_t d = static_cast<size_t>(model->model->d_model());
    std::vector<float> picture(3 * d);
    for (size_t i = 0; i < picture.size(); ++i) picture[i] = std::sin(static_cast<float>(i));
    std::vector<int32_t> ids(80, 7);
    std::vector<const float*> rows(80, nullptr);
    for (size_t i = 0; i < 3; ++i) rows[10 + 20 * i] = picture.data() + i * d;
    auto executor = all_executors()[0].executor;
    KvCache cache(model->model->cache(), 80, {DType::F32, DType::F32});
    StepRunner whole(model, executor, cache), pieces(model, executor, cache);
    whole.run(ids, rows, 0, StepLogits::Last);  // 3 rows in a program for 64
    const std::vector<float> expected(whole.logits().begin(), whole.logits().end());
    for (int begin = 0; begin < 80; begin += 20)  // a row or none in programs for 20
      pieces.run(std::span(ids).subspan(static_cast<size_t>(begin), 20),
                 std::span(rows).subspan(static_cast<size_t>(begin), 20), begin,
                 begin == 60 ? StepLogits::Last : StepLogits::None);
    EXPECT_LT(largest_difference(expected, pieces.logits()), 2e-5) << name;
    EXPECT_EQ(pieces.n_compiled(), 2) << name;  // with rows, and the last one
  }
}

}  // namespace
}  // namespace galago::testing
