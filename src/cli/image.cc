// galago image FILE: what is in a picture file; turned upright, resized, written as PNG.
#include <fmt/format.h>
#include <zlib.h>

#include <cmath>

#include "base/error.h"
#include "cli/command.h"
#include "image/resize.h"
#include "image/write_png.h"

namespace galago::cli {
namespace {

struct Options {
  std::string file, size, filter = "bicubic", out;
  uint64_t max_pixels = DecodeLimits{}.max_pixels;
  bool json = false, turn = false;
};

double two_decimals(double value) { return std::round(value * 100) / 100; }

Json mean_rgb(const Image& image) {
  uint64_t sum[3] = {0, 0, 0};
  for (size_t i = 0; i < image.rgb.size(); ++i) sum[i % 3] += image.rgb[i];
  double n_pixels = static_cast<double>(image.width) * image.height;
  Json mean = Json::array();
  for (uint64_t channel : sum) mean.push_back(two_decimals(static_cast<double>(channel) / n_pixels));
  return mean;
}

std::string crc_text(const Image& image) {
  return fmt::format("{:08x}", crc32_z(0, image.rgb.data(), image.rgb.size()));
}

// Sizes and orientation speak of the file; the mean and the CRC of `result`.
Json facts(const Image& stored, const Image& result) {
  bool on_side = stored.facts.orientation >= 5;
  return {{"format", stored.facts.format},
          {"width", stored.width},
          {"height", stored.height},
          {"orientation", stored.facts.orientation},
          {"upright_width", on_side ? stored.height : stored.width},
          {"upright_height", on_side ? stored.width : stored.height},
          {"result_width", result.width},
          {"result_height", result.height},
          {"mean_rgb", mean_rgb(result)},
          {"rgb_crc32", crc_text(result)}};
}

void print_facts(const Json& f) {
  fmt::print("{} {} x {}, EXIF orientation {} ({} x {} upright)\n", f["format"].get<std::string>(),
             f["width"].get<int>(), f["height"].get<int>(), f["orientation"].get<int>(), f["upright_width"].get<int>(),
             f["upright_height"].get<int>());
  fmt::print("{} x {}: mean RGB {:.2f} {:.2f} {:.2f}, CRC-32 {}\n", f["result_width"].get<int>(),
             f["result_height"].get<int>(), f["mean_rgb"][0].get<double>(), f["mean_rgb"][1].get<double>(),
             f["mean_rgb"][2].get<double>(), f["rgb_crc32"].get<std::string>());
}

Filter parse_filter(const std::string& name) {
  auto filter = find_filter(name);
  if (!filter) throw usage_error("--filter {}: expected nearest, bilinear, bicubic or lanczos", name);
  return *filter;
}

void run(const Options& o) {
  Filter filter = parse_filter(o.filter);
  auto [width, height] = o.size.empty() ? std::pair{0, 0} : parse_size(o.size);
  Image stored = load_image(o.file, {.max_pixels = o.max_pixels});
  Image result = o.turn ? upright(stored) : stored;
  if (width > 0) result = resize(result, width, height, filter);
  Json found = facts(stored, result);
  if (!o.out.empty()) write_png(o.out, result);
  o.json ? print_json(found) : print_facts(found);
}

}  // namespace

void define_image(CLI::App& app) {
  auto o = std::make_shared<Options>();
  app.add_option("FILE", o->file, "JPEG, PNG, WebP, GIF or BMP; the content decides, not the name")->required();
  app.add_flag("--json", o->json, "the facts as one JSON object");
  app.add_flag("--upright", o->turn, "turn the picture as its EXIF orientation asks");
  app.add_option("--resize", o->size, "to WIDTHxHEIGHT; mean and CRC-32 are then of the result");
  app.add_option("--filter", o->filter, "bicubic (default), bilinear, lanczos or nearest, as Pillow computes them");
  app.add_option("--out", o->out, "write the result as PNG");
  app.add_option("--max-pixels", o->max_pixels, "refuse larger pictures");
  app.callback([o] { run(*o); });
}

}  // namespace galago::cli
