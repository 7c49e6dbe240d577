// Letting the vision network go: its memory is free, and the next picture is encoded all the same.
#include <gtest/gtest.h>

#include <filesystem>

#include "runtime/memory_use.h"
#include "runtime/session.h"
#include "tests/runtime/small_model.h"
#include "tests/support/executors.h"

namespace galago::testing {
namespace {

namespace fs = std::filesystem;

struct TemporaryFile {
  std::string path = (fs::temp_directory_path() / fmt::format("galago_release_{}.gguf", ::getpid())).string();
  ~TemporaryFile() { fs::remove(path); }
};

// A vision network of some 75 MB over a tiny language model.
void write_model(const std::string& path) {
  Json config = find_family("bluelm-v")->preset("tiny");
  config["vision"].update({{"hidden", 512}, {"ffn", 2048}, {"layers", 6}});
  config["llm"]["vocab_size"] = 300;
  auto model = make_model(config, path);
  write_gguf(path, *model, random_weights(*model, 3), small_tokenizer().get());
}

size_t vision_bytes(const Checkpoint& checkpoint) {
  size_t n = 0;
  for (const auto& [name, weight] : checkpoint.weights)
    if (!name.starts_with("text.")) n += weight->data.n_bytes();
  return n;
}

std::vector<int32_t> ask(Session& session, bool release) {
  session.attach_image(gradient());
  session.append("two dogs");
  if (release) session.release_vision();
  session.generate({.max_new_tokens = 6, .sampling = {}, .ignore_end = true});
  return {session.generated_ids().begin(), session.generated_ids().end()};
}

TEST(SlowRelease, FreesTheVisionNetwork) {
  if (memory_use().resident() == 0) GTEST_SKIP() << "this system does not tell";
  TemporaryFile file;
  write_model(file.path);
  auto checkpoint = std::make_shared<Checkpoint>(load_checkpoint(file.path));
  const size_t n_bytes = vision_bytes(*checkpoint);
  ASSERT_GT(n_bytes, size_t{60} << 20);
  Session session(checkpoint, all_executors()[0].executor, {.n_context = 256});
  const std::vector<int32_t> first = ask(session, false);
  const size_t before = memory_use().resident();
  session.release_vision();
  EXPECT_LT(memory_use().resident(), before - n_bytes / 10 * 8);
  session.reset();
  EXPECT_EQ(ask(session, true), first);
}

}  // namespace
}  // namespace galago::testing
