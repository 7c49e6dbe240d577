#include "runtime/pending_picture.h"

#include <utility>

namespace galago {

template <class Condition>
void PendingPicture::wait(Condition condition) const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return condition() || error_; });
  if (error_) std::rethrow_exception(error_);
}

const SlicePlan& PendingPicture::plan() const {
  wait([&] { return begun_; });
  return picture_.plan;
}

const Tensor& PendingPicture::rows() const {
  wait([&] { return begun_; });
  return picture_.rows;
}

const std::optional<Digest>& PendingPicture::key() const {
  wait([&] { return begun_; });
  return picture_.key;
}

void PendingPicture::wait_for(int64_t row) const {
  wait([&] { return begun_ && (row < n_ready_ || row >= first_extra_); });
}

const EncodedPicture& PendingPicture::finished() const {
  wait([&] { return finished_; });
  return picture_;
}

EncodedPicture PendingPicture::take() {
  finished();
  return std::move(picture_);
}

void PendingPicture::begin(EncodedPicture picture, int64_t n_ready, int64_t first_extra) {
  std::lock_guard lock(mutex_);
  picture_ = std::move(picture);
  n_ready_ = n_ready;
  first_extra_ = first_extra;
  begun_ = true;
  changed_.notify_all();
}

void PendingPicture::add_rows(int64_t n) {
  std::lock_guard lock(mutex_);
  n_ready_ += n;
  changed_.notify_all();
}

void PendingPicture::finish(double prepare_ms, double encode_ms, StageTimes stages) {
  std::lock_guard lock(mutex_);
  picture_.prepare_ms = prepare_ms;
  picture_.encode_ms = encode_ms;
  picture_.stages = std::move(stages);
  finished_ = true;
  changed_.notify_all();
}

void PendingPicture::fail(std::exception_ptr error) {
  std::lock_guard lock(mutex_);
  error_ = error;
  changed_.notify_all();
}

}  // namespace galago
