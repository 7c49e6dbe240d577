#include "eval/contact_sheet.h"

#include <algorithm>

#include "base/error.h"
#include "eval/text_painter.h"
#include "image/draw.h"
#include "image/resize.h"

namespace galago {
namespace {

// Pixels.
constexpr int kPicture = 160, kText = 230, kMargin = 10, kMark = 4;
constexpr int kCellWidth = kPicture + kText + 3 * kMargin, kCellHeight = kPicture + 2 * kMargin;
constexpr int kLargeText = 13, kSmallText = 11;
constexpr Color kPaper{250, 250, 247}, kInk{20, 20, 25}, kGrey{120, 120, 125}, kGreen{40, 150, 70},
    kOrange{220, 130, 40};

// Draws wrapped lines down to `bottom`; returns where the next line would be.
int draw_lines(Image& sheet, const TextPainter& painter, const std::string& text, int x, int y, int bottom, Color ink) {
  for (const std::string& line : painter.wrap(text, kText)) {
    if (y + painter.line_height() > bottom) break;
    painter.draw(sheet, x, y, line, ink);
    y += painter.line_height();
  }
  return y;
}

}  // namespace

Image contact_sheet(const std::vector<SheetCell>& cells, int columns) {
  CHECK(columns >= 1 && !cells.empty(), "{} cells in {} columns", cells.size(), columns);
  TextPainter large(kLargeText), small(kSmallText);
  int n = static_cast<int>(cells.size()), rows = (n + columns - 1) / columns;
  Image sheet = make_image(std::min(n, columns) * kCellWidth, rows * kCellHeight, kPaper);
  for (int i = 0; i < n; ++i) {
    const SheetCell& cell = cells[static_cast<size_t>(i)];
    int x = i % columns * kCellWidth + kMargin, y = i / columns * kCellHeight + kMargin, bottom = y + kPicture;
    paste(sheet, resize(cell.image, kPicture, kPicture, Filter::Bicubic), x, y);
    fill_rect(sheet, {x + kPicture, y, kMark, kPicture}, cell.good ? kGreen : kOrange);
    int text_x = x + kPicture + kMargin;
    int next = draw_lines(sheet, large, cell.text, text_x, y, bottom, kInk) + kMargin / 2;
    draw_lines(sheet, small, cell.reference, text_x, next, bottom, kGrey);
  }
  return sheet;
}

}  // namespace galago
