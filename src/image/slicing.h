// Slicing policies: pure arithmetic from the size of a picture to a plan, and one function that follows any plan.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "image/image.h"
#include "image/resize.h"

namespace galago {

// What a model's config says; each policy uses the fields that it needs.
struct SliceOptions {
  int tile = 512;                   // side of a square tile in pixels
  int max_side = 2048;              // longest side of the resized picture
  bool resize_to_max_side = true;   // nanovlm: enlarge small pictures to max_side too
  Filter filter = Filter::Bicubic;  // for the first resize
};

struct SlicePlan {
  enum class Global { None, First, Last };

  int width = 0, height = 0;  // the picture is resized to this ...
  Filter filter = Filter::Bicubic;
  int rows = 1, cols = 1;  // ... and cut into rows x cols equal tiles, row by row

  Global global = Global::None;  // a view of the whole picture among the tiles
  int global_width = 0, global_height = 0;
  Filter global_filter = Filter::Bilinear;
  bool global_from_resized = false;  // made from the resized picture, not from the original

  int n_images() const { return rows * cols + (global == Global::None ? 0 : 1); }
  bool operator==(const SlicePlan&) const = default;
};

struct SlicingPolicy {
  std::string_view name, help;
  // width and height are positive; throws InvalidInput if the options make no sense.
  SlicePlan (*plan)(int width, int height, const SliceOptions& options);
};

#define SLICING(name, help) SlicePlan plan_##name(int width, int height, const SliceOptions& options);
#include "image/slicing.def"
#undef SLICING

std::span<const SlicingPolicy> all_slicing_policies();
const SlicingPolicy& find_slicing_policy(std::string_view name);  // throws NotFound

// The tiles in the order the model gets them. CHECKs that the plan cuts into equal tiles.
std::vector<Image> cut_tiles(const Image& image, const SlicePlan& plan, ThreadPool* pool = nullptr);

}  // namespace galago
