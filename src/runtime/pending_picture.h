// A picture whose embeddings may still be on their way: one thread fills it, another one waits for the rows it needs
// next.
#pragma once

#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>

#include "base/sha256.h"
#include "image/slicing.h"

namespace galago {

// What each group of tiles took, in milliseconds: stage A decodes, resizes, cuts and normalises (the decoding of the
// file is part of the first group), stage B runs the vision network.
struct StageTimes {
  std::vector<double> prepare, encode;
};

struct EncodedPicture {
  SlicePlan plan;
  Tensor rows;  // f32 [tiles * tokens_per_tile + extra rows, d], numbered as in PromptPiece
  double prepare_ms = 0, encode_ms = 0;
  std::optional<Digest> key = {};  // names picture and network; only where a cache asked for it
  StageTimes stages = {};
};

class PendingPicture {
 public:
  // ---- for those who wait; any thread. Throw what filling it threw.
  const SlicePlan& plan() const;
  const Tensor& rows() const;  // the memory of all rows; of its contents only what wait_for() was called for
  const std::optional<Digest>& key() const;
  void wait_for(int64_t row) const;        // this row and all before it are there
  const EncodedPicture& finished() const;  // everything is there
  EncodedPicture take();                   // the same, moved out

  // ---- for the one who fills it
  // `n_ready` of picture.rows are there already, and those from `first_extra` on.
  void begin(EncodedPicture picture, int64_t n_ready, int64_t first_extra);
  void add_rows(int64_t n);
  void finish(double prepare_ms, double encode_ms, StageTimes stages);
  void fail(std::exception_ptr error);

 private:
  template <class Condition>
  void wait(Condition condition) const;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  EncodedPicture picture_;
  int64_t n_ready_ = 0, first_extra_ = 0;
  bool begun_ = false, finished_ = false;
  std::exception_ptr error_;
};

}  // namespace galago
