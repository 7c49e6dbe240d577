// InternLM-XComposer2-4KHD (InternLM/InternLM-XComposer, HD_transform; paper arXiv 2404.06512, section 3.2): the longer
// side is resized to as many tiles as max_tiles (the paper's HD number) allows, enlarged too; the other side keeps the
// aspect and is filled up to whole tiles with white, half on each side. A global view of that whole canvas comes first.
// Surprises: an upright picture is transposed, treated as a wide one and transposed back, so its vertical pass rounds
// first; the global view is a bicubic resize of normalised floats without antialiasing.
#include <cmath>

#include "image/slicing.h"

namespace galago {
namespace {

int count_cols(double aspect, int max_tiles) {
  int cols = 1;
  while (cols * std::ceil(cols / aspect) <= max_tiles) ++cols;
  return cols - 1;
}

// aspect >= 1
SliceView plan_wide(double aspect, const SliceOptions& o) {
  int cols = count_cols(aspect, o.max_tiles), width = cols * o.tile;
  int height = std::max(1, static_cast<int>(width / aspect));  // the published code fails where this would be 0
  int rows = (height + o.tile - 1) / o.tile;
  return {.width = width,
          .height = height,
          .filter = o.filter,
          .top = (rows * o.tile - height) / 2,
          .canvas_width = width,
          .canvas_height = rows * o.tile,
          .color = {255, 255, 255},
          .rows = rows,
          .cols = cols};
}

SliceView exchange_axes(SliceView v) {
  std::swap(v.width, v.height);
  std::swap(v.left, v.top);
  std::swap(v.canvas_width, v.canvas_height);
  std::swap(v.rows, v.cols);
  v.transposed = true;
  return v;
}

}  // namespace

SlicePlan plan_xcomposer(int width, int height, const SliceOptions& options) {
  bool upright = width < height;
  double aspect = upright ? double(height) / width : double(width) / height;
  SliceView tiles = plan_wide(aspect, options);
  SliceView global{.width = options.tile,
                   .height = options.tile,
                   .filter = Filter::Bicubic,
                   .resize = SliceView::Resize::FloatBicubic,
                   .from = 1,
                   .name = "global"};
  return {{global, upright ? exchange_axes(tiles) : tiles}};
}

}  // namespace galago
