#include "runtime/preload.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

namespace galago {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPage = 4096;

template <class Wanted>
void touch(const Weights& weights, Wanted wanted) {
  for (const auto& [name, weight] : weights) {
    if (!wanted(name)) continue;
    const volatile std::byte* bytes = weight->data.bytes();
    for (size_t at = 0; at < weight->data.n_bytes(); at += kPage) static_cast<void>(bytes[at]);
  }
}

bool is_text(const std::string& name) { return name.starts_with("text."); }

void drop_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  ::close(fd);
}

}  // namespace

void preload(const Checkpoint& checkpoint, bool parallel) {
  auto pictures = [&] { touch(checkpoint.weights, [](const std::string& name) { return !is_text(name); }); };
  if (!parallel) pictures();
  std::jthread other;
  if (parallel) other = std::jthread(pictures);
  touch(checkpoint.weights, is_text);
}

void drop_file_cache(const ModelFiles& files) {
  for (const std::string& path : {files.model, files.mmproj}) {
    if (fs::is_regular_file(path)) drop_file(path);
    if (!fs::is_directory(path)) continue;
    for (const auto& entry : fs::directory_iterator(path))
      if (entry.is_regular_file()) drop_file(entry.path().string());
  }
}

}  // namespace galago
