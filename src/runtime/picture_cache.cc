#include "runtime/picture_cache.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/file.h"

namespace galago {
namespace {

namespace fs = std::filesystem;

constexpr size_t kWindow = 4096, kWindows = 8;  // bytes of a weight that are looked at

void add_samples(Sha256& hash, const Tensor& data) {
  const size_t n = data.n_bytes();
  if (n <= kWindow * kWindows) {
    hash.add(data.bytes(), n);
    return;
  }
  for (size_t i = 0; i < kWindows; ++i) hash.add(data.bytes() + (n - kWindow) / (kWindows - 1) * i, kWindow);
}

void add_view(Sha256& hash, const SliceView& v) {
  for (int number :
       {v.width, v.height, static_cast<int>(v.filter), static_cast<int>(v.resize), v.from,
        static_cast<int>(v.transposed), v.left, v.top, v.canvas_width, v.canvas_height, static_cast<int>(v.color.red),
        static_cast<int>(v.color.green), static_cast<int>(v.color.blue), v.rows, v.cols})
    hash.add_value(int32_t{number});
}

// The file: magic, key, rows, width, then f32 values. All little-endian.
struct Header {
  char magic[8] = {'G', 'A', 'L', 'A', 'G', 'O', 'P', '1'};
  Digest key = {};
  int64_t n_rows = 0, width = 0;
};
static_assert(sizeof(Header) == 56);

Header header_of(const Digest& key, const Shape& shape) { return {.key = key, .n_rows = shape[0], .width = shape[1]}; }

}  // namespace

Digest model_digest(const Checkpoint& checkpoint, DigestOf what) {
  Sha256 hash;
  hash.add(checkpoint.model->family()).add(checkpoint.model->config().dump());
  for (const auto& [name, weight] : checkpoint.weights) {
    const Tensor& data = weight->data;
    hash.add(name).add(info(data.dtype()).name).add(data.shape().to_string());
    if (what == DigestOf::Contents) add_samples(hash, data);
  }
  return hash.finish();
}

Digest picture_key(const Digest& model, const Image& image, const SlicePlan& plan, const PictureSpec& spec) {
  Sha256 hash;
  hash.add_value(model).add_value(spec.mean).add_value(spec.std);
  hash.add_value(int64_t{image.width}).add_value(int64_t{image.height});
  hash.add(image.rgb.data(), image.rgb.size());
  for (const SliceView& view : plan.views) add_view(hash, view);
  return hash.finish();
}

PictureCache::PictureCache(PictureCacheOptions options) : options_(std::move(options)) {
  if (options_.folder.empty()) return;
  std::error_code error;
  fs::create_directories(options_.folder, error);
  if (error) throw io_error("{}: cannot make this folder for pictures: {}", options_.folder, error.message());
}

std::optional<Tensor> PictureCache::find(const Digest& key, const Shape& shape) {
  std::lock_guard lock(mutex_);
  std::optional<Tensor> rows;
  if (auto found = entries_.find(key); found != entries_.end()) {
    rows = found->second.rows;
    uses_.splice(uses_.end(), uses_, found->second.use);
  } else if (!options_.folder.empty() && (rows = read(key, shape))) {
    remember(key, *rows);
  }
  if (rows && rows->shape() != shape) rows.reset();
  ++(rows ? n_hits_ : n_misses_);
  return rows;
}

void PictureCache::add(const Digest& key, const Tensor& rows) {
  std::lock_guard lock(mutex_);
  if (entries_.contains(key)) return;
  remember(key, rows);
  if (!options_.folder.empty()) write(key, rows);
}

void PictureCache::remember(const Digest& key, const Tensor& rows) {
  if (rows.n_bytes() > options_.max_bytes) return;
  entries_[key] = {rows, uses_.insert(uses_.end(), key)};
  n_bytes_ += rows.n_bytes();
  while (n_bytes_ > options_.max_bytes) {
    auto oldest = entries_.find(uses_.front());
    n_bytes_ -= oldest->second.rows.n_bytes();
    entries_.erase(oldest);
    uses_.pop_front();
  }
}

std::string PictureCache::path(const Digest& key) const {
  return (fs::path(options_.folder) / (to_hex(key) + ".picture")).string();
}

std::optional<Tensor> PictureCache::read(const Digest& key, const Shape& shape) const {
  const std::string file = path(key);
  const Header expected = header_of(key, shape);
  const size_t n_values = row_bytes(DType::F32, shape.elements());
  std::error_code error;
  if (fs::file_size(file, error) != sizeof(Header) + n_values || error) return std::nullopt;
  const std::string bytes = read_file(file, sizeof(Header) + n_values);
  if (bytes.size() != sizeof(Header) + n_values || std::memcmp(bytes.data(), &expected, sizeof(Header)) != 0)
    return std::nullopt;
  Tensor rows = Tensor::make(DType::F32, shape);
  std::memcpy(rows.bytes(), bytes.data() + sizeof(Header), n_values);
  return rows;
}

void PictureCache::write(const Digest& key, const Tensor& rows) const {
  AtomicFile file(path(key));
  const Header header = header_of(key, rows.shape());
  file.write(&header, sizeof header);
  file.write(rows.bytes(), rows.n_bytes());
  file.commit();
}

size_t PictureCache::n_bytes() const {
  std::lock_guard lock(mutex_);
  return n_bytes_;
}

int PictureCache::n_hits() const {
  std::lock_guard lock(mutex_);
  return n_hits_;
}

int PictureCache::n_misses() const {
  std::lock_guard lock(mutex_);
  return n_misses_;
}

}  // namespace galago
