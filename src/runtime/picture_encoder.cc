#include "runtime/picture_encoder.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "runtime/graphs.h"

namespace galago {

EncodedPicture PictureEncoder::encode(const Image& image) {
  Stopwatch clock;
  PreparedPicture prepared = prepare_picture(image, checkpoint_->model->pictures());
  double prepare_ms = clock.lap_ms();
  EncodedPicture picture = encode(prepared);
  picture.prepare_ms = prepare_ms;
  return picture;
}

EncodedPicture PictureEncoder::encode(const PreparedPicture& prepared) {
  Stopwatch clock;
  const Model& model = *checkpoint_->model;
  if (model.pictures().policy.empty()) throw invalid_input("{}: this model takes no pictures", checkpoint_->path);
  int64_t d = model.d_model(), n_rows = prepared.plan.n_tiles() * model.pictures().tokens_per_tile;
  const Tensor& extra = extra_rows();
  EncodedPicture picture{.plan = prepared.plan, .rows = Tensor::make(DType::F32, {n_rows + extra.shape()[0], d})};
  auto to = picture.rows.f32().begin();
  for (const Tensor& pixels : prepared.views) {
    Program& view = program(pixels.shape());
    std::copy(pixels.f32().begin(), pixels.f32().end(), view.input("pixels").f32().begin());
    view.run();
    Tensor rows = view.output("embeddings");
    to = std::copy(rows.f32().begin(), rows.f32().end(), to);
  }
  to = std::copy(extra.f32().begin(), extra.f32().end(), to);
  CHECK(to == picture.rows.f32().end(), "{} tiles gave other rows than tokens_per_tile says", prepared.plan.n_tiles());
  picture.encode_ms = clock.lap_ms();
  return picture;
}

Program& PictureEncoder::program(const Shape& pixels) {
  auto found = std::find_if(programs_.begin(), programs_.end(), [&](auto& p) { return p.pixels == pixels; });
  if (found != programs_.end()) return *found->program;
  constexpr size_t kKept = 3;  // a global view, a grid, and a second grid
  if (programs_.size() >= kKept) programs_.erase(programs_.begin());
  programs_.push_back({pixels, executor_->compile(encode_graph(*checkpoint_->model, checkpoint_->weights, pixels))});
  return *programs_.back().program;
}

const Tensor& PictureEncoder::extra_rows() {
  if (std::exchange(extra_is_known_, true)) return extra_;
  auto graph = extra_rows_graph(*checkpoint_->model, checkpoint_->weights);
  if (!graph) return extra_ = Tensor::make(DType::F32, {0, checkpoint_->model->d_model()});
  auto program = executor_->compile(graph);
  program->run();
  Tensor rows = program->output("rows");
  return extra_ = Tensor::from(rows.shape(), rows.f32());
}

void PictureEncoder::release() { programs_.clear(); }

}  // namespace galago
