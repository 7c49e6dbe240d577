// What is read from the machine: its memory's speed, and this process's share of the memory.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "runtime/estimate.h"
#include "runtime/machine_probe.h"
#include "runtime/memory_use.h"
#include "tests/runtime/small_model.h"

namespace galago::testing {
namespace {

constexpr size_t kMegabyte = size_t{1} << 20;

TEST(ReadProbe, ReadsAsMuchAsTheWorkDoes) {
  ReadProbe small(1, 1), large(8 * kMegabyte, 2);
  EXPECT_EQ(small.buffer_bytes(), kMegabyte / 2);  // one block
  EXPECT_EQ(large.buffer_bytes(), 8 * kMegabyte);
  for (ReadProbe* probe : {&small, &large}) {
    EXPECT_GT(probe->bytes_per_second(), 1e7);   // slower than any memory
    EXPECT_LT(probe->bytes_per_second(), 1e14);  // faster than any: nothing would have been read
  }
}

TEST(MemoryUse, SeesWhatIsWritten) {
  const MemoryUse before = memory_use();
  if (before.resident() == 0) GTEST_SKIP() << "this system does not tell";
  auto bytes = std::make_unique<char[]>(64 * kMegabyte);
  std::memset(bytes.get(), 1, 64 * kMegabyte);
  const MemoryUse after = memory_use();
  EXPECT_GE(after.anonymous, before.anonymous + 60 * kMegabyte);
  EXPECT_GE(after.peak, after.resident() - kMegabyte);  // counted in batches a processor
  bytes.reset();
  if (reset_peak_memory()) {
    EXPECT_LT(memory_use().peak, after.peak);
  }
}

// Every weight once, but of the table of tokens only a row; keys and values of each place in two bytes.
TEST(DecodeBytes, AreThoseOfTheWeightsThatATokenMeets) {
  auto model = tiny_model("hf-nanovlm", "question");
  const CacheSpec cache = model->model->cache();
  const DecodeBytes bytes = decode_bytes(*model, {DType::F16, DType::F16});
  double expected = 0;
  bool has_head = false;
  for (const auto& [name, weight] : model->weights) {
    has_head = has_head || name == "text.head.weight";
    if (name.starts_with("text.") && name != "text.token_embed.weight")
      expected += static_cast<double>(weight->data.n_bytes());
  }
  if (!has_head) expected += static_cast<double>(model->weights.at("text.token_embed.weight")->data.n_bytes());
  EXPECT_EQ(bytes.weights, expected);
  EXPECT_EQ(bytes.per_place, 2.0 * 2 * cache.n_layers * cache.n_kv_heads * cache.d_head);
  EXPECT_EQ(bytes.at(10), bytes.weights + 10 * bytes.per_place);
}

// Products of a prompt: each weight of the blocks for every token, the output matrix for the last one.
TEST(Operations, AreTwoForEveryWeightAndToken) {
  auto model = tiny_model("hf-nanovlm", "question");
  const double one = prompt_operations(*model, 1).floats, ten = prompt_operations(*model, 10).floats;
  double blocks = 0;
  for (const auto& [name, weight] : model->weights)
    if (name.starts_with("text.blocks.") && weight->data.shape().rank() == 2)
      blocks += 2 * static_cast<double>(weight->data.elements());
  EXPECT_EQ(ten - one, 9 * blocks);
  const double head = 2.0 * model->model->n_vocab() * model->model->d_model();
  EXPECT_EQ(one, blocks + head);
  EXPECT_EQ(prompt_operations(*model, 1).bytes, 0);
}

}  // namespace
}  // namespace galago::testing
