// Lines with soft edges: a pixel's share of the line is how far its centre lies inside the line's edge, at most one.
#include <algorithm>
#include <cmath>
#include <vector>

#include "data/text_draw.h"
#include "image/write_png.h"
#include "train/curves_canvas.h"

namespace galago {
namespace {

constexpr double kDash = 4, kGap = 3;  // units, as in the SVG

double distance(double x, double y, Point a, Point b) {
  double dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy;
  double t = length2 > 0 ? std::clamp(((x - a.x) * dx + (y - a.y) * dy) / length2, 0.0, 1.0) : 0;
  return std::hypot(x - a.x - t * dx, y - a.y - t * dy);
}

class PngCanvas final : public Canvas {
 public:
  PngCanvas(int width, int height, int scale)
      : scale_(scale), image_(make_image(width * scale, height * scale, {255, 255, 255})) {
    cover_.resize(static_cast<size_t>(image_.width) * static_cast<size_t>(image_.height));
  }

  void polyline(std::span<const Point> points, const Stroke& stroke) override {
    double phase = 0;
    for (size_t i = 1; i < points.size(); ++i) {
      if (stroke.dashed)
        dashes(points[i - 1], points[i], stroke.width, phase);
      else
        segment(points[i - 1], points[i], stroke.width);
    }
    paint(stroke.color);
  }

  void disc(Point centre, double radius, Color color) override {
    segment(centre, centre, 2 * radius);
    paint(color);
  }

  void text(Point base, std::string_view words, Anchor anchor, double size, Color color) override {
    double pixels = size * scale_, x = base.x * scale_;
    if (anchor != Anchor::Start) x -= drawer_.width(words, pixels) * (anchor == Anchor::Middle ? 0.5 : 1);
    drawer_.draw(image_, x, base.y * scale_, words, pixels, color);
  }

  std::string file_bytes() const override {
    std::vector<std::byte> png = encode_png(image_);
    return {reinterpret_cast<const char*>(png.data()), png.size()};
  }

 private:
  void dashes(Point a, Point b, double width, double& phase) {
    double length = std::hypot(b.x - a.x, b.y - a.y);
    auto at = [&](double s) { return Point{a.x + (b.x - a.x) * s / length, a.y + (b.y - a.y) * s / length}; };
    for (double s = -phase; s < length; s += kDash + kGap)
      if (s + kDash > 0) segment(at(std::max(s, 0.0)), at(std::min(s + kDash, length)), width);
    phase = std::fmod(phase + length, kDash + kGap);
  }

  // The whole line collects its cover first: where two segments meet, the larger share counts, not the sum.
  void segment(Point a, Point b, double width) {
    a = {a.x * scale_, a.y * scale_}, b = {b.x * scale_, b.y * scale_};
    double half = width * scale_ / 2, reach = half + 1;
    int x0 = std::max(0, static_cast<int>(std::min(a.x, b.x) - reach));
    int x1 = std::min(image_.width - 1, static_cast<int>(std::max(a.x, b.x) + reach));
    int y0 = std::max(0, static_cast<int>(std::min(a.y, b.y) - reach));
    int y1 = std::min(image_.height - 1, static_cast<int>(std::max(a.y, b.y) + reach));
    for (int y = y0; y <= y1; ++y) {
      for (int x = x0; x <= x1; ++x) {
        double share = std::clamp(half + 0.5 - distance(x + 0.5, y + 0.5, a, b), 0.0, 1.0);
        float& cover = cover_[static_cast<size_t>(y) * static_cast<size_t>(image_.width) + static_cast<size_t>(x)];
        cover = std::max(cover, static_cast<float>(share));
      }
    }
    top_ = std::min(top_, y0), bottom_ = std::max(bottom_, y1);
  }

  void paint(Color color) {
    const uint8_t wanted[3] = {color.red, color.green, color.blue};
    for (int y = top_; y <= bottom_; ++y) {
      float* row = cover_.data() + static_cast<size_t>(y) * static_cast<size_t>(image_.width);
      for (int x = 0; x < image_.width; ++x) {
        uint8_t* pixel = image_.pixel(x, y);
        for (int c = 0; c < 3; ++c)
          pixel[c] = static_cast<uint8_t>(std::lround(pixel[c] + row[x] * static_cast<float>(wanted[c] - pixel[c])));
        row[x] = 0;
      }
    }
    top_ = image_.height, bottom_ = -1;
  }

  int scale_;
  Image image_;
  TextDrawer drawer_;
  std::vector<float> cover_;  // [height, width]: what the line being drawn covers, 0..1
  int top_ = 1 << 30, bottom_ = -1;
};

}  // namespace

std::unique_ptr<Canvas> make_png_canvas(int width, int height, int scale) {
  return std::make_unique<PngCanvas>(width, height, scale);
}

}  // namespace galago
