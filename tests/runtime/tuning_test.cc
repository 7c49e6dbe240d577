// Settings of the machine: measured in range, kept beside others, and nothing from files that hold something else.
#include "runtime/tuning.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "cpu/executor.h"
#include "tests/runtime/small_model.h"

namespace galago::testing {
namespace {

namespace fs = std::filesystem;

struct Folder {
  fs::path path = fs::temp_directory_path() / fmt::format("galago_tuning_{}", ::getpid());
  std::string file = (path / "deep" / "tuning.json").string();
  Folder() { fs::remove_all(path); }
  ~Folder() { fs::remove_all(path); }
};

TEST(Tuning, IsMeasuredInRange) {
  auto make = [](int n) { return std::shared_ptr(cpu::make_executor(std::make_shared<ThreadPool>(n))); };
  const Tuning tuning = measure_tuning(*tiny_model("hf-nanovlm", "question"), make);
  EXPECT_GE(tuning.threads, 1);
  EXPECT_GE(tuning.chunk, 32);
  EXPECT_GE(tuning.tile_batch, 1);
}

TEST(Tuning, IsKeptForEachModel) {
  Folder folder;
  auto one = tiny_model("hf-nanovlm", "question"), other = tiny_model("nanovlms");
  EXPECT_FALSE(read_tuning(folder.file, *one));
  const Tuning a{2, 64, 4}, b{1, 128, 0};
  write_tuning(folder.file, *one, a);
  write_tuning(folder.file, *other, b);
  EXPECT_EQ(read_tuning(folder.file, *one), a);
  EXPECT_EQ(read_tuning(folder.file, *other), b);
  write_tuning(folder.file, *one, b);
  EXPECT_EQ(read_tuning(folder.file, *one), b);
}

TEST(Tuning, ADamagedFileHoldsNothing) {
  Folder folder;
  auto model = tiny_model("hf-nanovlm", "question");
  write_tuning(folder.file, *model, {2, 64, 4});
  const std::string good = read_file(folder.file);
  for (const char* bad : {"", "[]", "{", "{\"a\": 3}", "3"}) {
    write_file(folder.file, bad);
    EXPECT_FALSE(read_tuning(folder.file, *model)) << bad;
  }
  for (auto [from, to] : {std::pair{": 64", ": -64"}, {": 64", ": 99999999999999999999"}, {": 64", ": \"64\""}}) {
    std::string bad = good;
    bad.replace(bad.find(from), std::string_view(from).size(), to);
    write_file(folder.file, bad);
    EXPECT_FALSE(read_tuning(folder.file, *model)) << bad;
  }
  write_tuning(folder.file, *model, {2, 64, 4});
  EXPECT_EQ(read_tuning(folder.file, *model), (Tuning{2, 64, 4}));
}

}  // namespace
}  // namespace galago::testing
