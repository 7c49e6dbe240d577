// Reading reports what is wrong with a path; writing leaves either the old file or the whole new one.
#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <vector>

#include "base/error.h"

namespace galago {
namespace {

namespace fs = std::filesystem;

class Files : public ::testing::Test {
 protected:
  Files() : folder_(fs::temp_directory_path() / fmt::format("galago-file-test-{}-{}", ::getpid(), ++counter_)) {
    fs::create_directories(folder_);
  }
  ~Files() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(folder_)) all.push_back(entry.path().filename());
    return all;
  }

 private:
  static inline int counter_ = 0;
  fs::path folder_;
};

// Kind and message of the Error that `action` throws.
template <class Action>
std::pair<ErrorKind, std::string> error_of(Action action) {
  try {
    action();
  } catch (const Error& e) {
    return {e.kind(), e.what()};
  }
  return {ErrorKind::Cancelled, "nothing was thrown"};
}

TEST_F(Files, WriteThenReadAndMap) {
  std::string text("a\0b\n\xFF", 5);
  write_file(path("x"), text);
  EXPECT_EQ(read_file(path("x")), text);
  auto mapped = MappedFile::open(path("x"));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(mapped->bytes().data()), mapped->bytes().size()), text);
  EXPECT_EQ(mapped->path(), path("x"));
}

TEST_F(Files, EmptyFiles) {
  write_file(path("x"), "");
  EXPECT_EQ(read_file(path("x")), "");
  EXPECT_TRUE(MappedFile::open(path("x"))->bytes().empty());
}

TEST_F(Files, AMappingOutlivesTheName) {
  write_file(path("x"), "old");
  auto mapped = MappedFile::open(path("x"));
  write_file(path("x"), "newer");  // renamed over: the mapping keeps the old file
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(mapped->bytes().data()), mapped->bytes().size()), "old");
}

TEST_F(Files, MissingFilesAreNotFound) {
  for (auto action :
       {+[](const std::string& p) { read_file(p); }, +[](const std::string& p) { MappedFile::open(p); }}) {
    auto [kind, message] = error_of([&] { action(path("none")); });
    EXPECT_EQ(kind, ErrorKind::NotFound);
    EXPECT_EQ(message, path("none") + ": no such file");
  }
}

TEST_F(Files, FoldersAndPipesAreNotFiles) {
  auto [kind, message] = error_of([&] { read_file(path("")); });
  EXPECT_EQ(kind, ErrorKind::Io);
  EXPECT_NE(message.find("not a regular file"), std::string::npos) << message;
}

TEST_F(Files, TheLimitIsExact) {
  write_file(path("x"), "12345");
  EXPECT_EQ(read_file(path("x"), 5), "12345");
  auto [kind, message] = error_of([&] { read_file(path("x"), 4); });
  EXPECT_EQ(kind, ErrorKind::InvalidInput);
  EXPECT_EQ(message, path("x") + ": 5 bytes; the limit for this kind of file is 4");
}

TEST_F(Files, WithoutCommitNothingChanges) {
  write_file(path("x"), "old");
  {
    AtomicFile file(path("x"));
    file.write("new");
    file.write(std::string(3 << 20, 'y'));  // more than the buffer: some of it is on the disk
    EXPECT_EQ(file.position(), 3u + (3 << 20));
  }
  EXPECT_EQ(read_file(path("x")), "old");
  EXPECT_EQ(names(), std::vector<std::string>{"x"});
}

TEST_F(Files, AnExceptionWhileWritingLeavesNothing) {
  auto writing = [&] {
    AtomicFile file(path("x"));
    file.write("half");
    throw invalid_input("stop");
  };
  EXPECT_THROW(writing(), Error);
  EXPECT_TRUE(names().empty());
}

TEST_F(Files, CommitKeepsEveryByteInOrder) {
  std::string wanted;
  AtomicFile file(path("x"));
  for (int i = 0; i < 5000; ++i) {
    std::string part = fmt::format("{} ", i * i);
    wanted += part + std::string(i % 700, 'z');
    file.write(part);
    file.write(std::string(i % 700, 'z'));
  }
  file.commit();
  EXPECT_EQ(read_file(path("x")), wanted);
  EXPECT_EQ(names(), std::vector<std::string>{"x"});
}

TEST_F(Files, AFolderInTheWayIsAnErrorAndLeavesNothing) {
  fs::create_directories(path("x/inner"));
  auto [kind, message] = error_of([&] { write_file(path("x"), "text"); });
  EXPECT_EQ(kind, ErrorKind::Io);
  EXPECT_NE(message.find("cannot rename"), std::string::npos) << message;
  EXPECT_EQ(names(), std::vector<std::string>{"x"});
}

TEST_F(Files, AMissingFolderIsNamed) {
  auto [kind, message] = error_of([&] { write_file(path("none/x"), "text"); });
  EXPECT_EQ(kind, ErrorKind::Io);
  EXPECT_TRUE(message.starts_with(path("none/x"))) << message;
}

TEST_F(Files, PermissionsAreReported) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read and write everything";
  write_file(path("x"), "text");
  ::chmod(path("x").c_str(), 0);
  EXPECT_EQ(error_of([&] { read_file(path("x")); }).first, ErrorKind::Io);
  ::chmod(path("").c_str(), 0555);
  EXPECT_EQ(error_of([&] { write_file(path("y"), "text"); }).first, ErrorKind::Io);
  ::chmod(path("").c_str(), 0755);
}

TEST_F(Files, AFullDiskIsReported) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  // The temporary file's name is known, so a link leads it to the device that is always full.
  fs::create_symlink("/dev/full", path(fmt::format("x.tmp-{}", ::getpid())));
  auto [kind, message] = error_of([&] { write_file(path("x"), "text"); });
  EXPECT_EQ(kind, ErrorKind::Io);
  EXPECT_NE(message.find("No space left"), std::string::npos) << message;
  EXPECT_TRUE(names().empty());
}

TEST_F(Files, ReleasedPagesCanBeReadAgain) {
  std::string text(100000, 'x');
  write_file(path("released"), text);
  std::shared_ptr<const MappedFile> file = MappedFile::open(path("released"));
  std::vector<std::byte> heap(100000, std::byte{7});
  release_pages(file->bytes());
  release_pages(heap);
  release_pages({});
  EXPECT_EQ(std::memcmp(file->bytes().data(), text.data(), text.size()), 0);
  EXPECT_EQ(heap, std::vector<std::byte>(100000, std::byte{7}));
}

}  // namespace
}  // namespace galago
