// A stopped run that goes on is the run that was never stopped: the same losses to the last bit, the same files.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/rng.h"
#include "tests/train/small_run.h"
#include "train/caption_training.h"

namespace galago {
namespace {

namespace fs = std::filesystem;

void expect_same_run(const std::string& a, const std::string& b) {
  EXPECT_FALSE(logged(a, "loss").empty());
  for (const char* field : {"loss", "gradient_norm", "learning_rate", "validation_loss"})
    EXPECT_EQ(logged(a, field), logged(b, field)) << field;
  for (const char* link : {"last", "best"}) {
    EXPECT_EQ(fs::read_symlink(a + "/" + link), fs::read_symlink(b + "/" + link)) << link;
    for (const char* file : {"model.safetensors", "optimizer.safetensors", "state.json", "tokenizer.json"})
      EXPECT_EQ(read_file(fmt::format("{}/{}/{}", a, link, file)), read_file(fmt::format("{}/{}/{}", b, link, file)))
          << link << "/" << file;
  }
}

class Resume : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override { set_quiet(true); }
  // The first `stop` steps of a run of `steps`.
  static void train_part(const std::string& folder, int64_t stop, int64_t steps, bool bf16, bool resume) {
    Recipe r = small_recipe(folder, steps, bf16);
    r.stages[1].steps = stop - r.stages[0].steps;
    train_captions(r, resume);
  }
};

TEST_P(Resume, GivesTheSameBits) {
  SKIP_WITHOUT_FONT();
  std::string suffix = GetParam() ? "-bf16" : "-f32";
  std::string whole = fresh_folder("resume-whole" + suffix), parts = fresh_folder("resume-parts" + suffix);
  train_captions(small_recipe(whole, 10, GetParam()), false);
  train_part(parts, 4, 10, GetParam(), false);
  train_part(parts, 8, 10, GetParam(), true);
  train_captions(small_recipe(parts, 10, GetParam()), true);
  EXPECT_EQ(logged(whole, "loss").size(), 10u);
  expect_same_run(whole, parts);
}

INSTANTIATE_TEST_SUITE_P(Precision, Resume, testing::Bool(),
                         [](const auto& info) { return info.param ? "bf16" : "f32"; });

TEST(RunFolder, WhatALaterRunMeets) {
  SKIP_WITHOUT_FONT();
  set_quiet(true);
  std::string folder = fresh_folder("run-later");
  fs::create_directories(folder);
  write_file(folder + "/log.jsonl", "{\"step\":1,\"loss\":9}\n");  // of a run that ended before its first checkpoint
  write_file(folder + "/tokenizer.json", "broken");
  Recipe recipe = small_recipe(folder, 3, false);
  TrainingResult result = train_captions(recipe, false);
  EXPECT_EQ(result.steps, 3);
  EXPECT_EQ(logged(folder, "loss").size(), 3u);
  for (const char* file : {"recipe.json", "curves.svg", "last/config.json", "best/model.safetensors"})
    EXPECT_TRUE(fs::exists(folder + "/" + file)) << file;
  EXPECT_THROW(train_captions(recipe, false), Error);  // would overwrite a checkpoint
  EXPECT_EQ(train_captions(recipe, true).steps, 3);    // nothing left to do

  Recipe next = small_recipe(fresh_folder("run-next"), 3, false);  // goes on from weights and tokenizer of another run
  next.init = folder + "/best";
  train_captions(next, false);
  EXPECT_EQ(read_file(next.out + "/tokenizer.json"), read_file(folder + "/best/tokenizer.json"));
  EXPECT_LT(std::stod(logged(next.out, "loss")[0].second), std::stod(logged(folder, "loss")[0].second));
  next.out = fresh_folder("run-other-config");
  next.model["n_embd"] = 32;
  EXPECT_THROW(train_captions(next, false), Error);
}

// The program itself, killed without warning at some moment of its work.
class SlowKill : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kEmojiFont)) GTEST_SKIP() << "the package fonts-noto-color-emoji is not installed";
    write_file(recipe_, recipe_to_json(small_recipe("unused", 24, true)).dump());
  }

  pid_t start(const std::string& folder, bool resume) {
    std::vector<std::string> words = {GALAGO_PROGRAM, "train", recipe_};
    if (resume)
      words.insert(words.end(), {"--resume", folder});
    else
      words.insert(words.end(), {"--set", "out=" + folder});
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_t child = ::fork();
    if (child == 0) {
      if (!std::freopen("/dev/null", "w", stdout) || !std::freopen("/dev/null", "w", stderr)) ::_exit(126);
      ::execv(GALAGO_PROGRAM, arguments.data());
      ::_exit(127);
    }
    return child;
  }

  static int wait_for(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
  }

  // Waits until the log has grown by `lines`, then `more` microseconds; false if the program ended before.
  static bool let_work(pid_t child, const std::string& folder, int64_t lines, int64_t more) {
    auto count = [&] {
      std::error_code none;
      auto size = fs::file_size(folder + "/log.jsonl", none);
      return none ? int64_t{0} : static_cast<int64_t>(size);
    };
    constexpr int64_t kLineBytes = 140;
    int64_t begin = count();
    for (int i = 0; i < 60000; ++i) {
      if (::waitpid(child, nullptr, WNOHANG) == child) return false;
      if (count() >= begin + lines * kLineBytes) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(more));
    return true;
  }

  std::string recipe_ = testing::TempDir() + "/kill.yaml";
};

TEST_F(SlowKill, TheRunGoesOnAsIfNothingHappened) {
  std::string whole = fresh_folder("kill-whole"), broken = fresh_folder("kill-broken");
  int status = wait_for(start(whole, false));
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  Rng rng(20);
  int kills = 0;
  for (int attempt = 0; attempt < 6; ++attempt) {
    pid_t child = start(broken, fs::exists(broken));
    if (!let_work(child, broken, rng.below(8), rng.below(40000))) break;  // it was faster
    ::kill(child, attempt == 3 ? SIGTERM : SIGKILL);                      // once politely: it saves and ends well
    status = wait_for(child);
    EXPECT_TRUE(attempt == 3 ? WIFEXITED(status) : WIFSIGNALED(status)) << status;
    ++kills;
  }
  EXPECT_GE(kills, 3);
  EXPECT_TRUE(fs::exists(broken + "/last/state.json"));  // the last run below goes on, it does not start again
  status = wait_for(start(broken, true));
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(logged(whole, "loss").size(), 24u);
  expect_same_run(whole, broken);
  for (const auto& entry : fs::directory_iterator(broken))
    EXPECT_EQ(entry.path().string().find(".tmp"), std::string::npos) << entry.path();
}

}  // namespace
}  // namespace galago
