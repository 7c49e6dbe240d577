#include <fmt/format.h>

#include "train/curves_canvas.h"

namespace galago {
namespace {

std::string hex(Color c) { return fmt::format("#{:02x}{:02x}{:02x}", c.red, c.green, c.blue); }

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
  }
  return out;
}

class SvgCanvas final : public Canvas {
 public:
  SvgCanvas(int width, int height)
      : body_(fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
                          "height=\"{1}\" font-family=\"DejaVu Sans, Verdana, sans-serif\">\n"
                          "<rect width=\"{0}\" height=\"{1}\" fill=\"#ffffff\"/>\n",
                          width, height)) {}

  void polyline(std::span<const Point> points, const Stroke& s) override {
    body_ +=
        fmt::format("<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\"{} points=\"",
                    hex(s.color), s.width, s.dashed ? " stroke-dasharray=\"4 3\"" : "");
    for (Point p : points) body_ += fmt::format("{:.1f},{:.1f} ", p.x, p.y);
    body_ += "\"/>\n";
  }

  void disc(Point centre, double radius, Color color) override {
    body_ += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\" fill=\"{}\"/>\n", centre.x, centre.y, radius,
                         hex(color));
  }

  void text(Point base, std::string_view words, Anchor anchor, double size, Color color) override {
    const char* name = anchor == Anchor::Start ? "start" : anchor == Anchor::Middle ? "middle" : "end";
    body_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"{}\" text-anchor=\"{}\" fill=\"{}\">{}</text>\n",
                         base.x, base.y, size, name, hex(color), escaped(words));
  }

  std::string file_bytes() const override { return body_ + "</svg>\n"; }

 private:
  std::string body_;
};

}  // namespace

std::unique_ptr<Canvas> make_svg_canvas(int width, int height) { return std::make_unique<SvgCanvas>(width, height); }

}  // namespace galago
