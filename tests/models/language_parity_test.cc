// Tiny random language models made and run by transformers (tools/parity/language.py): the folder as transformers wrote
// it must load and give the logits that transformers computed.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "formats/safetensors.h"
#include "runtime/checkpoint.h"
#include "runtime/trace.h"
#include "tests/support/executors.h"

namespace galago::testing {
namespace {

// Both sides work in float32 and differ in the order of sums; measured below 1e-6 of the largest logit.
constexpr double kRelative = 5e-6;

class TransformersModel : public ::testing::TestWithParam<const char*> {};

TEST_P(TransformersModel, GivesTheLogitsOfTransformers) {
  std::string folder = std::string(GALAGO_SOURCE_DIR "/tests/golden/language/") + GetParam();
  Checkpoint checkpoint = load_checkpoint(folder);
  SafetensorsFile expected = SafetensorsFile::open(folder + "/expected.safetensors");
  Tensor ids = expected.get("ids"), want = expected.get("logits");
  TraceInput input = trace_input(*checkpoint.model, ids.i32(), {});
  double largest = 0;
  for (float v : want.f32()) largest = std::max(largest, std::fabs(static_cast<double>(v)));
  for (auto& [name, executor] : all_executors()) {
    Tensor got = run_trace(*checkpoint.model, checkpoint.weights, *executor, input, "logits")["logits"];
    ASSERT_EQ(got.shape(), want.shape());
    for (size_t i = 0; i < got.f32().size(); ++i)
      ASSERT_NEAR(got.f32()[i], want.f32()[i], kRelative * largest) << name << " logit " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Language, TransformersModel,
                         ::testing::Values("llama", "llama-rope-llama3", "llama-rope-longrope",
                                           "llama-rope-longrope-short", "llama-tied-linear", "minicpm", "qwen2",
                                           "qwen3", "phi", "phi-qk-norm", "gpt_neox", "gpt_neox-sequential",
                                           "llama-rope-dynamic", "llama-rope-longrope-within", "minicpm3",
                                           "minicpm3-whole-queries"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace galago::testing
