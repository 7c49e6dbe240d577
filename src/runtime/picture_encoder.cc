#include "runtime/picture_encoder.h"

#include <algorithm>
#include <numeric>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "image/view_pixels.h"
#include "runtime/bounded_queue.h"
#include "runtime/graphs.h"
#include "runtime/memory_use.h"

namespace galago {
namespace {

double sum(const std::vector<double>& times) { return std::accumulate(times.begin(), times.end(), 0.0); }

// Tiles of the next group of a view of n: groups of `batch`, the rest one by one.
int64_t group_size(int64_t n, int64_t n_left, int batch) {
  const int64_t usual = batch > 0 ? batch : n;
  return n_left >= usual ? usual : 1;
}

// Gives a view's tiles out in groups. The time of waiting for `take` is not counted.
bool cut_groups(const Tensor& tiles, int batch, Stopwatch& clock, const TakeGroup& take) {
  const int64_t n = tiles.shape()[0];
  for (int64_t begin = 0, end; begin < n; begin = end) {
    end = begin + group_size(n, n - begin, batch);
    if (!take({tiles.rows(begin, end), clock.lap_ms()})) return false;
    clock.lap_ms();
  }
  return true;
}

}  // namespace

std::vector<Shape> group_shapes(const SlicePlan& plan, int tile_batch) {
  std::vector<Shape> shapes;
  for (const SliceView& view : plan.views) {
    const int64_t n = view.n_tiles();
    for (int64_t begin = 0; begin < n; begin += shapes.back()[0])
      shapes.push_back({group_size(n, n - begin, tile_batch), 3, view.tile_height(), view.tile_width()});
  }
  return shapes;
}

// A picture that is being encoded, and how far that is.
struct PictureEncoder::Filling {
  PendingPicture& picture;
  Tensor rows;
  int64_t n_done = 0;  // rows
  StageTimes times = {};
  void finish() {
    const double prepare_ms = sum(times.prepare), encode_ms = sum(times.encode);
    picture.finish(prepare_ms, encode_ms, std::move(times));
  }
};

EncodedPicture PictureEncoder::encode(const Image& image, int max_tiles) {
  PendingPicture picture;
  encode_into(
      picture, [&] { return image; }, max_tiles);
  return picture.take();
}

void PictureEncoder::fill(PendingPicture& picture, const PictureSource& source, int max_tiles) {
  try {
    encode_into(picture, source, max_tiles);
  } catch (...) {
    picture.fail(std::current_exception());
  }
}

EncodedPicture PictureEncoder::encode(const PreparedPicture& prepared) {
  picture_spec(*checkpoint_);  // throws if the model takes no pictures
  PendingPicture picture;
  EncodedPicture begin = begun(prepared.plan);
  Filling filling{picture, begin.rows};
  picture.begin(std::move(begin), 0, 0);
  run(filling, [&](const TakeGroup& take) {
    Stopwatch clock;
    for (const Tensor& tiles : prepared.views) cut_groups(tiles, options_.tile_batch, clock, take);
  });
  filling.finish();
  return picture.take();
}

void PictureEncoder::encode_into(PendingPicture& picture, const PictureSource& source, int max_tiles) {
  Stopwatch clock;
  const PictureSpec pictures = picture_spec(*checkpoint_, max_tiles);
  const Image image = source();
  const SlicePlan plan = plan_picture(image, pictures);
  std::optional<Digest> key;
  if (cache_ || options_.with_keys) key = picture_key(digest(), image, plan, pictures);
  if (cache_)
    if (auto rows = cache_->find(*key, shape_of(plan))) {
      const int64_t n_rows = rows->shape()[0];
      picture.begin({.plan = plan, .rows = std::move(*rows), .key = key}, n_rows, n_rows);
      return picture.finish(clock.lap_ms(), 0, {});
    }
  EncodedPicture begin = begun(plan);
  begin.key = key;
  Filling filling{picture, begin.rows};
  const int64_t first_extra = begin.rows.shape()[0] - extra_rows().shape()[0];
  picture.begin(std::move(begin), 0, first_extra);
  auto make_groups = [&](const TakeGroup& take) {
    ViewPixels pixels(image, plan, pictures.mean, pictures.std);
    for (size_t view = 0; view < plan.views.size(); ++view)
      if (!cut_groups(pixels.tiles(view), options_.tile_batch, clock, take)) return;
  };
  options_.pipelined ? run_pipelined(filling, make_groups) : run(filling, make_groups);
  CHECK(filling.n_done == first_extra, "{} tiles gave other rows than tokens_per_tile says", plan.n_tiles());
  if (cache_) cache_->add(*key, filling.rows);
  filling.finish();
}

Shape PictureEncoder::shape_of(const SlicePlan& plan) {
  const Model& model = *checkpoint_->model;
  return {plan.n_tiles() * model.pictures().tokens_per_tile + extra_rows().shape()[0], model.d_model()};
}

// Everything but the tiles' rows.
EncodedPicture PictureEncoder::begun(SlicePlan plan) {
  EncodedPicture picture{.rows = Tensor::make(DType::F32, shape_of(plan))};
  picture.plan = std::move(plan);
  std::span<const float> extra = extra_rows().f32();
  std::copy(extra.begin(), extra.end(), picture.rows.f32().end() - std::ssize(extra));
  return picture;
}

// All of stage A, then all of stage B.
void PictureEncoder::run(Filling& filling, const GroupMaker& make_groups) {
  std::vector<TileGroup> groups;
  make_groups([&](TileGroup group) {
    groups.push_back(std::move(group));
    return true;
  });
  for (const TileGroup& group : groups) run_group(filling, group);
}

void PictureEncoder::run_pipelined(Filling& filling, const GroupMaker& make_groups) {
  BoundedQueue<TileGroup> queue(kPreparedGroups);
  std::jthread helper([&] {
    try {
      make_groups([&](TileGroup group) { return queue.push(std::move(group)); });
      queue.close();
    } catch (...) {
      queue.close(std::current_exception());
    }
  });
  struct Abandon {  // before the helper is joined, also when a group fails
    BoundedQueue<TileGroup>& queue;
    ~Abandon() { queue.abandon(); }
  } abandon{queue};
  while (auto group = queue.pop()) run_group(filling, *group);
}

void PictureEncoder::run_group(Filling& filling, const TileGroup& group) {
  Stopwatch clock;
  Program& tiles = program(group.pixels.shape());
  std::copy(group.pixels.f32().begin(), group.pixels.f32().end(), tiles.input("pixels").f32().begin());
  tiles.run();
  Tensor made = tiles.output("embeddings");  // [n, tokens_per_tile, d]
  const int64_t n_rows = made.shape()[0] * made.shape()[1], d = filling.rows.shape()[1];
  CHECK(filling.n_done + n_rows <= filling.rows.shape()[0], "more rows than the picture has");
  std::copy(made.f32().begin(), made.f32().end(), filling.rows.f32().begin() + filling.n_done * d);
  filling.n_done += n_rows;
  filling.picture.add_rows(n_rows);
  filling.times.prepare.push_back(group.prepare_ms);
  filling.times.encode.push_back(clock.lap_ms());
}

const Digest& PictureEncoder::digest() {
  if (!digest_) digest_ = model_digest(*checkpoint_);
  return *digest_;
}

Program& PictureEncoder::program(const Shape& pixels) {
  auto found = std::find_if(programs_.begin(), programs_.end(), [&](auto& p) { return p.pixels == pixels; });
  if (found != programs_.end()) return *found->program;
  if (std::ssize(programs_) >= kKeptPrograms) programs_.erase(programs_.begin());
  programs_.push_back({pixels, executor_->compile(encode_graph(*checkpoint_->model, checkpoint_->weights, pixels))});
  return *programs_.back().program;
}

size_t PictureEncoder::activation_bytes() const {
  size_t n = 0;
  for (const TileProgram& p : programs_) n += p.program->activation_bytes();
  return n;
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
    for (const Tensor* form : {&weight->data, &weight->packed}) release_pages({form->bytes(), form->n_bytes()});
  }
  return_free_memory();
}

}  // namespace galago
