// Captions of MS-COCO (Lin et al. 2014, arXiv:1405.0312): annotations/captions_*.json to the captions.jsonl that
// data/teacher.h reads.
#pragma once

#include <cstdint>
#include <string>

namespace galago {

// One line a picture that has captions, in the order of the file; returns their number. Throws InvalidInput naming the
// file and the entry.
int64_t import_coco_captions(const std::string& annotations_path, const std::string& captions_path);

// The captions file inside a COCO folder: annotations/captions_train2017.json, or 2014, or val. Throws NotFound.
std::string find_coco_captions(const std::string& folder);

}  // namespace galago
