#include "tensor/formats/fit.h"

#include "base/error.h"

namespace galago {
namespace {

constexpr int kMaxGroup = 32;

// The weighted sums that give the best scale and offset for fixed codes.
struct Moments {
  float w = 0, x = 0;           // over weights and weighted values
  float l = 0, ll = 0, lx = 0;  // over codes
};

float weighted_error(const float* x, const float* w, const int* q, int n, float scale, float low, bool absolute) {
  float error = 0;
  for (int i = 0; i < n; ++i) {
    float difference = scale * static_cast<float>(q[i]) + low - x[i];
    error += w[i] * (absolute ? std::fabs(difference) : difference * difference);
  }
  return error;
}

void assign_codes(const float* x, int n, float inverse, float low, int top, int* q) {
  for (int i = 0; i < n; ++i) q[i] = std::clamp(round_even(inverse * (x[i] - low)), 0, top);
}

void sum_codes(const float* x, const float* w, const int* q, int n, Moments& m) {
  m.l = m.ll = m.lx = 0;
  for (int i = 0; i < n; ++i) {
    auto l = static_cast<float>(q[i]);
    m.l += w[i] * l;
    m.ll += w[i] * l * l;
    m.lx += w[i] * l * x[i];
  }
}

// Weighted products of codes and values for fit_symmetric.
struct SymmetricTrial {
  float xl = 0, ll = 0;
  int q[kMaxGroup];
};

SymmetricTrial try_symmetric(const float* x, const float* weights, int n, int top, float inverse) {
  SymmetricTrial trial;
  for (int i = 0; i < n; ++i) {
    int code = std::clamp(round_even(inverse * x[i]), -top, top - 1);
    auto l = static_cast<float>(code);
    float w = weights ? weights[i] : x[i] * x[i];
    trial.xl += w * x[i] * l;
    trial.ll += w * l * l;
    trial.q[i] = code + top;
  }
  return trial;
}

// Sums that say how well codes q fit: the best scale is xl / ll, and what it explains xl^2 / ll.
struct Fit {
  float xl = 0, ll = 0;

