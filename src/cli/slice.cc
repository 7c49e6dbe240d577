// galago slice: the plan of a slicing policy for a size, or the tiles of a picture with an overview of the cuts.
#include <fmt/format.h>

#include <filesystem>

#include "base/error.h"
#include "cli/command.h"
#include "image/draw.h"
#include "image/slicing.h"
#include "image/write_png.h"

namespace galago::cli {
namespace {

struct Options {
  std::string policy, size, image, out, filter = "bicubic";
  SliceOptions slice;
  bool json = false, keep_size = false, turn = false;
};

std::string_view global_name(SlicePlan::Global global) {
  return global == SlicePlan::Global::None ? "none" : global == SlicePlan::Global::First ? "first" : "last";
}

Json plan_json(const Options& o, int width, int height, const SlicePlan& plan) {
  return {{"policy", o.policy},
          {"width", width},
          {"height", height},
          {"resized_width", plan.width},
          {"resized_height", plan.height},
          {"filter", filter_name(plan.filter)},
          {"rows", plan.rows},
          {"cols", plan.cols},
          {"tile_width", plan.width / plan.cols},
          {"tile_height", plan.height / plan.rows},
          {"global", global_name(plan.global)},
          {"global_width", plan.global_width},
          {"global_height", plan.global_height},
          {"n_images", plan.n_images()}};
}

void print_plan(int width, int height, const SlicePlan& plan) {
  fmt::print("{} x {} -> resized to {} x {} ({}), {} rows x {} columns of {} x {}\n", width, height, plan.width,
             plan.height, filter_name(plan.filter), plan.rows, plan.cols, plan.width / plan.cols,
             plan.height / plan.rows);
  if (plan.global != SlicePlan::Global::None)
    fmt::print("a view of the whole picture, {} x {}, comes {}\n", plan.global_width, plan.global_height,
               global_name(plan.global));
  fmt::print("{} images\n", plan.n_images());
}

// The resized picture with a frame around every tile.
Image overview(const Image& image, const SlicePlan& plan) {
  Image sheet = resize(image, plan.width, plan.height, plan.filter);
  int width = plan.width / plan.cols, height = plan.height / plan.rows;
  int thickness = std::max(1, std::min(width, height) / 128);
  constexpr Color kColors[] = {{230, 60, 40}, {40, 110, 230}};  // neighbours differ
  for (int row = 0; row < plan.rows; ++row)
    for (int col = 0; col < plan.cols; ++col)
      outline_rect(sheet, {col * width, row * height, width, height}, kColors[(row + col) % 2], thickness);
  return sheet;
}

std::string tile_name(const SlicePlan& plan, int index) {
  int cell = index - (plan.global == SlicePlan::Global::First ? 1 : 0);
  if (cell < 0 || cell >= plan.rows * plan.cols) return "global.png";
  return fmt::format("tile_{}_{}.png", cell / plan.cols + 1, cell % plan.cols + 1);
}

// Names of the written files in the order in which the model gets the tiles.
Json write_tiles(const Image& image, const SlicePlan& plan, const std::string& folder) {
  std::filesystem::create_directories(folder);
  Json files = Json::array();
  std::vector<Image> tiles = cut_tiles(image, plan);
  for (int i = 0; i < static_cast<int>(tiles.size()); ++i) {
    files.push_back(folder + "/" + tile_name(plan, i));
    write_png(files.back().get<std::string>(), tiles[static_cast<size_t>(i)]);
  }
  write_png(folder + "/overview.png", overview(image, plan));
  return files;
}

void run(Options o) {
  if (o.size.empty() == o.image.empty()) throw usage_error("expected either a size such as 640x480 or --image FILE");
  if (!o.image.empty() && o.out.empty()) throw usage_error("--image needs --out DIR for the tiles");
  auto filter = find_filter(o.filter);
  if (!filter) throw usage_error("--filter {}: expected nearest, bilinear, bicubic or lanczos", o.filter);
  o.slice.filter = *filter;
  o.slice.resize_to_max_side = !o.keep_size;
  Image image;
  if (!o.image.empty()) image = load_image(o.image);
  if (o.turn && !o.image.empty()) image = upright(std::move(image));
  auto [width, height] = o.image.empty() ? parse_size(o.size) : std::pair{image.width, image.height};
  SlicePlan plan = find_slicing_policy(o.policy).plan(width, height, o.slice);
  Json result = plan_json(o, width, height, plan);
  if (!o.image.empty()) result["files"] = write_tiles(image, plan, o.out);
  if (o.json) return print_json(result);
  print_plan(width, height, plan);
  if (!o.image.empty()) fmt::print("{}/overview.png\n", o.out);
}

std::string policy_help() {
  std::string text;
  for (const SlicingPolicy& policy : all_slicing_policies())
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", policy.name, policy.help);
  return text;
}

}  // namespace

void define_slice(CLI::App& app) {
  auto o = std::make_shared<Options>();
  app.add_option("SIZE", o->size, "of a picture, WIDTHxHEIGHT");
  app.add_option("--policy", o->policy, policy_help())->required();
  app.add_option("--image", o->image, "cut this picture instead; needs --out");
  app.add_option("--out", o->out, "folder for the tiles and overview.png");
  app.add_option("--tile", o->slice.tile, "side of a tile in pixels (512)");
  app.add_option("--max-side", o->slice.max_side, "longest side of the resized picture (2048)");
  app.add_option("--filter", o->filter, "of the first resize: bicubic (default), bilinear, lanczos, nearest");
  app.add_flag("--no-enlarge", o->keep_size, "nanovlm: leave small pictures near their size");
  app.add_flag("--upright", o->turn, "turn the picture as its EXIF orientation asks");
  app.add_flag("--json", o->json, "the plan as one JSON object");
  app.callback([o] { run(*o); });
}

}  // namespace galago::cli
