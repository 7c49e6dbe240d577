// Mamba's selective scan (Gu and Dao 2023), lanes are channels:  h_n = exp(delta a_n) h_n + delta u b_n,
// y = sum_n c_n h_n + skip u. Positions run in chunks that are turned to [position][channel] first; within a chunk one
// state n at a time stays in a register.
#pragma once

namespace galago::cpu::GALAGO_ISA {
namespace {

constexpr int kScanSteps = 64, kScanChannels = 16;

struct ScanChunk {
  float u[kScanSteps][kScanChannels], delta[kScanSteps][kScanChannels], y[kScanSteps][kScanChannels];
  float skip[kScanChannels];
};

void load_chunk(const ScanCall& c, int64_t begin, int64_t n, ScanChunk& chunk) {
  for (int64_t i = 0; i < c.channels; ++i)
    for (int64_t l = 0; l < n; ++l) {
      chunk.u[l][i] = c.u[i * c.length + begin + l];
      chunk.delta[l][i] = c.delta[i * c.length + begin + l];
    }
  for (int64_t l = 0; l < n; ++l)
    for (int i = 0; i < kScanChannels; i += kLanes) store(chunk.y[l] + i, load(chunk.skip + i) * load(chunk.u[l] + i));
}

// One state of kLanes channels through a chunk; the state after it.
GALAGO_INLINE F32 scan_state(const float* b, const float* c, F32 a, F32 h, int64_t n, int lane, ScanChunk& chunk) {
  for (int64_t l = 0; l < n; ++l) {
    const F32 delta = load(chunk.delta[l] + lane);
    h = fma(exp(delta * a), h, delta * load(chunk.u[l] + lane) * set(b[l]));
    store(chunk.y[l] + lane, fma(set(c[l]), h, load(chunk.y[l] + lane)));
  }
  return h;
}

// h: [n][16], zero at the start.
void scan_chunk(const ScanCall& c, int64_t begin, int64_t n, const float* a, float* h, ScanChunk& chunk) {
  load_chunk(c, begin, n, chunk);
  for (int64_t state = 0; state < c.n; ++state)
    for (int lane = 0; lane < kScanChannels; lane += kLanes) {
      float* place = h + state * kScanChannels + lane;
      const int64_t at = state * c.length + begin;
      store(place, scan_state(c.b + at, c.c + at, load(a + state * kScanChannels + lane), load(place), n, lane, chunk));
    }
  for (int64_t i = 0; i < c.channels; ++i)
    for (int64_t l = 0; l < n; ++l) c.y[i * c.length + begin + l] = chunk.y[l][i];
}

void k_selective_scan(const ScanCall& c) {
  ScanChunk chunk = {};
  for (int64_t i = 0; i < c.channels; ++i) chunk.skip[i] = c.skip[i];
  float *a = c.scratch, *h = c.scratch + c.n * kScanChannels;
  for (int64_t i = 0; i < 2 * c.n * kScanChannels; ++i) c.scratch[i] = 0;
  for (int64_t i = 0; i < c.channels; ++i)
    for (int64_t state = 0; state < c.n; ++state) a[state * kScanChannels + i] = c.a[i * c.n + state];
  for (int64_t begin = 0; begin < c.length; begin += kScanSteps)
    scan_chunk(c, begin, c.length - begin < kScanSteps ? c.length - begin : kScanSteps, a, h, chunk);
}

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