  void add(float w, float x, int q) {
    auto l = static_cast<float>(q);
    xl += w * x * l;
    ll += w * l * l;
  }
  Fit without(float w, float x, int q) const {
    auto l = static_cast<float>(q);
    return {xl - w * x * l, ll - w * l * l};
  }
  float scale() const { return ll > 0 ? xl / ll : 0.0f; }
};

// Gives each code in turn the value that is best with the others as they are, until a pass changes nothing.
void improve_codes(const float* x, const float* w, int n, int lowest, int highest, int* q, Fit& fit) {
  constexpr int kPasses = 5;
  bool changed = true;
  for (int pass = 0; changed && pass < kPasses; ++pass) {
    changed = false;
    for (int i = 0; i < n; ++i) {
      Fit other = fit.without(w[i], x[i], q[i]);
      if (!(other.xl > 0 && other.ll > 0)) continue;
      int code = std::clamp(round_even(x[i] * other.ll / other.xl), lowest, highest);
      if (code == q[i]) continue;
      other.add(w[i], x[i], code);
      if (!(other.xl * other.xl * fit.ll > fit.xl * fit.xl * other.ll)) continue;
      q[i] = code;
      fit = other;
      changed = true;
    }
  }
}

float positive_error(const float* x, const float* w, int n, int top, float inverse) {
  float scale = 1 / inverse, error = 0;
  for (int i = 0; i < n; ++i) {
    float difference = x[i] - scale * static_cast<float>(std::min(round_even(inverse * x[i]), top));
    error += w[i] * difference * difference;
  }
  return error;
}

// Of nine inverse scales around top / largest the one with the smallest error.
float best_inverse(const float* x, const float* w, int n, int top, float largest) {
  float best = static_cast<float>(top) / largest;
  float least = positive_error(x, w, n, top, best);
  for (int step = -4; step <= 4; ++step) {
    if (step == 0) continue;
    float inverse = (0.1f * static_cast<float>(step) + static_cast<float>(top)) / largest;
    float error = positive_error(x, w, n, top, inverse);
    if (!(error < least)) continue;
    least = error;
    best = inverse;
  }
  return best;
}

}  // namespace

float fit_scale_and_min(const float* x, const float* w, int n, int top, FitSearch search, int* q, float* min) {
  CHECK(n <= kMaxGroup);
  auto [lowest, highest] = std::minmax_element(x, x + n);
  float low = std::min(*lowest, 0.0f), high = *highest;
  *min = -low;
  std::fill(q, q + n, 0);
  if (high == low) return 0;

  Moments m;
  for (int i = 0; i < n; ++i) {
    m.w += w[i];
    m.x += w[i] * x[i];
  }
  float inverse = static_cast<float>(top) / (high - low);
  float scale = 1 / inverse;
  assign_codes(x, n, inverse, low, top, q);
  float best = weighted_error(x, w, q, n, scale, low, search.absolute);

  for (int step = 0; step <= search.n_steps; ++step) {
    // `low` is the best one found so far while `high` stays: so does the reference.
    inverse = (search.first + search.step * static_cast<float>(step) + static_cast<float>(top)) / (high - low);
    int trial[kMaxGroup];
    assign_codes(x, n, inverse, low, top, trial);
    sum_codes(x, w, trial, n, m);
    float determinant = m.w * m.ll - m.l * m.l;
    if (!(determinant > 0)) continue;
    float trial_scale = (m.w * m.lx - m.x * m.l) / determinant;
    float trial_low = (m.ll * m.x - m.l * m.lx) / determinant;
    if (trial_low > 0) {
      trial_low = 0;
      trial_scale = m.lx / m.ll;
    }
    float error = weighted_error(x, w, trial, n, trial_scale, trial_low, search.absolute);
    if (!(error < best)) continue;
    std::copy(trial, trial + n, q);
    best = error;
    scale = trial_scale;
    low = trial_low;
  }
  *min = -low;
  return scale;
}

float fit_symmetric(const float* x, const float* w, int n, int top, int* q) {
  CHECK(n <= kMaxGroup);
  float largest = signed_max(x, n);
  std::fill(q, q + n, 0);
  if (std::fabs(largest) < kNegligible) return 0;

  SymmetricTrial first = try_symmetric(x, w, n, top, -static_cast<float>(top) / largest);
  std::copy(first.q, first.q + n, q);
  float scale = first.ll != 0 ? first.xl / first.ll : 0.0f;
  float best = scale * first.xl;
  for (int step = -9; step <= 9; ++step) {
    if (step == 0) continue;
    SymmetricTrial trial =
        try_symmetric(x, w, n, top, -(static_cast<float>(top) + 0.1f * static_cast<float>(step)) / largest);
    if (!(trial.ll > 0 && trial.xl * trial.xl > best * trial.ll)) continue;
    std::copy(trial.q, trial.q + n, q);
    scale = trial.xl / trial.ll;
    best = scale * trial.xl;
  }
  return scale;
}

float fit_stepwise(const float* x, int n, int top, int* q) {
  CHECK(n <= kMaxGroup);
  float largest = signed_max(x, n);
  std::fill(q, q + n, 0);
  if (std::fabs(largest) < kNegligible) return 0;

  float inverse = -static_cast<float>(top) / largest, w[kMaxGroup] = {};
  Fit fit;
  for (int i = 0; i < n; ++i) {
    w[i] = x[i] * x[i];
    q[i] = std::clamp(round_even(inverse * x[i]), -top, top - 1);
    fit.add(w[i], x[i], q[i]);
  }
  improve_codes(x, w, n, -top, top - 1, q, fit);
  for (int i = 0; i < n; ++i) q[i] += top;
  return fit.scale();
}

float fit_positive(const float* x, const float* w, int n, int top, int* q) {
  float largest = std::max(0.0f, *std::max_element(x, x + n));
  std::fill(q, q + n, 0);
  if (!(largest > (w ? kNegligible : 0.0f))) return 0;

  float inverse = w ? best_inverse(x, w, n, top, largest) : static_cast<float>(top) / largest;
  for (int i = 0; i < n; ++i) q[i] = std::clamp(round_even(inverse * x[i]), 0, top);
  if (!w) return largest / static_cast<float>(top);
  Fit fit;
  for (int i = 0; i < n; ++i) fit.add(w[i], x[i], q[i]);
  improve_codes(x, w, n, 0, top, q, fit);
  return fit.scale();
}

}  // namespace galago
