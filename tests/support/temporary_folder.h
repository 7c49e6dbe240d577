// A new empty folder, removed with all it holds at the end of the scope. ctest runs the tests of one program side by
// side: none may use a folder of a fixed name.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

namespace galago::testing {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "galago-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string path() const { return path_.string(); }
  std::string file(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace galago::testing
