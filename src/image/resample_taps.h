// Which source pixels each output pixel is made of, along one axis, and with which weights. The one definition of the
// kernels for 8-bit pictures (resize.cc) and for floats (resize_float.cc).
#pragma once

#include <vector>

#include "base/thread_pool.h"
#include "image/resize.h"

namespace galago {

struct Taps {
  struct Span {
    int first, count;
  };
  std::vector<Span> spans;      // [outputs]
  std::vector<double> weights;  // [outputs, stride]; 0 behind the count
  int stride = 0;
  double* weights_of(int i) { return weights.data() + static_cast<size_t>(stride) * static_cast<size_t>(i); }
  const double* weights_of(int i) const { return const_cast<Taps*>(this)->weights_of(i); }
};

// Pillow's: the part [begin, end) of n_in pixels becomes n_out; the kernel is stretched when the picture shrinks; what
// lies outside is left out and the rest weighs more. Cubic: a = -0.5. Not for Filter::Nearest (CHECK).
Taps make_taps(int n_in, float begin, float end, int n_out, Filter filter);

// torch's interpolate(mode=bicubic, align_corners=False): a = -0.75, always four pixels, border pixels repeated.
Taps make_torch_bicubic_taps(int n_in, int n_out);

// body(begin, end) on [0, n): on the pool if there is one.
template <class Body>
void for_ranges(ThreadPool* pool, int n, int grain, const Body& body) {
  if (pool) {
    pool->parallel_for(n, grain,
                       [&](int64_t begin, int64_t end) { body(static_cast<int>(begin), static_cast<int>(end)); });
  } else {
    body(0, n);
  }
}

}  // namespace galago
