// Pictures to the embeddings that take their place in a prompt: prepared (stage A), then run through
// Model::encode_image in groups of tiles (stage B), one program for each shape of a group, kept for the next picture. A
// picture seen before comes from a cache. With EncoderOptions::pipelined stage A runs ahead on a thread of its own,
// after BlueLM-V-3B (arXiv 2411.10640).
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "graph/executor.h"
#include "runtime/checkpoint.h"
#include "runtime/pending_picture.h"
#include "runtime/picture.h"
#include "runtime/picture_cache.h"

namespace galago {

struct EncoderOptions {
  // Tiles that run together, where a view has so many left; the others run one by one, so that two programs serve every
  // number of tiles. 0: all tiles of a view. The rows do not depend on it.
  int tile_batch = 0;
  bool pipelined = false;  // a helper thread resizes, cuts and normalises the next tiles while others run
  bool with_keys = false;  // EncodedPicture::key is wanted without a cache too
};

constexpr int kPreparedGroups = 2;  // of tiles that wait between the stages

using PictureSource = std::function<Image()>;  // decodes the picture; called once

// Of the pixels of each group of tiles, in the order they run; groups of one shape share a program.
std::vector<Shape> group_shapes(const SlicePlan& plan, int tile_batch);

// Tiles that run together.
struct TileGroup {
  Tensor pixels;          // f32 [n, 3, h, w]
  double prepare_ms = 0;  // since the group before it
};
using TakeGroup = std::function<bool(TileGroup)>;  // false: no more, please
using GroupMaker = std::function<void(const TakeGroup&)>;

// One thread at a time.
class PictureEncoder {
 public:
  static constexpr std::ptrdiff_t kKeptPrograms = 4;  // a global view, and a group and single tiles of two grids

  PictureEncoder(std::shared_ptr<const Checkpoint> checkpoint, std::shared_ptr<Executor> executor,
                 std::shared_ptr<PictureCache> cache = nullptr, const EncoderOptions& options = {})
      : checkpoint_(std::move(checkpoint)),
        executor_(std::move(executor)),
        cache_(std::move(cache)),
        options_(options) {}
  // max_tiles > 0: no more tiles than this, where the model's policy would cut more.
  EncodedPicture encode(const Image& image, int max_tiles = 0);
  EncodedPicture encode(const PreparedPicture& picture);
  // The same for somebody who waits on another thread; what goes wrong is thrown there.
  void fill(PendingPicture& picture, const PictureSource& source, int max_tiles = 0);
  // Drops programs, the executor's copies of the vision weights and the pages of their files; the next picture brings
  // them back.
  void release();
  size_t activation_bytes() const;  // of the programs that are kept

 private:
  struct TileProgram {
    Shape pixels;
    std::unique_ptr<Program> program;
  };
  struct Filling;
  Shape shape_of(const SlicePlan& plan);  // of the rows of a picture
  EncodedPicture begun(SlicePlan plan);
  void encode_into(PendingPicture& picture, const PictureSource& source, int max_tiles);
  void run(Filling& filling, const GroupMaker& make_groups);
  void run_pipelined(Filling& filling, const GroupMaker& make_groups);
  void run_group(Filling& filling, const TileGroup& group);
  const Digest& digest();
  Program& program(const Shape& pixels);
  const Tensor& extra_rows();  // [n, d]; n = 0 where the model has none

  std::shared_ptr<const Checkpoint> checkpoint_;
  std::shared_ptr<Executor> executor_;
  std::shared_ptr<PictureCache> cache_;
  EncoderOptions options_;
  std::optional<Digest> digest_;  // of the model
  std::vector<TileProgram> programs_;
  Tensor extra_;
  bool extra_is_known_ = false;
};

}  // namespace galago
