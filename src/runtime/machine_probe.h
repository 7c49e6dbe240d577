// What the machine's memory gives at best, measured beside the work that it limits: decoding a token reads every weight
// once and does little else, so it cannot be faster than reading that many bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/thread_pool.h"

namespace galago {

std::string machine_name();  // the processor's, as the system prints it; "unknown" where it does not

// Reads a buffer from end to end on all threads, each in several streams with prefetches ahead. One caller at a time.
class ReadProbe {
 public:
  // `n_bytes` are what the work under test reads. The buffer is as long, so that a small model's limit is that of the
  // caches it lives in, but no longer than kLongest and a quarter of the free memory: beyond, memory is as fast.
  ReadProbe(size_t n_bytes, int n_threads);
  static constexpr size_t kLongest = size_t{1} << 30;

  double bytes_per_second();  // measured now
  size_t buffer_bytes() const;

 private:
  double pass_seconds();
  int64_t n_blocks_;
  std::vector<uint64_t> buffer_;  // the blocks and a page that is only asked for
  ThreadPool pool_;
  uint64_t sum_ = 0;  // keeps the reading from being optimised away
};

}  // namespace galago
