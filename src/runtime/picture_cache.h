// Embeddings of pictures that were seen before: in memory, and in a folder that outlives the program.
#pragma once

#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "base/sha256.h"
#include "image/image.h"
#include "runtime/checkpoint.h"

namespace galago {

// Names the network: family, config, and name, shape, format and samples of the bytes of every weight. Samples, because
// reading gigabytes takes longer than answering; training changes all of them. Shapes: without the bytes, for what
// depends on sizes only.
enum class DigestOf { Contents, Shapes };
Digest model_digest(const Checkpoint& checkpoint, DigestOf what = DigestOf::Contents);

// Names what encoding a picture gives: the network, what the policy makes of the picture, and its pixels.
Digest picture_key(const Digest& model, const Image& image, const SlicePlan& plan, const PictureSpec& spec);

struct PictureCacheOptions {
  size_t max_bytes = size_t{256} << 20;  // in memory; the least recently used go first
  std::string folder;                    // empty: memory only. One file KEY.picture each (docs/formats.md)
};

// Shared by any number of sessions and threads.
class PictureCache {
 public:
  explicit PictureCache(PictureCacheOptions options);  // makes the folder; throws Io

  // Rows of exactly this shape, or nothing. A damaged file counts as nothing.
  std::optional<Tensor> find(const Digest& key, const Shape& shape);
  void add(const Digest& key, const Tensor& rows);  // f32 [n, d]; its memory is shared from now on. Throws Io

  size_t n_bytes() const;  // in memory
  int n_hits() const;
  int n_misses() const;

 private:
  struct Entry {
    Tensor rows;
    std::list<Digest>::iterator use;
  };
  void remember(const Digest& key, const Tensor& rows);
  std::string path(const Digest& key) const;
  std::optional<Tensor> read(const Digest& key, const Shape& shape) const;
  void write(const Digest& key, const Tensor& rows) const;

  PictureCacheOptions options_;
  mutable std::mutex mutex_;
  std::map<Digest, Entry> entries_;
  std::list<Digest> uses_;  // the last used one last
  size_t n_bytes_ = 0;
  int n_hits_ = 0, n_misses_ = 0;
};

}  // namespace galago
