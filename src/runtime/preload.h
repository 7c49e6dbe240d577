// The pages of a model's files: brought into memory before they are needed, or thrown out of it to measure.
#pragma once

#include <string>

#include "runtime/checkpoint.h"

namespace galago {

// Reads a byte of every page of all weights. parallel: those of pictures on a second thread, so that two requests to
// the disk are under way at a time.
void preload(const Checkpoint& checkpoint, bool parallel);

// Asks the system to forget what it holds of these files, so that the next reading comes from the disk. A folder: all
// files in it. Only advice: pages that somebody has mapped stay.
void drop_file_cache(const ModelFiles& files);

}  // namespace galago
