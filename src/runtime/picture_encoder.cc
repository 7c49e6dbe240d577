#include "runtime/picture_encoder.h"

#include <cstring>

#include "base/clock.h"
#include "runtime/graphs.h"

namespace galago {

EncodedPicture PictureEncoder::encode(const Image& image) {
  const Model& model = *checkpoint_->model;
  Stopwatch clock;
  PreparedPicture prepared = prepare_picture(image, model.pictures());
  EncodedPicture picture{.grid = prepared.grid, .rows = {}, .prepare_ms = clock.lap_ms()};
  int64_t n_tiles = prepared.pixels.shape()[0];
  if (n_tiles_ != n_tiles) {
    program_ = executor_->compile(encode_graph(model, checkpoint_->weights, n_tiles));
    n_tiles_ = n_tiles;
  }
  Tensor pixels = program_->input("pixels");
  std::memcpy(pixels.bytes(), prepared.pixels.bytes(), pixels.n_bytes());
  program_->run();
  Shape rows{n_tiles * model.pictures().tokens_per_tile, model.d_model()};
  picture.rows = Tensor::from(rows, program_->output("embeddings").f32());
  picture.encode_ms = clock.lap_ms();
  return picture;
}

}  // namespace galago
