// Files: mapped for reading, and written so that a reader sees either the old file or the whole new one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace galago {

// A whole file mapped read-only. Immutable; any number of threads may read it. If another program truncates the file
// while it is mapped, reading the lost pages raises SIGBUS: use read_file() for files that others may change.
class MappedFile {
 public:
  static std::shared_ptr<const MappedFile> open(const std::string& path);  // throws Io / NotFound
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

 private:
  MappedFile() = default;
  std::string path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Says that mapped bytes will not be read again soon, so that they stop counting as memory of this process. Only
// advice: nothing happens where the system does not know it, and reading them again works.
void release_pages(std::span<const std::byte> bytes);

// The whole file as text or bytes. Throws InvalidInput if it is longer than `max_bytes`.
std::string read_file(const std::string& path, uint64_t max_bytes = 1ull << 30);

// Writes path.tmp-PID, then syncs and renames it over `path` in commit(). Without commit() nothing is left behind.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t n_bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  uint64_t position() const { return position_; }
  void commit();

 private:
  std::string path_, temporary_;
  int fd_ = -1;
  uint64_t position_ = 0;
  std::string buffer_;
  void flush();
};

void write_file(const std::string& path, std::string_view text);  // AtomicFile in one call

}  // namespace galago
