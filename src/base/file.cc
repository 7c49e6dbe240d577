#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/error.h"

namespace galago {
namespace {

constexpr size_t kBufferBytes = 1 << 20;

Error open_error(const std::string& path) {
  if (errno == ENOENT) return not_found("{}: no such file", path);
  return io_error("{}: cannot open: {}", path, std::strerror(errno));
}

// An open descriptor of a regular file, closed at the end of the scope, with its size.
struct InputFile {
  explicit InputFile(const std::string& path) : fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd < 0) throw open_error(path);
    struct stat info;
    bool regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    if (!regular) {
      ::close(fd);
      throw io_error("{}: not a regular file", path);
    }
    size = static_cast<uint64_t>(info.st_size);
  }
  ~InputFile() { ::close(fd); }
  int fd;
  uint64_t size = 0;
};

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
  InputFile input(path);
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->path_ = path;
  file->size_ = input.size;
  if (input.size == 0) return file;
  void* address = mmap(nullptr, input.size, PROT_READ, MAP_SHARED, input.fd, 0);
  if (address == MAP_FAILED) throw io_error("{}: cannot map: {}", path, std::strerror(errno));
  file->data_ = static_cast<const std::byte*>(address);
  return file;
}

MappedFile::~MappedFile() {
  if (data_) munmap(const_cast<std::byte*>(data_), size_);
}

void release_pages(std::span<const std::byte> bytes) {
#ifdef MADV_PAGEOUT  // unlike MADV_DONTNEED harmless to memory that is not a file's
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t first = (reinterpret_cast<uintptr_t>(bytes.data()) + page - 1) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(bytes.data() + bytes.size()) / page * page;
  if (first < end) madvise(reinterpret_cast<void*>(first), end - first, MADV_PAGEOUT);
#endif
}

std::string read_file(const std::string& path, uint64_t max_bytes) {
  InputFile input(path);
  if (input.size > max_bytes)
    throw invalid_input("{}: {} bytes; the limit for this kind of file is {}", path, input.size, max_bytes);
  std::string text(input.size, '\0');
  size_t done = 0;
  while (done < text.size()) {
    ssize_t n = ::read(input.fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw io_error("{}: cannot read: {}", path, std::strerror(errno));
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  text.resize(done);
  return text;
}

AtomicFile::AtomicFile(std::string path)
    : path_(std::move(path)), temporary_(fmt::format("{}.tmp-{}", path_, ::getpid())) {
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0) throw io_error("{}: cannot create: {}", temporary_, std::strerror(errno));
  buffer_.reserve(kBufferBytes);
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, size_t n_bytes) {
  position_ += n_bytes;
  const char* bytes = static_cast<const char*>(data);
  buffer_.append(bytes, n_bytes);
  if (buffer_.size() >= kBufferBytes) flush();
}

void AtomicFile::flush() {
  size_t done = 0;
  while (done < buffer_.size()) {
    ssize_t n = ::write(fd_, buffer_.data() + done, buffer_.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw io_error("{}: cannot write: {}", temporary_, std::strerror(errno));
    done += static_cast<size_t>(n);
  }
  buffer_.clear();
}

void AtomicFile::commit() {
  flush();
  if (::fsync(fd_) != 0) throw io_error("{}: cannot sync: {}", temporary_, std::strerror(errno));
  ::close(fd_);
  fd_ = -1;
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    int error = errno;
    ::unlink(temporary_.c_str());
    throw io_error("{}: cannot rename to {}: {}", temporary_, path_, std::strerror(error));
  }
}

void write_file(const std::string& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace galago
