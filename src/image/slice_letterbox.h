// Pictures that keep their aspect on a black canvas of whole tiles, which LLaVA-NeXT has and BlueLM-V builds on.
#pragma once

#include "image/slicing.h"

namespace galago {

// What a canvas shows of a picture: `effective` pixels carry information, at most as many as the picture has; the
// others are border or enlargement.
struct CanvasFit {
  Grid grid;
  int64_t effective = 0, wasted = 0;
};

CanvasFit fit_canvas(int width, int height, Grid grid, int tile);

// The candidates: options.grids, or all from 1 x 1 on, columns outer.
std::vector<Grid> candidate_grids(const SliceOptions& options);

// The resized picture in the middle of the canvas, cut into tiles, and the whole picture, stretched to one tile.
SlicePlan letterbox(int width, int height, Grid grid, const SliceOptions& options);

}  // namespace galago
