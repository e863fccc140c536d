// Softmax of a row in double, and the losses that are functions of it.

#if defined(LOSSD_CORE_SIMD_SOFTMAX_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_SOFTMAX_INL_H_
#undef LOSSD_CORE_SIMD_SOFTMAX_INL_H_
#else
#define LOSSD_CORE_SIMD_SOFTMAX_INL_H_
#endif

#include <cmath>
#include <limits>

#include "core/simd/categorical-inl.h"
#include "core/simd/item-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// Doubles that a row of n takes in scratch: whole chunks, so that vectors may run over its end.
constexpr size_t Padded(size_t n) { return (n + kChunk - 1) / kChunk * kChunk; }

// The shares s_c = e_c / S of a row of logits, e_c = exp(x_c - max x). A row with a NaN, or without a finite maximum,
// has none: it is not sound.
struct Softmax {
  double max = 0;
  Masses masses{};
  bool sound = false;

  double share(double e) const { return e / masses.sum(); }
  double rest(double e) const { return (e == masses.max ? masses.rest : masses.sum() - e) / masses.sum(); }  // 1 - s
  double neg_log(double x) const { return (max - x) + Log1pScalar(masses.rest); }                            // -log s
  double log_sum_exp() const { return max + Log1pScalar(masses.rest); }
};

// Writes e [n] where it is not null; e may be x.
HWY_INLINE Softmax SoftmaxOf(const double* x, size_t n, double* e) {
  const RowMax<double> top = MaxOf(x, n, -std::numeric_limits<double>::infinity());
  if (!top.sound) return {};
  const auto nothing = [](size_t, auto, auto) HWY_ATTR {};
  if (e == nullptr) return {top.max, LogitMasses(x, top.max, nullptr, n, nullptr, nothing), true};
  return {top.max, LogitMasses(x, top.max, nullptr, n, e, nothing), true};
}

// -log softmax(x)_label, NaN where the row is not sound. Writes factor (softmax(x) - [c = label]) to slope where it is
// not null; slope may be x.
HWY_INLINE double LabelCrossentropy(const double* x, size_t n, size_t label, double factor, double* slope) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const double x_label = x[label];
  const Softmax row = SoftmaxOf(x, n, slope);
  if (!row.sound) {
    if (slope != nullptr) std::fill_n(slope, n, kNan);
    return kNan;
  }
  if (slope != nullptr) {
    const double others = row.rest(slope[label]);
    const auto scale = C(Tag<double>(), factor / row.masses.sum());
    Walk(slope, 0.0, nullptr, n, slope, [&](size_t, auto e, auto) HWY_ATTR { return hn::Mul(e, scale); });
    slope[label] = -factor * others;
  }
  return row.neg_log(x_label);
}

HWY_INLINE double Dot(const double* a, const double* b, size_t n) {
  LaneSum sum;
  Walk(a, 0.0, b, n, nullptr, [&](size_t at, auto x, auto y) HWY_ATTR { sum.Add(at, hn::Mul(x, y)); });
  return sum.Total();
}
// to += factor * from
HWY_INLINE void AddTimes(double factor, const double* from, size_t n, double* to) {
  const auto times = C(Tag<double>(), factor);
  Walk(static_cast<const double*>(to), 0.0, from, n, to,
       [&](size_t, auto x, auto y) HWY_ATTR { return hn::MulAdd(times, y, x); });
}

// Sums that leave one out, without the cancellation of sum - largest.
class SumOfOthers {
 public:
  HWY_INLINE SumOfOthers(const double* x, size_t n) {
    for (size_t i = 1; i < n; ++i) {
      if (std::abs(x[i]) > std::abs(x[largest_])) largest_ = i;
    }
    for (size_t i = 0; i < n; ++i) rest_ += i == largest_ ? 0.0 : x[i];
    total_ = rest_ + x[largest_];
  }
  double total() const { return total_; }
  double without(size_t i, double x_i) const { return i == largest_ ? rest_ : total_ - x_i; }

 private:
  size_t largest_ = 0;
  double rest_ = 0, total_ = 0;
};

// A function of one share s: phi(s), s phi'(s), and s times the derivative of that.
template <class V>
struct ShareTerm {
  V value, once, twice;
};

// What scratch SumOverShares needs.
constexpr size_t SharesScratch(size_t width) { return 5 * Padded(width); }

