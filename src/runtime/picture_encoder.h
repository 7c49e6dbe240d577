// Pictures to the embeddings that take their place in a prompt: prepared, then run through Model::encode_image by one
// program, compiled again only when the number of tiles changes.
#pragma once

#include <memory>

#include "graph/executor.h"
#include "runtime/checkpoint.h"
#include "runtime/picture.h"

namespace galago {

struct EncodedPicture {
  TileGrid grid;
  Tensor rows;  // f32 [tiles * tokens_per_tile, d]
  double prepare_ms = 0, encode_ms = 0;
};

// One thread at a time.
class PictureEncoder {
 public:
  PictureEncoder(std::shared_ptr<const Checkpoint> checkpoint, std::shared_ptr<Executor> executor)
      : checkpoint_(std::move(checkpoint)), executor_(std::move(executor)) {}
  EncodedPicture encode(const Image& image);

 private:
  std::shared_ptr<const Checkpoint> checkpoint_;
  std::shared_ptr<Executor> executor_;
  std::unique_ptr<Program> program_;
  int64_t n_tiles_ = 0;
};

}  // namespace galago
