// Pictures beside what was said about them, in a grid: the quickest way to see what a model can do.
#pragma once

#include <string>
#include <vector>

#include "image/image.h"

namespace galago {

struct SheetCell {
  Image image;
  std::string text;       // large, dark
  std::string reference;  // small, grey, below
  bool good = false;      // a green mark, otherwise an orange one
};

// `columns` cells a row. Throws NotFound without the font.
Image contact_sheet(const std::vector<SheetCell>& cells, int columns = 3);

}  // namespace galago