// The row loss sum_c t_c phi(s_c), s = softmax(y_pred) or y_pred / sum y_pred, with its slopes and curvature.
// phi(d, s, 1 - s, -log s) answers a ShareTerm. With g_c = t_c s_c phi', k_c = t_c s_c (s phi')', r = 1 - s:
//   logits:        slope_j = g_j r_j - s_j sum_(c != j) g_c
//                  curvature_j = k_j r_j^2 + s_j^2 sum_(c != j) k_c - s_j r_j sum g
//   probabilities: S slope_j = g_j r_j / s_j - sum_(c != j) g_c
//                  S^2 curvature_j = (k_j - g_j) (r_j / s_j)^2 - 2 g_j r_j / s_j + sum_(c != j) (k_c + g_c)
// A class with t_c = 0 takes no part, wherever its prediction lies.
template <class Phi>
HWY_INLINE double SumOverShares(const Item& x, const Phi& phi) {
  const size_t n = x.width(), padded = Padded(n);
  double* const mass = x.scratch();
  double* const target = mass + padded;
  double *const neg_log = target + padded, *const once = neg_log + padded, *const twice = once + padded;
  const bool logits = x.form().input_kind == InputKind::kLogits;
  const RowMax<double> top = MaxOf(x.in(0), n, logits ? -std::numeric_limits<double>::infinity() : 0.0);
  if (!top.sound) {
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    if (x.slope(0) != nullptr) std::fill_n(x.slope(0), n, kNan);
    if (x.curvature() != nullptr) std::fill_n(x.curvature(), n, kNan);
    return kNan;
  }
  std::fill(mass + n, mass + padded, 0.0);
  std::fill(target + n, target + padded, 0.0);
  std::fill(neg_log + n, neg_log + padded, 0.0);
  std::copy_n(x.in(1), n, target);
  Masses masses;
  if (logits) {
    masses = SoftmaxOf(x.in(0), n, mass).masses;
    const double log1p = Log1pScalar(masses.rest);
    for (size_t c = 0; c < n; ++c) neg_log[c] = (top.max - x.in(0)[c]) + log1p;
  } else {
    masses = ProbabilityMasses(x.in(0), top.max, n);
    for (size_t c = 0; c < n; ++c) mass[c] = std::abs(x.in(0)[c]);  // -0 is the probability 0
  }

  const Tag<double> d;
  const auto sum = C(d, masses.sum()), largest = C(d, masses.max), all_but_largest = C(d, masses.rest);
  const auto certainty = C(d, logits ? 0.0 : Log1pScalar(masses.rest / masses.max));  // -log of the largest share
  const auto rest_of = [&](auto e) HWY_ATTR {
    return hn::Div(hn::IfThenElse(hn::Eq(e, largest), all_but_largest, hn::Sub(sum, e)), sum);
  };
  for (size_t c = 0; c < padded; c += kLanes<double>) {
    const auto e = hn::LoadU(d, mass + c), t = hn::LoadU(d, target + c);
    const auto share = hn::Div(e, sum);
    const auto minus_log =
        logits ? hn::LoadU(d, neg_log + c) : hn::IfThenElse(hn::Eq(e, largest), certainty, hn::Neg(LogOf(d, share)));
    const auto term = phi(d, share, rest_of(e), minus_log);
    const auto counts = hn::Ne(t, hn::Zero(d));
    hn::StoreU(hn::IfThenElseZero(counts, hn::Mul(t, term.value)), d, neg_log + c);
    hn::StoreU(hn::IfThenElseZero(counts, hn::Mul(t, term.once)), d, once + c);
    hn::StoreU(hn::IfThenElseZero(counts, hn::Mul(t, term.twice)), d, twice + c);
  }
  double value = 0;
  for (size_t c = 0; c < n; ++c) value += neg_log[c];

  const double s_sum = masses.sum();
  const Softmax row{top.max, masses, true};
  const SumOfOthers g(once, n);
  if (double* const slope = x.slope(0)) {
    for (size_t j = 0; j < n; ++j) {
      const double s = row.share(mass[j]), r = row.rest(mass[j]), others = g.without(j, once[j]);
      const double own = once[j] == 0 ? 0.0 : logits ? once[j] * r : once[j] * r / s;
      slope[j] = logits ? own - s * others : (own - others) / s_sum;
    }
  }
  if (double* const curvature = x.curvature()) {
    const SumOfOthers k(twice, n);
    for (size_t j = 0; j < n; ++j) {
      const double s = row.share(mass[j]), r = row.rest(mass[j]), others = k.without(j, twice[j]);
      if (logits) {
        curvature[j] = twice[j] * r * r + s * s * others - s * r * g.total();
      } else {
        const double odds = r / s;
        const double own = target[j] == 0 ? 0.0 : (twice[j] - once[j]) * odds * odds - 2 * once[j] * odds;
        curvature[j] = (own + (others + g.without(j, once[j]))) / s_sum / s_sum;
      }
    }
  }
  return value;
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_SOFTMAX_INL_H_
