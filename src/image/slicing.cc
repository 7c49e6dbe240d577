#include "image/slicing.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "base/error.h"
#include "image/draw.h"
#include "image/resize_float.h"
#include "image/view_pixels.h"

namespace galago {

#define SLICING(name, tile, min, max, filter, help) \
  SlicePlan plan_##name(int width, int height, const SliceOptions& options);
#include "image/slicing.def"
#undef SLICING

namespace {

// So large that no published model comes near, so small that walking over all grids takes no time.
void check_options(const SliceOptions& o) {
  constexpr int kMaxTile = 8192;
  if (o.tile < 1 || o.tile > kMaxTile)
    throw invalid_input("slicing: tile of {} pixels; expected 1 to {}", o.tile, kMaxTile);
  auto check_range = [&](std::string_view what, int min, int max) {
    if (min < 1 || max < min || max > kMaxPlanTiles)
      throw invalid_input("slicing: {} to {} {}; expected 1 to {}, the smaller number first", min, max, what,
                          kMaxPlanTiles);
  };
  check_range("tiles", o.min_tiles, o.max_tiles);
  check_range("adaptive tiles", o.adaptive_min_tiles, o.adaptive_max_tiles);
  for (Grid grid : o.grids)
    if (grid.cols < 1 || grid.rows < 1 || int64_t{grid.cols} * grid.rows > kMaxPlanTiles)
      throw invalid_input("slicing: a grid of {} x {} tiles; expected at least 1 x 1, at most {} tiles", grid.cols,
                          grid.rows, kMaxPlanTiles);
}

int64_t n_pixels(const SliceView& v) {
  return std::max(int64_t{v.width} * v.height, int64_t{v.full_width()} * v.full_height());
}

void check_limits(const SlicePlan& plan) {
  int64_t pixels = 0, tiles = 0;
  for (const SliceView& view : plan.views) {
    pixels += n_pixels(view);
    tiles += int64_t{view.rows} * view.cols;
  }
  if (pixels > kMaxPlanPixels || tiles > kMaxPlanTiles)
    throw invalid_input(
        "slicing: the plan asks for {} tiles of {} pixels together; at most {} tiles and {} pixels are "
        "allowed. Use smaller tiles or fewer of them.",
        tiles, pixels, kMaxPlanTiles, kMaxPlanPixels);
}

template <SlicePlan (*kPlan)(int, int, const SliceOptions&)>
SlicePlan checked(int width, int height, const SliceOptions& options) {
  CHECK(width > 0 && height > 0, "picture of {} x {}", width, height);
  check_options(options);
  SlicePlan plan = kPlan(width, height, options);
  check_limits(plan);
  return plan;
}

const SlicingPolicy kPolicies[] = {
#define SLICING(name, tile_, min, max, filter_, help) \
  {#name, help, checked<plan_##name>, {.tile = tile_, .filter = Filter::filter_, .min_tiles = min, .max_tiles = max}},
#include "image/slicing.def"
#undef SLICING
};

Image transposed(Image image) {
  image.facts.orientation = 5;  // EXIF's name for out(x, y) = in(y, x)
  return upright(std::move(image));
}

Image resize_view(const Image& source, const SliceView& view, ThreadPool* pool) {
  if (!view.transposed) return resize(source, view.width, view.height, view.filter, pool);
  return transposed(resize(transposed(source), view.height, view.width, view.filter, pool));
}

Image make_canvas(const Image& source, const SliceView& view, ThreadPool* pool) {
  Image resized = resize_view(source, view, pool);
  if (view.canvas_width == 0) return resized;
  Image canvas = make_image(view.canvas_width, view.canvas_height, view.color);
  canvas.facts = source.facts;
  paste(canvas, resized, view.left, view.top);
  return canvas;
}

bool is_float(const SliceView& view) { return view.resize != SliceView::Resize::Original; }

void check_view(const SlicePlan& plan, const SliceView& v) {
  CHECK(v.rows > 0 && v.cols > 0 && v.full_width() % v.cols == 0 && v.full_height() % v.rows == 0,
        "{} x {} pixels do not divide into {} rows, {} columns", v.full_width(), v.full_height(), v.rows, v.cols);
  CHECK(v.from < static_cast<int>(plan.views.size()), "a view made from view {}", v.from);
  if (!is_float(v)) CHECK(v.from == -1, "an 8-bit view is made from the picture");
  if (is_float(v))
    CHECK(v.from >= 0 && !is_float(plan.views[static_cast<size_t>(v.from)]), "a float view of no canvas");
  if (is_float(v)) CHECK(v.canvas_width == 0 && !v.transposed, "a float view is only resized");
}

Tensor resize_planes(const Tensor& planes, const SliceView& view, ThreadPool* pool) {
  if (view.resize == SliceView::Resize::FloatBicubic)
    return resize_torch_bicubic(planes, view.width, view.height, pool);
  return resize_antialiased(planes, view.width, view.height, view.filter, pool);
}

// [3, height, width] -> [tiles, 3, tile height, tile width], row by row.
Tensor cut_planes(const Tensor& planes, const SliceView& view) {
  int64_t height = view.tile_height(), width = view.tile_width(), full_width = view.full_width();
  if (view.n_tiles() == 1) return planes.reshaped({1, 3, height, width});
  Tensor tiles = Tensor::make(DType::F32, {view.n_tiles(), 3, height, width});
  float* out = tiles.f32().data();
  for (int64_t tile = 0; tile < view.n_tiles(); ++tile) {
    int64_t top = tile / view.cols * height, left = tile % view.cols * width;
    for (int64_t row = 0; row < 3 * height; ++row, out += width) {
      int64_t from_row = row / height * view.full_height() + top + row % height;
      std::memcpy(out, planes.f32().data() + from_row * full_width + left, static_cast<size_t>(width) * sizeof(float));
    }
  }
  return tiles;
}

// Values 0..1 -> bytes.
Image to_image(const Tensor& planes) {
  Image image = make_image(static_cast<int>(planes.shape()[2]), static_cast<int>(planes.shape()[1]));
  size_t n_pixels = image.rgb.size() / 3;
  for (size_t i = 0; i < image.rgb.size(); ++i) {
    float value = planes.f32()[i % 3 * n_pixels + i / 3];
    image.rgb[i] = static_cast<uint8_t>(std::clamp(std::lround(value * 255), 0L, 255L));
  }
  return image;
}

}  // namespace

int SlicePlan::n_tiles() const {
  int n = 0;
  for (const SliceView& view : views) n += view.n_tiles();
  return n;
}

std::span<const SlicingPolicy> all_slicing_policies() { return kPolicies; }

const SlicingPolicy& find_slicing_policy(std::string_view name) {
  std::string known;
  for (const SlicingPolicy& policy : kPolicies) {
    if (policy.name == name) return policy;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", policy.name);
  }
  throw not_found("slicing policy {}: unknown; expected one of {}", name, known);
}

ViewPixels::ViewPixels(const Image& image, const SlicePlan& plan, const Rgb& mean, const Rgb& std, ThreadPool* pool)
    : image_(image), plan_(plan), mean_(mean), std_(std), pool_(pool), kept_(plan.views.size()) {
  check_limits(plan);
  for (const SliceView& view : plan.views) check_view(plan, view);
}

bool ViewPixels::others_need(size_t view) const {
  return std::any_of(plan_.views.begin(), plan_.views.end(),
                     [&](const SliceView& other) { return other.from == static_cast<int>(view); });
}

Tensor ViewPixels::make(const SliceView& view) {
  if (is_float(view)) return resize_planes(planes(static_cast<size_t>(view.from)), view, pool_);
  return to_tensor(make_canvas(image_, view, pool_), mean_, std_);
}

Tensor ViewPixels::planes(size_t view) {
  if (kept_[view].elements() > 0) return kept_[view];
  Tensor made = make(plan_.views[view]);
  if (others_need(view)) kept_[view] = made;
  return made;
}

Tensor ViewPixels::tiles(size_t view) { return cut_planes(planes(view), plan_.views[view]); }

std::vector<Image> make_canvases(const Image& image, const SlicePlan& plan, ThreadPool* pool) {
  std::vector<Image> canvases;
  ViewPixels pixels(image, plan, {0, 0, 0}, {1, 1, 1}, pool);
  for (size_t i = 0; i < plan.views.size(); ++i)
    canvases.push_back(to_image(pixels.planes(i)));  // exact for views that were bytes: value / 255 * 255 rounds back
  return canvases;
}

std::vector<std::vector<Image>> cut_tiles(const Image& image, const SlicePlan& plan, ThreadPool* pool) {
  std::vector<Image> canvases = make_canvases(image, plan, pool);
  std::vector<std::vector<Image>> tiles(plan.views.size());
  for (size_t i = 0; i < tiles.size(); ++i) {
    const SliceView& view = plan.views[i];
    for (int tile = 0; tile < view.n_tiles(); ++tile)
      tiles[i].push_back(crop(canvases[i], {tile % view.cols * view.tile_width(), tile / view.cols * view.tile_height(),
                                            view.tile_width(), view.tile_height()}));
  }
  return tiles;
}

std::vector<Tensor> slice_pixels(const Image& image, const SlicePlan& plan, const Rgb& mean, const Rgb& std,
                                 ThreadPool* pool) {
  std::vector<Tensor> tiles;
  ViewPixels pixels(image, plan, mean, std, pool);
  for (size_t i = 0; i < plan.views.size(); ++i) tiles.push_back(pixels.tiles(i));
  return tiles;
}

}  // namespace galago
