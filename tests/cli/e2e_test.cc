// Transcripts of the program: tests/e2e/*.json, one file a command. Each is a list of steps that run one after the
// other in one folder, which holds the pictures and models of prepare():
//   {"run": "slice --policy square 64x48",   the command line after "galago", as the shell would read it
//    "stdin": "...",                         optional
//    "needs": "name",                        optional: the step is left out unless this file is beside the program
//    "exit": 0,                              0 done, 1 failed, 2 wrong usage
//    "stdout": "...",                        exact; or
//    "json": {...},                          stdout is one JSON object with (at least) these fields; or
//    "stdout_has": ["regex", ...],
//    "stderr_has": ["regex", ...],           without it a step that succeeds must leave stderr empty
//    "files": ["name", ...]}                 must be there afterwards
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <regex>

#include "base/file.h"
#include "base/json.h"
#include "image/write_png.h"

namespace galago {
namespace {

namespace fs = std::filesystem;

const std::string kTranscripts = GALAGO_SOURCE_DIR "/tests/e2e";

std::vector<std::string> transcripts() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kTranscripts))
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem());
  std::sort(names.begin(), names.end());
  return names;
}

struct Outcome {
  int exit = -1;
  std::string out, err;
};

Outcome run(const fs::path& folder, const std::string& arguments, const std::string& input) {
  std::ofstream(folder / "stdin") << input;  // not write_file(): it waits for the disk
  std::string command = fmt::format("cd '{}' && XDG_CACHE_HOME=cache '{}' {} < stdin > stdout 2> stderr",
                                    folder.string(), GALAGO_BINARY, arguments);
  int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file((folder / "stdout").string()),
          read_file((folder / "stderr").string())};
}

// 8 x 6, red grows to the right and green downwards.
Image small_picture() {
  Image image = make_image(8, 6, {0, 0, 200});
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      image.pixel(x, y)[0] = static_cast<uint8_t>(30 * x);
      image.pixel(x, y)[1] = static_cast<uint8_t>(40 * y);
    }
  return image;
}

// What every transcript may use: picture.png, broken.png, clip.mp4 (90 frames of 64 x 48, ten a second), and the random
// models nano/ and hf/.
void prepare(const fs::path& folder) {
  fs::remove_all(folder);
  fs::create_directories(folder);
  write_png((folder / "picture.png").string(), small_picture());
  std::string png = read_file((folder / "picture.png").string());
  write_file((folder / "broken.png").string(), std::string_view(png).substr(0, png.size() / 2));
  fs::copy_file(GALAGO_SOURCE_DIR "/tests/image/video/counter.mp4", folder / "clip.mp4");
  ASSERT_EQ(run(folder, "data random-model nanovlms --out nano", "").exit, 0);
  ASSERT_EQ(run(folder, "data random-model hf-nanovlm --out hf", "").exit, 0);
}

// Every field of `wanted` is in `found` and equal to it; numbers within a millionth.
void expect_subset(const Json& wanted, const Json& found, const std::string& where) {
  if (wanted.is_object() && found.is_object()) {
    for (auto& [key, value] : wanted.items()) {
      ASSERT_TRUE(found.contains(key)) << where << "." << key << " is missing in " << found.dump();
      expect_subset(value, found[key], where + "." + key);
    }
  } else if (wanted.is_number_float() && found.is_number()) {
    double value = wanted.get<double>();
    EXPECT_NEAR(found.get<double>(), value, 1e-6 * std::max(1.0, std::abs(value))) << where;
  } else {
    EXPECT_EQ(wanted, found) << where;
  }
}

void expect_matches(const Json& step, const char* field, const std::string& text) {
  if (!step.contains(field)) return;
  for (const Json& pattern : step[field])
    EXPECT_TRUE(std::regex_search(text, std::regex(pattern.get<std::string>())))
        << field << " " << pattern << "\nfound: " << text;
}

void check_step(const Json& step, const fs::path& folder) {
  Outcome outcome = run(folder, step["run"].get<std::string>(), step.value("stdin", ""));
  EXPECT_EQ(outcome.exit, step.value("exit", 0)) << outcome.err;
  if (step.contains("stdout")) {
    EXPECT_EQ(outcome.out, step["stdout"].get<std::string>());
  }
  if (step.contains("json")) expect_subset(step["json"], parse_json(outcome.out, "stdout"), "stdout");
  expect_matches(step, "stdout_has", outcome.out);
  expect_matches(step, "stderr_has", outcome.err);
  if (!step.contains("stderr_has")) {
    EXPECT_EQ(outcome.err, "");
  }
  for (const Json& file : step.value("files", Json::array()))
    EXPECT_TRUE(fs::exists(folder / file.get<std::string>())) << file;
}

bool can_run(const Json& step) {
  return !step.contains("needs") ||
         fs::exists(fs::path(GALAGO_BINARY).parent_path() / step["needs"].get<std::string>());
}

class EndToEnd : public testing::TestWithParam<std::string> {};

TEST_P(EndToEnd, Transcript) {
  fs::path folder = fs::path(testing::TempDir()) / fmt::format("galago-e2e-{}-{}", GetParam(), getpid());
  prepare(folder);
  for (const Json& step : read_json(kTranscripts + "/" + GetParam() + ".json")) {
    if (!can_run(step)) continue;
    SCOPED_TRACE("galago " + step["run"].get<std::string>());
    check_step(step, folder);
  }
  fs::remove_all(folder);
}

INSTANTIATE_TEST_SUITE_P(Commands, EndToEnd, testing::ValuesIn(transcripts()), [](const auto& test) {
  std::string name = test.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace galago
