// Resizing, bit for bit what Pillow's Image.resize() gives: the published models were trained on its pixels.
// Convolution in two passes, horizontal then vertical, rounded to 8 bits in between; the kernel is stretched when the
// picture shrinks (antialiasing); weights are fixed point with 22 fraction bits. Source: Pillow, Resample.c,
// Geometry.c.
#pragma once

#include <optional>
#include <string_view>

#include "image/image.h"

namespace galago {

class ThreadPool;

enum class Filter { Nearest, Bilinear, Bicubic, Lanczos };

std::string_view filter_name(Filter filter);                    // "nearest", "bilinear", "bicubic", "lanczos"
std::optional<Filter> find_filter(std::string_view name);       // by that name
std::optional<Filter> filter_from_pillow(int resample_number);  // preprocessor_config.json: 0, 2, 3, 1 in this order

// A part of a picture in pixels; edges may lie inside pixels.
struct Box {
  float left, top, right, bottom;
};

// The whole picture, or the part inside `box`, as width x height pixels. The facts are kept. Sizes must be positive and
// the box must lie inside the picture and not be empty (CHECK). `pool` may be null.
Image resize(const Image& image, int width, int height, Filter filter, ThreadPool* pool = nullptr);
Image resize(const Image& image, int width, int height, Filter filter, const Box& box, ThreadPool* pool = nullptr);

}  // namespace galago
