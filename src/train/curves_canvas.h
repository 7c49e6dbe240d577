// Two surfaces that curves are drawn on: SVG text, and an RGB picture for PNG. Units are those of an SVG, origin top
// left; the picture has `scale` pixels a unit.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "image/image.h"

namespace galago {

struct Point {
  double x = 0, y = 0;
};

struct Stroke {
  Color color;
  double width = 1;
  bool dashed = false;
};

enum class Anchor { Start, Middle, End };

class Canvas {
 public:
  virtual ~Canvas() = default;
  virtual void polyline(std::span<const Point> points, const Stroke& stroke) = 0;
  virtual void disc(Point centre, double radius, Color color) = 0;
  virtual void text(Point base, std::string_view words, Anchor anchor, double size, Color color) = 0;
  virtual std::string file_bytes() const = 0;  // the finished SVG or PNG file
};

std::unique_ptr<Canvas> make_svg_canvas(int width, int height);
std::unique_ptr<Canvas> make_png_canvas(int width, int height, int scale);  // throws NotFound without kTextFont

}  // namespace galago
