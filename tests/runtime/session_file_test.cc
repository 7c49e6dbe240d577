// Sessions in files: what comes back is what was saved, and no damaged file does more than throw.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "runtime/session.h"
#include "tests/runtime/small_model.h"
#include "tests/support/executors.h"

namespace galago::testing {
namespace {

namespace fs = std::filesystem;

const GenerateOptions kSix{.max_new_tokens = 6, .sampling = {}, .ignore_end = true};

class SessionFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / fmt::format("galago_session_{}", ::getpid());
    fs::create_directories(folder_);
    model_ = tiny_model("hf-nanovlm", "question");
    executor_ = all_executors()[0].executor;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string file(const char* name) const { return (folder_ / name).string(); }
  Session make(const SessionOptions& options = {.n_context = 128}) const { return Session(model_, executor_, options); }
  static void talk(Session& session) {
    session.attach_image(gradient());
    session.append("two dogs");
    session.generate(kSix);
  }
  static std::vector<int32_t> next(Session& session) {
    session.append("a red apple");
    session.generate(kSix);
    return {session.generated_ids().begin(), session.generated_ids().end()};
  }
  static std::string message(Session& session, const std::string& path) {
    try {
      session.load(path);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }

  fs::path folder_;
  std::shared_ptr<Checkpoint> model_;
  std::shared_ptr<Executor> executor_;
};

TEST_F(SessionFiles, TheConversationGoesOn) {
  for (DType type : {DType::F32, DType::F16}) {
    Session first = make({.n_context = 128, .cache_type = type});
    first.set_system("be brief");
    talk(first);
    first.save(file("a"));
    Session second = make({.n_context = 100, .cache_type = type});  // another length is enough
    second.load(file("a"));
    EXPECT_EQ(second.n_past(), first.n_past());
    EXPECT_EQ(second.n_turns(), 1);
    EXPECT_TRUE(std::equal(first.history().begin(), first.history().end(), second.history().begin()));
    EXPECT_EQ(next(second), next(first));
    first.rewind_turns();
    first.save(file("b"));
    EXPECT_TRUE(read_file(file("b")) == read_file(file("a")));
  }
}

TEST_F(SessionFiles, AnAnswerGoesOn) {
  Session whole = make(), first = make(), second = make();
  whole.append("two dogs");
  whole.generate({.max_new_tokens = 9, .sampling = {}, .ignore_end = true});
  first.append("two dogs");
  first.generate({.max_new_tokens = 3, .sampling = {}, .ignore_end = true});
  first.save(file("a"));
  second.load(file("a"));
  second.generate(kSix);
  EXPECT_TRUE(
      std::equal(second.generated_ids().begin(), second.generated_ids().end(), whole.generated_ids().begin() + 3));
}

TEST_F(SessionFiles, AnEmptyOneToo) {
  Session session = make();
  session.save(file("a"));
  talk(session);
  session.load(file("a"));
  EXPECT_EQ(session.n_past(), 0);
}

TEST_F(SessionFiles, OtherModelsCachesAndContextsAreRefused) {
  Session session = make();
  talk(session);
  session.save(file("a"));
  Session full = make({.n_context = 128, .cache_type = DType::F32}), small = make({.n_context = 8});
  EXPECT_NE(message(full, file("a")).find("another cache type"), std::string::npos);
  EXPECT_NE(message(small, file("a")).find("use -c"), std::string::npos) << message(small, file("a"));
  model_ = tiny_model("hf-nanovlm", "question");
  model_->weights.begin()->second->data.f32()[0] += 1;
  Session other = make();
  EXPECT_NE(message(other, file("a")).find("another model"), std::string::npos);
  EXPECT_NE(message(other, file("nowhere")).find("nowhere"), std::string::npos);
  write_file(file("b"), "GALAGOSE");
  EXPECT_NE(message(other, file("b")).find("ends too early"), std::string::npos);
  write_file(file("b"), std::string(100, 'x'));
  EXPECT_NE(message(other, file("b")).find("not a session"), std::string::npos);
}

// How a model of 32 trained places stretches its positions, and contexts that its sessions are saved in and loaded to.
struct Stretch {
  const char* name;
  Json changes;
  int saved, fits, refused;
};

TEST_F(SessionFiles, ContextsWithOtherPositionsAreRefused) {
  const Json dynamic{{"max_position_embeddings", 32}, {"rope_scaling", {{"type", "dynamic"}, {"factor", 4.0}}}};
  const Json long_rope{{"max_position_embeddings", 128},
                       {"rope_scaling",
                        {{"type", "longrope"},
                         {"original_max_position_embeddings", 32},
                         {"short_factor", {1, 1, 1, 1, 1, 1, 1, 1}},
                         {"long_factor", {1, 2, 3, 4, 5, 6, 7, 8}}}}};
  const Stretch stretches[] = {{"dynamic, short", dynamic, 28, 32, 33},
                               {"dynamic, long", dynamic, 48, 48, 49},
                               {"longrope, short", long_rope, 28, 32, 33},
                               {"longrope, long", long_rope, 48, 128, 32}};
  for (const Stretch& stretch : stretches) {
    SCOPED_TRACE(stretch.name);
    model_ = tiny_model("language", "", "tiny-llama", stretch.changes);
    Session first = make({.n_context = stretch.saved});
    first.append("two dogs");
    first.generate(kSix);
    first.save(file("a"));
    Session fits = make({.n_context = stretch.fits}), refused = make({.n_context = stretch.refused});
    std::string error = message(refused, file("a"));
    EXPECT_NE(error.find(fmt::format("use -c {}", stretch.saved)), std::string::npos) << error;
    fits.load(file("a"));
    EXPECT_EQ(next(fits), next(first));
  }
}

TEST_F(SessionFiles, DamagedFilesThrowAndChangeNothing) {
  Session session = make();
  session.set_system("be brief");
  talk(session);
  session.save(file("a"));
  const std::string good = read_file(file("a"));
  const size_t n_head = 76 + 8 + 4 * static_cast<size_t>(session.n_past()) + 8;
  Session reader = make();
  reader.append("near the sea");
  const int n_past = reader.n_past();
  for (size_t length = 0; length < good.size(); length += length < n_head ? 1 : 997) {
    write_file(file("b"), std::string_view(good).substr(0, length));
    EXPECT_THROW(reader.load(file("b")), Error) << length;
  }
  write_file(file("b"), good + "x");
  EXPECT_THROW(reader.load(file("b")), Error);
  EXPECT_EQ(reader.n_past(), n_past);
  for (size_t at = 0; at < n_head; ++at)
    for (int flip : {0x01, 0x80}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      write_file(file("b"), bad);
      try {
        reader.load(file("b"));  // a changed token or system text is still a session
        reader.append("dogs");
        reader.generate(kSix);
      } catch (const Error&) {
      }
    }
}

}  // namespace
}  // namespace galago::testing
