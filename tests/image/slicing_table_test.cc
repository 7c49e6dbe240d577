// Every policy against the sizes that its authors' code gives: tests/image/slicing/POLICY.tsv, one row a picture.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "base/error.h"
#include "image/slicing.h"

namespace galago {
namespace {

struct Row {
  int line = 0;
  std::string size, options, plan, tokens;
};

std::vector<Row> read_table(std::string_view policy) {
  std::vector<Row> rows;
  std::ifstream file(fmt::format("{}/tests/image/slicing/{}.tsv", GALAGO_SOURCE_DIR, policy));
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    Row row{.line = number};
    std::istringstream cells(line);
    for (std::string* cell : {&row.size, &row.options, &row.plan, &row.tokens}) std::getline(cells, *cell, '\t');
    rows.push_back(row);
  }
  return rows;
}

Grid parse_grid(const std::string& text) {
  Grid grid;
  EXPECT_EQ(std::sscanf(text.c_str(), "%dx%d", &grid.cols, &grid.rows), 2) << text;
  return grid;
}

void set_option(SliceOptions& o, const std::string& key, const std::string& value) {
  using Set = std::function<void(const std::string&)>;
  const std::map<std::string, Set> setters = {
      {"-", [](auto&) {}},
      {"tile", [&](auto& v) { o.tile = std::stoi(v); }},
      {"min", [&](auto& v) { o.min_tiles = std::stoi(v); }},
      {"max", [&](auto& v) { o.max_tiles = std::stoi(v); }},
      {"side", [&](auto& v) { o.max_grid_side = std::stoi(v); }},
      {"keep-size", [&](auto&) { o.resize_to_max_side = false; }},
      {"training", [&](auto&) { o.training = true; }},
      {"strict", [&](auto&) { o.strict = true; }},
      {"keep", [&](auto& v) { o.keep = v == "and" ? SliceOptions::Keep::And : SliceOptions::Keep::Or; }},
      {"adaptive",
       [&](auto& v) { EXPECT_EQ(std::sscanf(v.c_str(), "%d..%d", &o.adaptive_min_tiles, &o.adaptive_max_tiles), 2); }},
      {"order",
       [&](auto& v) {
         o.order = v == "adaptive" ? SliceOptions::Order::AdaptiveFirst : SliceOptions::Order::DetailedGlobalAdaptive;
       }},
      {"thumbnail",
       [&](auto& v) {
         using Thumbnail = SliceOptions::Thumbnail;
         o.thumbnail = v == "first" ? Thumbnail::First : v == "last" ? Thumbnail::Last : Thumbnail::None;
       }},
      {"thumbnail1x1", [&](auto& v) { o.thumbnail_for_1x1 = v == "yes"; }},
      {"grids",
       [&](auto& v) {
         std::istringstream list(v);
         for (std::string grid; std::getline(list, grid, ',');) o.grids.push_back(parse_grid(grid));
       }},
  };
  ASSERT_TRUE(setters.contains(key)) << key;
  setters.at(key)(value);
}

SliceOptions parse_options(const SlicingPolicy& policy, const std::string& text) {
  SliceOptions options = policy.usual;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    size_t equals = word.find('=');
    set_option(options, word.substr(0, equals), equals == std::string::npos ? "" : word.substr(equals + 1));
  }
  return options;
}

std::string describe(const SlicePlan& plan) {
  std::string text;
  for (const SliceView& v : plan.views)
    text += fmt::format("{}{} {}x{} {}x{}", text.empty() ? "" : "; ", v.name, v.full_width(), v.full_height(), v.cols,
                        v.rows);
  return text;
}

// What the models make of the tiles; the tables have the published counts.
int count_tokens(std::string_view policy, const SlicePlan& plan) {
  if (policy == "xcomposer") {  // 144 a tile and 12 separators a row of tiles, in both views, and one in between
    const SliceView& tiles = plan.views[1];
    return 144 * plan.n_tiles() + 12 * (tiles.rows + 1) + 1;
  }
  return plan.n_tiles() * (policy == "internvl" || policy == "minimonkey" ? 256 : 64);
}

class SlicingTable : public testing::TestWithParam<size_t> {};

TEST_P(SlicingTable, EqualsThePublishedSizes) {
  const SlicingPolicy& policy = all_slicing_policies()[GetParam()];
  std::vector<Row> rows = read_table(policy.name);
  ASSERT_GE(rows.size(), 5u) << "tests/image/slicing/" << policy.name << ".tsv";
  for (const Row& row : rows) {
    SCOPED_TRACE(fmt::format("{}.tsv:{}: {} {}", policy.name, row.line, row.size, row.options));
    Grid size = parse_grid(row.size);
    SlicePlan plan = policy.plan(size.cols, size.rows, parse_options(policy, row.options));
    std::string found = describe(plan), expected = row.plan;
    if (expected.ends_with("...")) expected.resize(expected.size() - 3), found.resize(expected.size());
    EXPECT_EQ(found, expected);
    EXPECT_EQ(plan, policy.plan(size.cols, size.rows, parse_options(policy, row.options)));
    if (row.tokens != "-") {
      EXPECT_EQ(count_tokens(policy.name, plan), std::stoi(row.tokens));
    }
  }
  RecordProperty("rows", static_cast<int>(rows.size()));
}

INSTANTIATE_TEST_SUITE_P(Policies, SlicingTable, testing::Range<size_t>(0, all_slicing_policies().size()),
                         [](const auto& info) { return std::string(all_slicing_policies()[info.param].name); });

}  // namespace
}  // namespace galago
