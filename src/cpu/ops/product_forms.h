// How a product reads its rows x, one form a file: as they are (product.cc), as int8 in blocks of 32
// (product_blocks.cc), as u8 in spans of 256 (product_spans.cc), as pairs of bf16 (product_pairs.cc).
#pragma once

#include "cpu/ops/common.h"
#include "cpu/ops/panels.h"

namespace galago::cpu {

struct Product {
  ThreadPool& pool;
  const Panels& w;
  int64_t rows;
  const float* bias;  // or null
  float* y;
  std::span<std::byte> scratch;
};

struct ActForm {
  size_t (*bytes)(int64_t rows, int64_t k);  // of x in this form
  size_t (*scratch_bytes)(PanelKind kind, int64_t rows, int64_t k, int n_threads);
  void (*prepare)(ThreadPool& pool, const float* x, int64_t rows, int64_t k, std::byte* form);
  void (*multiply)(const Product& p, const std::byte* form);
};
extern const ActForm kBlocksForm, kSpansForm, kPairsForm;

constexpr int64_t kGroupPanels = 4;         // panels a product takes together
constexpr int64_t kExpandedRowBlock = 512;  // rows an expanded group is walked for: it then costs 1 % or less

inline int64_t pieces(int64_t n, int64_t size) { return (n + size - 1) / size; }

inline const uint8_t* packed_panel(const Panels& w, int64_t panel) {
  return reinterpret_cast<const uint8_t*>(w.data) + panel * w.panel_bytes;
}
inline const float* bias_at(const Product& p, int64_t column) { return p.bias ? p.bias + column : nullptr; }

}  // namespace galago::cpu
