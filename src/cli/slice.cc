// galago slice: the plan of a slicing policy for a size, or the tiles of a picture with an overview of the cuts.
#include <fmt/format.h>

#include <filesystem>
#include <functional>

#include "base/error.h"
#include "cli/command.h"
#include "cli/slice_overview.h"
#include "image/slicing.h"
#include "image/write_png.h"

namespace galago::cli {
namespace {

struct Options {
  std::string policy, size, image, out;
  bool json = false, turn = false;
  std::vector<std::function<void(SliceOptions&)>> given;  // what the user set; the rest is the policy's usual
};

Json view_json(const SliceView& v) {
  Json json = {{"name", v.name},
               {"width", v.full_width()},
               {"height", v.full_height()},
               {"cols", v.cols},
               {"rows", v.rows},
               {"tile_width", v.tile_width()},
               {"tile_height", v.tile_height()},
               {"filter", filter_name(v.filter)}};
  if (v.from >= 0) json["from_view"] = v.from;
  if (v.canvas_width > 0)
    json["picture"] = {{"left", v.left}, {"top", v.top}, {"width", v.width}, {"height", v.height}};
  return json;
}

Json plan_json(const std::string& policy, int width, int height, const SlicePlan& plan) {
  Json views = Json::array();
  for (const SliceView& view : plan.views) views.push_back(view_json(view));
  return {{"policy", policy}, {"width", width}, {"height", height}, {"views", views}, {"n_tiles", plan.n_tiles()}};
}

void print_plan(int width, int height, const SlicePlan& plan) {
  fmt::print("{} x {}: {} tile{} in the order of the model\n", width, height, plan.n_tiles(),
             plan.n_tiles() == 1 ? "" : "s");
  std::vector<std::vector<std::string>> rows = {
      {"view", "tiles", "columns x rows", "tile", "canvas", "picture at", "filter"}};
  for (const SliceView& v : plan.views)
    rows.push_back({std::string(v.name), fmt::format("{}", v.n_tiles()), fmt::format("{} x {}", v.cols, v.rows),
                    fmt::format("{} x {}", v.tile_width(), v.tile_height()),
                    fmt::format("{} x {}", v.full_width(), v.full_height()),
                    v.canvas_width > 0 ? fmt::format("{},{} {} x {}", v.left, v.top, v.width, v.height) : "all of it",
                    std::string(filter_name(v.filter))});
  print_table(rows);
}

std::string tile_file(const SliceView& view, int number, int tile) {
  if (view.n_tiles() == 1) return fmt::format("{:03}_{}.png", number, view.name);
  return fmt::format("{:03}_{}_row{}_col{}.png", number, view.name, tile / view.cols + 1, tile % view.cols + 1);
}

// Names of the written files in the order in which the model gets the tiles.
Json write_tiles(const Image& image, const SlicePlan& plan, const std::string& folder) {
  std::filesystem::create_directories(folder);
  Json files = Json::array();
  std::vector<std::vector<Image>> tiles = cut_tiles(image, plan);
  int number = 1;
  for (size_t view = 0; view < tiles.size(); ++view) {
    for (size_t tile = 0; tile < tiles[view].size(); ++tile) {
      files.push_back(folder + "/" + tile_file(plan.views[view], number++, static_cast<int>(tile)));
      write_png(files.back().get<std::string>(), tiles[view][tile]);
    }
  }
  return files;
}

void write_overview(const Options& o, const Image& image, const SlicePlan& plan) {
  std::string name = std::filesystem::path(o.image).filename().string();
  write_png(o.out + "/overview.png",
            slice_overview(image, plan,
                           fmt::format("{}   {} x {}   {}: {} tile{}", name, image.width, image.height, o.policy,
                                       plan.n_tiles(), plan.n_tiles() == 1 ? "" : "s")));
}

void run(const Options& o) {
  if (o.size.empty() == o.image.empty()) throw usage_error("expected either a size such as 640x480 or --image FILE");
  if (!o.image.empty() && o.out.empty()) throw usage_error("--image needs --out DIR for the tiles");
  const SlicingPolicy& policy = find_slicing_policy(o.policy);
  SliceOptions slice = policy.usual;
  for (const auto& set : o.given) set(slice);
  Image image;
  if (!o.image.empty()) image = load_image(o.image);
  if (o.turn && !o.image.empty()) image = upright(std::move(image));
  auto [width, height] = o.image.empty() ? parse_size(o.size) : std::pair{image.width, image.height};
  SlicePlan plan = policy.plan(width, height, slice);
  Json result = plan_json(o.policy, width, height, plan);
  if (!o.image.empty()) {
    result["files"] = write_tiles(image, plan, o.out);
    write_overview(o, image, plan);
  }
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

template <class T>
void add_number(CLI::App& app, Options& o, const char* flags, T SliceOptions::*field, const char* help) {
  auto value = std::make_shared<T>();
  CLI::Option* option = app.add_option(flags, *value, help);
  o.given.push_back([=](SliceOptions& slice) {
    if (option->count() > 0) slice.*field = *value;
  });
}

void add_flag(CLI::App& app, Options& o, const char* flag, bool SliceOptions::*field, bool meaning, const char* help) {
  auto seen = std::make_shared<bool>(false);
  app.add_flag(flag, *seen, help);
  o.given.push_back([=](SliceOptions& slice) {
    if (*seen) slice.*field = meaning;
  });
}

template <class T>
using Choices = std::vector<std::pair<std::string, T>>;

template <class T>
T choose(const std::string& flag, const Choices<T>& choices, const std::string& name) {
  std::string known;
  for (const auto& [choice, value] : choices) {
    if (choice == name) return value;
    known += (known.empty() ? "" : ", ") + choice;
  }
  throw usage_error("{} {}: expected one of {}", flag, name, known);
}

template <class T>
void add_choice(CLI::App& app, Options& o, const char* flag, T SliceOptions::*field, const Choices<T>& choices,
                const char* help) {
  auto name = std::make_shared<std::string>();
  app.add_option(flag, *name, help);
  o.given.push_back([=](SliceOptions& slice) {
    if (!name->empty()) slice.*field = choose(flag, choices, *name);
  });
}

void add_grids(CLI::App& app, Options& o) {
  auto names = std::make_shared<std::vector<std::string>>();
  app.add_option("--grids", *names, "llavanext, bluelm: the candidates instead, COLUMNSxROWS,...")->delimiter(',');
  o.given.push_back([=](SliceOptions& slice) {
    for (const std::string& name : *names) {
      auto [cols, rows] = parse_size(name);
      slice.grids.push_back({cols, rows});
    }
  });
}

void add_slice_options(CLI::App& app, Options& o) {
  using S = SliceOptions;
  add_number(app, o, "--tile", &S::tile, "side of a tile in pixels; minicpmv: of the square whose area a tile has");
  add_choice<Filter>(app, o, "--filter", &S::filter,
                     {{"bicubic", Filter::Bicubic},
                      {"bilinear", Filter::Bilinear},
                      {"lanczos", Filter::Lanczos},
                      {"nearest", Filter::Nearest}},
                     "of the main resize: bicubic, bilinear, lanczos, nearest");
  add_number(app, o, "--min-tiles", &S::min_tiles, "internvl, minimonkey: least tiles of the grid");
  add_number(app, o, "--max-tiles,--hd-num", &S::max_tiles, "minicpmv, internvl, minimonkey, xcomposer: most tiles");
  add_choice<S::Thumbnail>(app, o, "--thumbnail", &S::thumbnail,
                           {{"none", S::Thumbnail::None}, {"first", S::Thumbnail::First}, {"last", S::Thumbnail::Last}},
                           "internvl, nanovlm, llavanext, bluelm: the whole picture as a tile: none, first, last");
  add_number(app, o, "--max-side", &S::max_side, "nanovlm: longest side of the resized picture (2048)");
  add_flag(app, o, "--no-enlarge", &S::resize_to_max_side, false, "nanovlm: leave small pictures near their size");
  add_number(app, o, "--patch", &S::patch, "minicpmv: sides are multiples of this (14)");
  add_number(app, o, "--adaptive-min", &S::adaptive_min_tiles, "minimonkey: least tiles of the second grid (3)");
  add_number(app, o, "--adaptive-max", &S::adaptive_max_tiles, "minimonkey: most tiles of the second grid (7)");
  add_choice<S::Keep>(app, o, "--filter-mode", &S::keep, {{"or", S::Keep::Or}, {"and", S::Keep::And}},
                      "minimonkey: a second grid must not divide the first in its columns or / and rows: or, and");
  add_choice<S::Order>(
      app, o, "--order", &S::order,
      {{"detailed-first", S::Order::DetailedFirst},
       {"adaptive-first", S::Order::AdaptiveFirst},
       {"detailed-global-adaptive", S::Order::DetailedGlobalAdaptive}},
      "minimonkey: detailed-first, adaptive-first, detailed-global-adaptive; the global view ends all");
  add_flag(app, o, "--training", &S::training, true, "minimonkey: a second grid of one tile stays");
  add_number(app, o, "--max-grid-side", &S::max_grid_side, "llavanext, bluelm: candidates up to this x this (4)");
  add_grids(app, o);
  add_number(app, o, "--alpha", &S::alpha, "bluelm: how much of the picture may be lost for a smaller canvas (0.1)");
  add_flag(app, o, "--strict", &S::strict, true, "bluelm: losses do not add up");
  add_flag(app, o, "--no-1x1-thumbnail", &S::thumbnail_for_1x1, false, "llavanext, bluelm: none beside a single tile");
}

}  // namespace

void define_slice(CLI::App& app) {
  auto o = std::make_shared<Options>();
  app.add_option("SIZE", o->size, "of a picture, WIDTHxHEIGHT");
  app.add_option("--policy", o->policy, policy_help())->required();
  app.add_option("--image", o->image, "cut this picture instead; needs --out");
  app.add_option("--out", o->out, "folder for the tiles and overview.png");
  app.add_flag("--upright", o->turn, "turn the picture as its EXIF orientation asks");
  app.add_flag("--json", o->json, "the plan as one JSON object");
  add_slice_options(app, *o);
  app.callback([o] { run(*o); });
}

}  // namespace galago::cli
