#include "image/slicing.h"

#include <string>

#include "base/error.h"
#include "image/draw.h"

namespace galago {
namespace {

constexpr SlicingPolicy kPolicies[] = {
#define SLICING(name, help) {#name, help, plan_##name},
#include "image/slicing.def"
#undef SLICING
};

void add_grid(const Image& resized, const SlicePlan& plan, std::vector<Image>& tiles) {
  int width = plan.width / plan.cols, height = plan.height / plan.rows;
  for (int row = 0; row < plan.rows; ++row)
    for (int col = 0; col < plan.cols; ++col)
      tiles.push_back(crop(resized, {col * width, row * height, width, height}));
}

}  // namespace

std::span<const SlicingPolicy> all_slicing_policies() { return kPolicies; }

const SlicingPolicy& find_slicing_policy(std::string_view name) {
  std::string known;
  for (const SlicingPolicy& policy : kPolicies) {
    if (policy.name == name) return policy;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", policy.name);
  }
  throw not_found("slicing policy {}: unknown; expected one of {}", name, known);
}

std::vector<Image> cut_tiles(const Image& image, const SlicePlan& plan, ThreadPool* pool) {
  CHECK(plan.rows > 0 && plan.cols > 0 && plan.width % plan.cols == 0 && plan.height % plan.rows == 0,
        "{} x {} pixels do not divide into {} rows, {} columns", plan.width, plan.height, plan.rows, plan.cols);
  Image resized = resize(image, plan.width, plan.height, plan.filter, pool);
  auto global_view = [&] {
    const Image& source = plan.global_from_resized ? resized : image;
    return resize(source, plan.global_width, plan.global_height, plan.global_filter, pool);
  };
  std::vector<Image> tiles;
  if (plan.global == SlicePlan::Global::First) tiles.push_back(global_view());
  add_grid(resized, plan, tiles);
  if (plan.global == SlicePlan::Global::Last) tiles.push_back(global_view());
  return tiles;
}

}  // namespace galago
