#include "train/curves.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/progress.h"
#include "data/text_draw.h"
#include "train/curves_canvas.h"

namespace galago {
namespace {

constexpr int kWidth = 900, kHeight = 620, kPngScale = 2;
constexpr double kSmall = 12, kLarge = 15;  // letter sizes
constexpr Color kInk = {40, 44, 52}, kGrey = {120, 126, 136}, kGrid = {228, 231, 236};
constexpr Color kBlue = {31, 95, 178}, kPaleBlue = {186, 208, 236}, kOrange = {217, 95, 2}, kGreen = {27, 133, 84};
constexpr size_t kMostPoints = 1600;  // two a unit of width

struct Range {
  double low = 0, high = 1;
  double share(double v) const { return (v - low) / (high - low); }
};

Range range_of(std::initializer_list<const Series*> all, double low = INFINITY) {
  double high = -INFINITY;
  for (const Series* series : all)
    for (double v : series->value) low = std::min(low, v), high = std::max(high, v);
  if (!(low <= high)) return {};
  double margin = high > low ? 0.05 * (high - low) : std::max(std::abs(high), 1e-12) * 0.1;
  return {low >= 0 ? std::max(low - margin, 0.0) : low - margin, high + margin};
}

// One pair of axes on the canvas.
struct Panel {
  Canvas& canvas;
  double left, top, right, bottom;
  Range x, y;

  Point place(double step, double value) const {
    return {left + x.share(step) * (right - left), bottom - y.share(value) * (bottom - top)};
  }

  void axes(const std::string& title, bool numbers_below) const {
    for (double tick : round_ticks(y.low, y.high)) {
      double at = place(0, tick).y;
      line({left, at}, {right, at}, {kGrid, 1});
      canvas.text({left - 8, at + 4}, fmt::format("{:.5g}", tick), Anchor::End, kSmall, kGrey);
    }
    for (double tick : round_ticks(x.low, x.high)) {
      double at = place(tick, 0).x;
      line({at, bottom}, {at, bottom + 5}, {kGrey, 1});
      if (numbers_below) canvas.text({at, bottom + 20}, fmt::format("{:.7g}", tick), Anchor::Middle, kSmall, kGrey);
    }
    line({left, bottom}, {right, bottom}, {kGrey, 1});
    line({left, top}, {left, bottom}, {kGrey, 1});
    canvas.text({left, top - 10}, title, Anchor::Start, kLarge, kInk);
  }

  void curve(const Series& series, const Stroke& stroke) const {
    std::vector<Point> points;
    for (size_t i = 0; i < series.step.size(); ++i) points.push_back(place(series.step[i], series.value[i]));
    if (points.size() > 1) canvas.polyline(points, stroke);
  }

  void marks(const Series& series, Color color) const {
    for (size_t i = 0; i < series.step.size(); ++i) canvas.disc(place(series.step[i], series.value[i]), 2.5, color);
  }

  void stages(const std::vector<TrainingCurves::Stage>& all, bool names) const {
    if (all.size() < 2) return;
    for (const auto& stage : all) {
      double at = place(stage.begin, 0).x;
      if (at > right) continue;
      if (stage.begin > 0) line({at, top}, {at, bottom}, {kGrey, 1, true});
      if (names) canvas.text({at + 6, top + 12}, stage.style, Anchor::Start, kSmall, kGrey);
    }
  }

