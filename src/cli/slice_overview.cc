#include "cli/slice_overview.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/error.h"
#include "image/draw.h"
#if GALAGO_WITH_DATA
#include "data/text_draw.h"
#endif

namespace galago::cli {
namespace {

constexpr Color kPaper = {247, 247, 245}, kInk = {38, 40, 46}, kQuiet = {120, 124, 134}, kWhite = {255, 255, 255};
constexpr Color kAccents[] = {{37, 99, 235}, {217, 72, 15}, {22, 130, 76}, {126, 58, 190}};  // one a view

constexpr int kMargin = 28, kViewGap = 36, kTileGap = 6, kFrame = 2;
constexpr int kTitleHeight = 52, kCaptionHeight = 46;
constexpr double kTitleSize = 22, kCaptionSize = 15, kNoteSize = 12.5;
constexpr int kLongestView = 860, kShortestView = 420, kMaxRowWidth = 1500;  // pixels of the sheet

// Text, if this program has it.
class Pen {
 public:
#if GALAGO_WITH_DATA
  Pen() {
    try {
      drawer_ = std::make_unique<TextDrawer>();
    } catch (const Error&) {  // the font is not installed: frames are enough to see the cuts
    }
  }
  double width(std::string_view text, double size) { return drawer_ ? drawer_->width(text, size) : 0; }
  void draw(Image& sheet, double x, double y, std::string_view text, double size, Color color) {
    if (drawer_) drawer_->draw(sheet, x, y, text, size, color);
  }

 private:
  std::unique_ptr<TextDrawer> drawer_;
#else
  double width(std::string_view, double) { return 0; }
  void draw(Image&, double, double, std::string_view, double, Color) {}
#endif
};

// Where a view lies on the sheet.
struct Block {
  int x = 0, y = 0;
  int tile_width = 1, tile_height = 1;  // as drawn
  int width = 0, height = 0;            // with gaps and caption
  std::string caption, note;
};

// Wide views shrink, tiny ones grow; all by the same factor, so that sizes may be compared.
double common_scale(const SlicePlan& plan) {
  int longest = 1;
  for (const SliceView& view : plan.views) longest = std::max({longest, view.full_width(), view.full_height()});
  return std::clamp(1.0, double(kShortestView) / longest, double(kLongestView) / longest);
}

std::string size_note(const SliceView& v) {
  std::string note = fmt::format("{} x {} pixels, {}", v.full_width(), v.full_height(), filter_name(v.filter));
  if (v.canvas_width > 0) note += fmt::format("; picture {} x {}", v.width, v.height);
  if (v.resize != SliceView::Resize::Original) note += " of floats";
  return note;
}

std::string view_caption(const SliceView& v) {
  if (v.n_tiles() == 1) return std::string(v.name);
  return fmt::format("{}: {} columns x {} rows of {} x {}", v.name, v.cols, v.rows, v.tile_width(), v.tile_height());
}

Block measure(const SliceView& v, double scale, Pen& pen) {
  auto scaled = [&](int length) { return std::max(1, static_cast<int>(std::lround(length * scale))); };
  Block block{.tile_width = scaled(v.tile_width()), .tile_height = scaled(v.tile_height())};
  block.caption = view_caption(v);
  block.note = size_note(v);
  int text =
      static_cast<int>(std::ceil(std::max(pen.width(block.caption, kCaptionSize), pen.width(block.note, kNoteSize))));
  block.width = std::max(v.cols * (block.tile_width + kTileGap) - kTileGap, text);
  block.height = kCaptionHeight + v.rows * (block.tile_height + kTileGap) - kTileGap;
  return block;
}

// Left to right, a new row when one is full. Returns the size of the sheet.
std::pair<int, int> arrange(std::vector<Block>& blocks) {
  int x = kMargin, y = kMargin + kTitleHeight, row_height = 0, widest = 0;
  for (Block& block : blocks) {
    if (x > kMargin && x + block.width > kMaxRowWidth) {
      x = kMargin;
      y += row_height + kViewGap;
      row_height = 0;
    }
    block.x = x;
    block.y = y;
    x += block.width + kViewGap;
    row_height = std::max(row_height, block.height);
    widest = std::max(widest, x - kViewGap);
  }
  return {widest + kMargin, y + row_height + kMargin};
}

void draw_number(Image& sheet, const Rect& tile, int number, Color color, Pen& pen) {
  double size = std::clamp(std::min(tile.width, tile.height) / 6.0, 10.0, 20.0);
  std::string text = fmt::format("{}", number);
  int width = static_cast<int>(std::ceil(pen.width(text, size) + size * 0.7)), height = static_cast<int>(size * 1.4);
  if (pen.width(text, size) == 0 || width > tile.width || height > tile.height) return;
  fill_rect(sheet, {tile.x, tile.y, width, height}, color);
  pen.draw(sheet, tile.x + size * 0.35, tile.y + size * 1.06, text, size, kWhite);
}

// `number`: of the first tile. Returns the number after the last one.
int draw_view(Image& sheet, const Block& block, const SliceView& view, const std::vector<Image>& tiles, int number,
              Color color, Pen& pen) {
  pen.draw(sheet, block.x, block.y + 15, block.caption, kCaptionSize, color);
  pen.draw(sheet, block.x, block.y + 33, block.note, kNoteSize, kQuiet);
  for (int tile = 0; tile < view.n_tiles(); ++tile) {
    Rect area{block.x + tile % view.cols * (block.tile_width + kTileGap),
              block.y + kCaptionHeight + tile / view.cols * (block.tile_height + kTileGap), block.tile_width,
              block.tile_height};
    paste(sheet, resize(tiles[static_cast<size_t>(tile)], area.width, area.height, Filter::Bicubic), area.x, area.y);
    outline_rect(sheet, {area.x - kFrame, area.y - kFrame, area.width + 2 * kFrame, area.height + 2 * kFrame}, color,
                 kFrame);
    draw_number(sheet, area, number++, color, pen);
  }
  return number;
}

}  // namespace

Image slice_overview(const Image& image, const SlicePlan& plan, const std::string& title) {
  Pen pen;
  double scale = common_scale(plan);
  std::vector<Block> blocks;
  for (const SliceView& view : plan.views) blocks.push_back(measure(view, scale, pen));
  auto [width, height] = arrange(blocks);
  width = std::max(width, 2 * kMargin + static_cast<int>(std::ceil(pen.width(title, kTitleSize))));

  Image sheet = make_image(width, height, kPaper);
  pen.draw(sheet, kMargin, kMargin + kTitleSize, title, kTitleSize, kInk);
  std::vector<std::vector<Image>> tiles = cut_tiles(image, plan);
  int number = 1;
  for (size_t i = 0; i < blocks.size(); ++i)
    number = draw_view(sheet, blocks[i], plan.views[i], tiles[i], number, kAccents[i % std::size(kAccents)], pen);
  return sheet;
}

}  // namespace galago::cli
