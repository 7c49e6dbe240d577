// Pictures to the embeddings that take their place in a prompt: prepared, then run through Model::encode_image, one
// program for each shape of a view's tiles, kept for the next picture.
#pragma once

#include <memory>
#include <vector>

#include "graph/executor.h"
#include "runtime/checkpoint.h"
#include "runtime/picture.h"

namespace galago {

struct EncodedPicture {
  SlicePlan plan;
  Tensor rows;  // f32 [tiles * tokens_per_tile + extra rows, d], numbered as in PromptPiece
  double prepare_ms = 0, encode_ms = 0;
};

// One thread at a time.
class PictureEncoder {
 public:
  PictureEncoder(std::shared_ptr<const Checkpoint> checkpoint, std::shared_ptr<Executor> executor)
      : checkpoint_(std::move(checkpoint)), executor_(std::move(executor)) {}
  EncodedPicture encode(const Image& image);
  EncodedPicture encode(const PreparedPicture& picture);
  void release();  // drops programs and their memory; the next picture makes them again

 private:
  struct ViewProgram {
    Shape pixels;
    std::unique_ptr<Program> program;
  };
  Program& program(const Shape& pixels);
  const Tensor& extra_rows();  // [n, d]; n = 0 where the model has none

  std::shared_ptr<const Checkpoint> checkpoint_;
  std::shared_ptr<Executor> executor_;
  std::vector<ViewProgram> programs_;
  Tensor extra_;
  bool extra_is_known_ = false;
};

}  // namespace galago
