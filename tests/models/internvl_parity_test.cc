// Tiny random InternVLs that transformers made and ran (tools/parity/internvl.py), saved as InternVL2's own files are:
// galago must load them and give the same picture rows and logits.
#include <gtest/gtest.h>

#include <numeric>

#include "formats/safetensors.h"
#include "runtime/checkpoint.h"
#include "runtime/trace.h"
#include "tests/models/text_logits.h"
#include "tests/support/executors.h"

namespace galago::testing {
namespace {

// Both sides work in float32 and differ in the order of sums; measured 1e-6 of the largest value.
constexpr double kRelative = 1e-5;

class TransformersInternVl : public ::testing::TestWithParam<const char*> {};

TEST_P(TransformersInternVl, GivesTheRowsAndLogitsOfTransformers) {
  std::string folder = std::string(GALAGO_SOURCE_DIR "/tests/golden/internvl/") + GetParam();
  Checkpoint checkpoint = load_checkpoint(folder);
  SafetensorsFile expected = SafetensorsFile::open(folder + "/expected.safetensors");
  TraceInput input{.ids = {1, 5, 6}, .views = {expected.get("pixels")}};
  int n_rows = static_cast<int>(expected.get("rows").shape()[0]);
  for (int i = 0; i < n_rows; ++i) {
    input.rows.push_back(i);
    input.rows_at.push_back(3 + i);
    input.ids.push_back(0);
  }
  input.ids.insert(input.ids.end(), {7, 8, 9});
  for (auto& [name, executor] : all_executors()) {
    Trace trace = run_trace(*checkpoint.model, checkpoint.weights, *executor, input);
    EXPECT_LT(relative_difference(trace["projector.out"].f32(), expected.get("rows").f32()), kRelative) << name;
    EXPECT_LT(relative_difference(trace["logits"].f32(), expected.get("logits").f32()), kRelative) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(InternVl, TransformersInternVl,
                         ::testing::Values("internvl2", "positions-resized", "tower-6b"), [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace galago::testing
