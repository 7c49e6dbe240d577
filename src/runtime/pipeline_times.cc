#include "runtime/pipeline_times.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/error.h"

namespace galago {

double serial_time(std::span<const double> prepare, std::span<const double> encode) {
  return std::accumulate(encode.begin(), encode.end(), std::accumulate(prepare.begin(), prepare.end(), 0.0));
}

// A batch leaves stage A when it is done and, with a bounded queue, when there is room: batch k - depth - 1 has then
// begun stage B, which is when it has left the queue.
double pipelined_time(std::span<const double> prepare, std::span<const double> encode, int queue_depth) {
  CHECK(prepare.size() == encode.size(), "{} batches prepared, {} encoded", prepare.size(), encode.size());
  double a_end = 0, b_end = 0;
  std::vector<double> b_begin;
  for (size_t k = 0; k < prepare.size(); ++k) {
    a_end += prepare[k];
    const size_t depth = static_cast<size_t>(queue_depth);
    if (queue_depth > 0 && k >= depth) a_end = std::max(a_end, b_begin[k - depth]);
    b_begin.push_back(std::max(a_end, b_end));
    b_end = b_begin.back() + encode[k];
  }
  return b_end;
}

double coupled_ttft(const AnswerTimes& t) { return t.vision + t.prefill_image + t.prefill_text; }

double decoupled_ttft(const AnswerTimes& t, double typing) {
  return std::max(0.0, t.vision - typing) + t.prefill_image + t.prefill_text;
}

double eager_ttft(const AnswerTimes& t, double typing) {
  return std::max(0.0, t.vision + t.prefill_image - typing) + t.prefill_text;
}

}  // namespace galago