  void line(Point a, Point b, const Stroke& stroke) const {
    Point ends[] = {a, b};
    canvas.polyline(ends, stroke);
  }
};

struct LegendRow {
  const char* name;
  Stroke stroke;
};

void legend(const Panel& panel, std::initializer_list<LegendRow> rows) {
  double x = panel.right - 180, y = panel.top + 12;
  for (const LegendRow& row : rows) {
    panel.line({x, y - 4}, {x + 26, y - 4}, row.stroke);
    panel.canvas.text({x + 34, y}, row.name, Anchor::Start, kSmall, kInk);
    y += 19;
  }
}

// One piece a stage: losses of different texts do not compare, so no line and no mean crosses the border.
std::vector<Series> pieces(const Series& series, const std::vector<TrainingCurves::Stage>& stages) {
  std::vector<Series> out(std::max<size_t>(stages.size(), 1));
  size_t stage = 0;
  for (size_t i = 0; i < series.step.size(); ++i) {
    while (stage + 1 < stages.size() && series.step[i] > stages[stage + 1].begin) ++stage;
    out[stage].step.push_back(series.step[i]);
    out[stage].value.push_back(series.value[i]);
  }
  return out;
}

void draw(Canvas& canvas, const TrainingCurves& curves, const std::string& title) {
  Series raw = thinned(curves.loss, kMostPoints);
  double window = std::max(1.0, static_cast<double>(raw.step.size()) / 40);
  double last = curves.loss.empty() ? 1 : curves.loss.step.back();
  if (!curves.validation_loss.empty()) last = std::max(last, curves.validation_loss.step.back());
  Range steps{0, std::max(last, 1.0)};
  constexpr double kLeft = 70, kRight = kWidth - 28;
  canvas.text({kLeft, 26}, title, Anchor::Start, kLarge + 2, kInk);

  Panel loss{canvas, kLeft, 66, kRight, 410, steps, range_of({&raw, &curves.validation_loss})};
  loss.axes("loss", false);
  loss.stages(curves.stages, true);
  loss.curve(raw, {kPaleBlue, 1});
  for (const Series& piece : pieces(raw, curves.stages)) loss.curve(smoothed(piece, window), {kBlue, 2});
  for (const Series& piece : pieces(curves.validation_loss, curves.stages)) loss.curve(piece, {kOrange, 2});
  loss.marks(curves.validation_loss, kOrange);
  legend(loss, {{"training, each", {kPaleBlue, 2}}, {"training, smoothed", {kBlue, 2}}, {"validation", {kOrange, 2}}});

  Panel rate{canvas, kLeft, 462, kRight, 570, steps, range_of({&curves.learning_rate}, 0)};
  rate.axes("learning rate", true);
  rate.stages(curves.stages, false);
  rate.curve(thinned(curves.learning_rate, kMostPoints), {kGreen, 2});
  canvas.text({(kLeft + kRight) / 2, kHeight - 12}, "step", Anchor::Middle, kSmall + 1, kInk);
}

void add(Series& series, const Json& line, const char* field) {
  if (!line.contains(field) || !line[field].is_number()) return;
  series.step.push_back(line["step"].get<double>());
  series.value.push_back(line[field].get<double>());
}

}  // namespace

TrainingCurves read_curves(const std::string& folder) {
  TrainingCurves curves;
  std::ifstream log(folder + "/log.jsonl");
  for (std::string text; std::getline(log, text);) {
    Json line = Json::parse(text, nullptr, false);
    if (line.is_discarded() || !line.is_object() || !line.contains("step") || !line["step"].is_number()) continue;
    add(curves.loss, line, "loss");
    add(curves.validation_loss, line, "validation_loss");
    add(curves.learning_rate, line, "learning_rate");
  }
  if (!std::filesystem::exists(folder + "/recipe.json")) return curves;
  double begin = 0;
  for (const Json& stage : read_json(folder + "/recipe.json").value("stages", Json::array())) {
    curves.stages.push_back({begin, stage.value("style", "")});
    begin += stage.value("steps", 0.0);
  }
  return curves;
}

Series smoothed(const Series& raw, double window) {
  Series out{raw.step, std::vector<double>(raw.value.size())};
  double keep = 1 - 1 / std::max(window, 1.0);
  auto pass = [&](auto value, auto end, auto to) {
    double sum = 0, weight = 0;
    for (; value != end; ++value, ++to) {
      sum = keep * sum + *value;
      weight = keep * weight + 1;
      *to += sum / weight / 2;
    }
  };
  pass(raw.value.begin(), raw.value.end(), out.value.begin());
  pass(raw.value.rbegin(), raw.value.rend(), out.value.rbegin());
  return out;
}

Series thinned(const Series& raw, size_t n) {
  if (raw.step.size() <= n) return raw;
  Series out;
  for (size_t part = 0; part < n; ++part) {
    size_t begin = part * raw.step.size() / n, end = (part + 1) * raw.step.size() / n;
    double step = 0, value = 0;
    for (size_t i = begin; i < end; ++i) step += raw.step[i], value += raw.value[i];
    out.step.push_back(step / static_cast<double>(end - begin));
    out.value.push_back(value / static_cast<double>(end - begin));
  }
  return out;
}

std::vector<double> round_ticks(double low, double high) {
  double room = high - low;
  if (!(room > 0) || !std::isfinite(room)) return {low};
  double unit = std::pow(10, std::floor(std::log10(room / 5)));
  double ratio = room / 5 / unit;
  double distance = unit * (ratio < 1.5 ? 1 : ratio < 3.5 ? 2 : ratio < 7.5 ? 5 : 10);
  std::vector<double> ticks;
  for (double i = std::ceil(low / distance - 1e-9); i * distance <= high + 1e-9 * distance; ++i)
    ticks.push_back(i * distance + 0.0);  // no -0
  return ticks;
}

void draw_curves(const std::string& folder) {
  TrainingCurves curves = read_curves(folder);
  if (curves.loss.empty()) return;
  std::string title = std::filesystem::path(folder).lexically_normal().filename().string();
  auto svg = make_svg_canvas(kWidth, kHeight);
  draw(*svg, curves, title);
  write_file(folder + "/curves.svg", svg->file_bytes());
  if (!std::filesystem::exists(kTextFont))
    return note(fmt::format("{}: no curves.png, as {} is missing: install fonts-dejavu-core", folder, kTextFont));
  auto png = make_png_canvas(kWidth, kHeight, kPngScale);
  draw(*png, curves, title);
  write_file(folder + "/curves.png", png->file_bytes());
}

}  // namespace galago
