#include "quant/quality.h"

#include <algorithm>
#include <cmath>

namespace galago {
namespace {

double log_of_sum(std::span<const float> logits) {
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float x : logits) sum += std::exp(static_cast<double>(x) - top);
  return top + std::log(sum);
}

double kl(std::span<const float> p, std::span<const float> q) {
  const double p_total = log_of_sum(p), q_total = log_of_sum(q);
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const double log_p = p[i] - p_total;
    sum += std::exp(log_p) * (log_p - (q[i] - q_total));
  }
  return std::max(sum, 0.0);  // rounding may leave a little less
}

bool same_top(std::span<const float> a, std::span<const float> b) {
  return std::ranges::max_element(a) - a.begin() == std::ranges::max_element(b) - b.begin();
}

}  // namespace

double relative_error(const Tensor& reference, const Tensor& tested) {
  CHECK(reference.shape() == tested.shape(), "values of two models");
  const std::span<const float> p = reference.f32(), q = tested.f32();
  double squares = 0, differences = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    squares += static_cast<double>(p[i]) * p[i];
    differences += (static_cast<double>(q[i]) - p[i]) * (static_cast<double>(q[i]) - p[i]);
  }
  return squares > 0 ? std::sqrt(differences / squares) : 0;
}

LogitsQuality compare_logits(const Tensor& reference, const Tensor& tested) {
  CHECK(reference.shape() == tested.shape(), "logits of two models");
  LogitsQuality result{.relative_error = relative_error(reference, tested), .n_places = reference.shape()[0]};
  for (int64_t place = 0; place < result.n_places; ++place) {
    const std::span<const float> p = reference.rows(place, place + 1).f32(), q = tested.rows(place, place + 1).f32();
    const double distance = kl(p, q);
    result.mean_kl += distance / static_cast<double>(result.n_places);
    result.max_kl = std::max(result.max_kl, distance);
    result.same_top += (same_top(p, q) ? 1.0 : 0.0) / static_cast<double>(result.n_places);
  }
  return result;
}

}  // namespace galago
