#include "runtime/picture_encoder.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "runtime/graphs.h"

namespace galago {

EncodedPicture PictureEncoder::encode(const Image& image, int max_tiles) {
  Stopwatch clock;
  const PictureSpec pictures = picture_spec(*checkpoint_, max_tiles);
  if (!cache_) return encode_and_keep(image, pictures);
  SlicePlan plan = plan_picture(image, pictures);
  const Model& model = *checkpoint_->model;
  const Shape shape{plan.n_tiles() * pictures.tokens_per_tile + extra_rows().shape()[0], model.d_model()};
  if (auto rows = cache_->find(picture_key(digest(), image, plan, pictures), shape))
    return {.plan = std::move(plan), .rows = std::move(*rows), .prepare_ms = clock.lap_ms()};
  return encode_and_keep(image, pictures);
}

EncodedPicture PictureEncoder::encode_and_keep(const Image& image, const PictureSpec& spec) {
  Stopwatch clock;
  PreparedPicture prepared = prepare_picture(image, spec);
  double prepare_ms = clock.lap_ms();
  EncodedPicture picture = encode(prepared);
  picture.prepare_ms = prepare_ms;
  if (cache_) cache_->add(picture_key(digest(), image, picture.plan, spec), picture.rows);
  return picture;
}

const Digest& PictureEncoder::digest() {
  if (!digest_) digest_ = model_digest(*checkpoint_);
  return *digest_;
}

EncodedPicture PictureEncoder::encode(const PreparedPicture& prepared) {
  Stopwatch clock;
  const Model& model = *checkpoint_->model;
  int64_t d = model.d_model(), n_rows = prepared.plan.n_tiles() * picture_spec(*checkpoint_).tokens_per_tile;
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
  if (programs_.size() >= kKeptPrograms) programs_.erase(programs_.begin());
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

void PictureEncoder::release() {
  programs_.clear();
  for (const auto& [name, weight] : checkpoint_->weights) {
    if (name.starts_with("text.")) continue;
    executor_->forget(*weight);
    release_pages({weight->data.bytes(), weight->data.n_bytes()});
  }
}

}  // namespace galago
