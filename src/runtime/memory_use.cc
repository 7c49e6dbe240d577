#include "runtime/memory_use.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <charconv>
#include <fstream>
#include <string>
#include <string_view>

namespace galago {
namespace {

// "VmHWM:     1234 kB" of /proc files, in bytes.
size_t proc_value(const char* path, std::string_view field) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(field)) continue;
    size_t at = line.find_first_of("0123456789"), kilobytes = 0;
    if (at != std::string::npos) std::from_chars(line.data() + at, line.data() + line.size(), kilobytes);
    return kilobytes * 1024;
  }
  return 0;
}

constexpr const char* kStatus = "/proc/self/status";

}  // namespace

MemoryUse memory_use() {
  return {.file_backed = proc_value(kStatus, "RssFile:") + proc_value(kStatus, "RssShmem:"),
          .anonymous = proc_value(kStatus, "RssAnon:"),
          .peak = proc_value(kStatus, "VmHWM:")};
}

bool reset_peak_memory() {
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;
  return static_cast<bool>(file);
}

void return_free_memory() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

size_t available_memory() { return proc_value("/proc/meminfo", "MemAvailable:"); }

}  // namespace galago
