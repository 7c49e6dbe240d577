// One picture that shows what a slicing policy makes of a picture: its views side by side at one scale, their tiles set
// apart and numbered in the order in which the model gets them.
#pragma once

#include <string>

#include "image/slicing.h"

namespace galago::cli {

// `title` goes on top. Text needs freetype and its font; without them there are frames only.
Image slice_overview(const Image& image, const SlicePlan& plan, const std::string& title);

}  // namespace galago::cli
