// Slicing policies: pure arithmetic from the size of a picture to a plan, and one function that follows any plan.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "image/preprocess.h"
#include "image/resize.h"

namespace galago {

// Columns and rows of tiles.
struct Grid {
  int cols = 1, rows = 1;
  int n_tiles() const { return cols * rows; }
  bool operator==(const Grid&) const = default;
};

// What a model's config says; each policy uses the fields that it needs. SlicingPolicy::usual has a policy's own
// defaults.
struct SliceOptions {
  int tile = 512;                    // side of a square tile in pixels; minicpmv: scale_resolution
  int max_side = 2048;               // nanovlm: longest side of the resized picture
  bool resize_to_max_side = true;    // nanovlm: enlarge small pictures to max_side too
  Filter filter = Filter::Bicubic;   // of the main resize
  int min_tiles = 1, max_tiles = 9;  // limits of a grid; minicpmv: max_slice_nums; xcomposer: hd_num
  int patch = 14;                    // minicpmv: sides are multiples of this many pixels

  // The view of the whole picture beside the tiles. Usual: where the published code has it.
  enum class Thumbnail { Usual, None, First, Last };
  Thumbnail thumbnail = Thumbnail::Usual;  // internvl, nanovlm, bluelm, llavanext
  bool thumbnail_for_1x1 = true;           // bluelm, llavanext: also beside a single tile, as the paper counts tokens

  // minimonkey: the second, adaptive grid and what keeps it from having the cuts of the first, detailed one.
  int adaptive_min_tiles = 3, adaptive_max_tiles = 7;
  enum class Keep { Or, And };  // a grid stays if its columns or / and its rows do not divide the detailed grid's
  Keep keep = Keep::Or;
  enum class Order { DetailedFirst, AdaptiveFirst, DetailedGlobalAdaptive };  // the global view is always the last too
  Order order = Order::DetailedFirst;
  bool training = false;  // as the training script: an adaptive grid of 1 x 1 stays, a second copy of the global view

  // bluelm, llavanext
  int max_grid_side = 4;         // candidates are 1 x 1 ... this x this,
  std::vector<Grid> grids = {};  // or, if not empty, these in this order
  double alpha = 0.1;            // bluelm: a canvas must show this part more of the picture to be worth a larger one
  bool strict = false;           // bluelm, ours: compare with the best canvas so far, not with the last accepted one
};

// One resize of a picture and the tiles cut from it.
struct SliceView {
  // Where the pixels come from and in which arithmetic they are resized. Original: the picture, 8 bits as Pillow.
  // The others start from the canvas of view `from`, as floats that are not rounded: FloatAntialiased has Pillow's
  // kernels, FloatBicubic is torch's interpolate(mode=bicubic): a = -0.75, no antialiasing.
  enum class Resize { Original, FloatAntialiased, FloatBicubic };

  int width = 0, height = 0;  // the picture is resized to this ...
  Filter filter = Filter::Bicubic;
  Resize resize = Resize::Original;
  int from = -1;            // index of the view whose canvas is resized; -1: the picture
  bool transposed = false;  // resized with x and y exchanged, so that the vertical pass is the first one

  int left = 0, top = 0;                    // ... put here on a canvas of one color ...
  int canvas_width = 0, canvas_height = 0;  // 0: no canvas
  Color color = {};

  int rows = 1, cols = 1;  // ... and cut into rows x cols equal tiles, row by row

  std::string_view name = "tiles";  // for people: "global", "tiles", "adaptive", ...

  int full_width() const { return canvas_width > 0 ? canvas_width : width; }
  int full_height() const { return canvas_height > 0 ? canvas_height : height; }
  int tile_width() const { return full_width() / cols; }
  int tile_height() const { return full_height() / rows; }
  int n_tiles() const { return rows * cols; }
  bool operator==(const SliceView&) const = default;
};

// The views in the order the model gets them.
struct SlicePlan {
  std::vector<SliceView> views;
  int n_tiles() const;
  bool operator==(const SlicePlan&) const = default;
};

// A plan that asks for more is refused: no config file, request or command line makes us allocate without end.
constexpr int kMaxPlanTiles = 1024;
constexpr int64_t kMaxPlanPixels = int64_t{1} << 26;  // of all views; 768 MB as floats

struct SlicingPolicy {
  std::string_view name, help;
  // width and height are positive; throws InvalidInput if the options make no sense or ask for too much.
  SlicePlan (*plan)(int width, int height, const SliceOptions& options);
  SliceOptions usual;  // what the published models of this policy have
};

std::span<const SlicingPolicy> all_slicing_policies();
const SlicingPolicy& find_slicing_policy(std::string_view name);  // throws NotFound

// The 8-bit canvas of each view, and the tiles of each view, for people and for tests. Float views are rounded. CHECKs
// that the plan cuts into equal tiles; throws InvalidInput beyond the limits above.
std::vector<Image> make_canvases(const Image& image, const SlicePlan& plan, ThreadPool* pool = nullptr);
std::vector<std::vector<Image>> cut_tiles(const Image& image, const SlicePlan& plan, ThreadPool* pool = nullptr);

// What a model takes: per view one tensor f32 [tiles, 3, tile height, tile width] of (value / 255 - mean) / std. Float
// views are resized from the normalised canvas and keep all their digits.
std::vector<Tensor> slice_pixels(const Image& image, const SlicePlan& plan, const Rgb& mean, const Rgb& std,
                                 ThreadPool* pool = nullptr);

}  // namespace galago
