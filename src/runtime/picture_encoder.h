// Pictures to the embeddings that take their place in a prompt: prepared, then run through Model::encode_image, one
// program for each shape of a view's tiles, kept for the next picture. A picture seen before comes from a cache.
#pragma once

#include <memory>
#include <vector>

#include "graph/executor.h"
#include "runtime/checkpoint.h"
#include "runtime/picture.h"
#include "runtime/picture_cache.h"

namespace galago {

struct EncodedPicture {
  SlicePlan plan;
  Tensor rows;  // f32 [tiles * tokens_per_tile + extra rows, d], numbered as in PromptPiece
  double prepare_ms = 0, encode_ms = 0;
};

// One thread at a time.
class PictureEncoder {
 public:
  static constexpr size_t kKeptPrograms = 3;  // a global view, a grid, and a second grid

  PictureEncoder(std::shared_ptr<const Checkpoint> checkpoint, std::shared_ptr<Executor> executor,
                 std::shared_ptr<PictureCache> cache = nullptr)
      : checkpoint_(std::move(checkpoint)), executor_(std::move(executor)), cache_(std::move(cache)) {}
  // max_tiles > 0: no more tiles than this, where the model's policy would cut more.
  EncodedPicture encode(const Image& image, int max_tiles = 0);
  EncodedPicture encode(const PreparedPicture& picture);
  // Drops programs, the executor's copies of the vision weights and the pages of their files; the next picture brings
  // them back.
  void release();

 private:
  struct ViewProgram {
    Shape pixels;
    std::unique_ptr<Program> program;
  };
  EncodedPicture encode_and_keep(const Image& image, const PictureSpec& spec);
  const Digest& digest();
  Program& program(const Shape& pixels);
  const Tensor& extra_rows();  // [n, d]; n = 0 where the model has none

  std::shared_ptr<const Checkpoint> checkpoint_;
  std::shared_ptr<Executor> executor_;
  std::shared_ptr<PictureCache> cache_;
  std::optional<Digest> digest_;  // of the model
  std::vector<ViewProgram> programs_;
  Tensor extra_;
  bool extra_is_known_ = false;
};

}  // namespace galago
