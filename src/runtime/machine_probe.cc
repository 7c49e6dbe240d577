#include "runtime/machine_probe.h"

#include <algorithm>
#include <atomic>
#include <fstream>

#include "base/clock.h"
#include "runtime/memory_use.h"

namespace galago {
namespace {

constexpr int64_t kStreams = 4, kLanes = 8;          // lanes: 64-bit values of one cache line
constexpr int64_t kAhead = 4096 / sizeof(uint64_t);  // a page: hardware prefetchers stop at its end
constexpr int64_t kBlock = kStreams * 16384;         // values that a thread takes at a time (512 KiB)
constexpr size_t kEnough = size_t{64} << 20;         // bytes: shorter buffers are read several times

// Xor of one block, its streams side by side. Each line of each stream is asked for a page before it is read.
uint64_t read_block(const uint64_t* block, int64_t stream_length) {
  uint64_t sums[kStreams][kLanes] = {};
  for (int64_t i = 0; i < stream_length; i += kLanes)
    for (int64_t stream = 0; stream < kStreams; ++stream) {
      const uint64_t* line = block + stream * stream_length + i;
      __builtin_prefetch(line + kAhead, 0, 0);
      for (int64_t lane = 0; lane < kLanes; ++lane) sums[stream][lane] ^= line[lane];
    }
  uint64_t sum = 0;
  for (auto& stream : sums)
    for (uint64_t lane : stream) sum ^= lane;
  return sum;
}

int64_t blocks_of(size_t n_bytes) {
  size_t most = ReadProbe::kLongest;
  if (size_t free = available_memory(); free > 0) most = std::min(most, free / 4);
  return std::max<int64_t>(static_cast<int64_t>(std::min(n_bytes, most) / sizeof(uint64_t)) / kBlock, 1);
}

}  // namespace

std::string machine_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name") || line.starts_with("Hardware")) {
      size_t at = line.find(": ");
      if (at != std::string::npos) return line.substr(at + 2);
    }
  return "unknown";
}

ReadProbe::ReadProbe(size_t n_bytes, int n_threads)
    : n_blocks_(blocks_of(n_bytes)), buffer_(static_cast<size_t>(n_blocks_ * kBlock + kAhead), 1), pool_(n_threads) {}

size_t ReadProbe::buffer_bytes() const { return static_cast<size_t>(n_blocks_ * kBlock) * sizeof(uint64_t); }

double ReadProbe::pass_seconds() {
  std::atomic<uint64_t> sum{0};
  Stopwatch clock;
  pool_.parallel_for(n_blocks_, 1, [&](int64_t begin, int64_t end) {
    uint64_t own = 0;
    for (int64_t block = begin; block < end; ++block)
      own ^= read_block(buffer_.data() + block * kBlock, kBlock / kStreams);
    sum.fetch_xor(own, std::memory_order_relaxed);
  });
  sum_ ^= sum;
  return clock.elapsed_ms() / 1000;
}

double ReadProbe::bytes_per_second() {
  std::vector<double> seconds(std::clamp<size_t>(kEnough / buffer_bytes(), 1, 25));
  for (double& s : seconds) s = pass_seconds();
  std::nth_element(seconds.begin(), seconds.begin() + std::ssize(seconds) / 2, seconds.end());
  return static_cast<double>(buffer_bytes()) / seconds[seconds.size() / 2];
}

}  // namespace galago
