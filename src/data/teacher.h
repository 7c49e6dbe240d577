// The other way to a caption set (NanoVLM's own): human captions of real pictures are joined into a prompt, an outside
// teacher model rewrites them in a small child's words without seeing the picture, and its answers are read back.
//   captions.jsonl  {"image": "a.jpg", "captions": ["...", ...]}            1 to 20 captions a picture
//   prompts.jsonl   {"id": "a.jpg#short", "image", "captions", "style", "prompt"}
//   answers.jsonl   {"id": "a.jpg#short", "text": "..."}                    any order; the last of equal ids counts
//   output.jsonl    {"image", "captions", "style", "text"}                  in the order of the captions
// Word counts are checked and reported; nothing is dropped because of its length.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/scene_captions.h"

namespace galago {

struct CaptionedPicture {
  std::string image;
  std::vector<std::string> captions;
};

// Throws InvalidInput naming the file and line.
std::vector<CaptionedPicture> read_captions(const std::string& path);

// The task in words, for one picture.
std::string teacher_prompt(const CaptionedPicture&, Style);

// Returns the number of prompts written.
int64_t build_teacher_prompts(const std::string& captions_path, const std::string& prompts_path, Style);

struct TeacherReport {
  int64_t pictures = 0;
  int64_t texts = 0;           // written
  int64_t missing = 0;         // pictures without an answer (or with an empty one): not written
  int64_t unknown = 0;         // answers whose id belongs to no picture
  int64_t outside_length = 0;  // written, though their words or sentences miss the rule of the style
  double outside_share() const {
    return texts == 0 ? 0 : static_cast<double>(outside_length) / static_cast<double>(texts);
  }
  std::string summary() const;  // one line for people
};

TeacherReport join_teacher_answers(const std::string& captions_path, const std::string& answers_path,
                                   const std::string& output_path, Style);

// Without a teacher: cleaned captions and plain closing sentences, as near to the length rule as they can be joined.
std::string template_description(const CaptionedPicture&, Style);
TeacherReport build_template_set(const std::string& captions_path, const std::string& output_path, Style);

}  // namespace galago
