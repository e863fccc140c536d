// The projection of a row of scores onto the probability simplex, which is the sparsemax of the row.
//
//   p_c = max(s_c - max s - tau, 0), sum p = 1
//
// tau is found from the largest scores downwards: the first k take part while 1 + sum_{j < k} (s_k - s_j) > 0. A class
// takes part only within 1 of the largest, so only those are sorted. Small p_c are differences of nearly equal numbers:
// differences, sums and tau carry twice the digits.
// Source: Held, Wolfe and Crowder 1974, Validation of Subgradient Optimization; Martins and Astudillo 2016, From
// Softmax to Sparsemax.

#if defined(LOSSD_CORE_SIMD_SIMPLEX_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_SIMPLEX_INL_H_
#undef LOSSD_CORE_SIMD_SIMPLEX_INL_H_
#else
#define LOSSD_CORE_SIMD_SIMPLEX_INL_H_
#endif

#include <algorithm>
#include <limits>

#include "core/simd/careful_sum-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

class Simplex {
 public:
  // scratch: n doubles. REQUIRES: n > 0, no NaN.
  HWY_INLINE Simplex(const double* s, size_t n, double* scratch) {
    top_ = *std::max_element(s, s + n);
    size_t near = 0;
    for (size_t c = 0; c < n; ++c) {
      if (s[c] - top_ >= -1) scratch[near++] = s[c];
    }
    std::sort(scratch, scratch + near, [](double a, double b) { return a > b; });
    CarefulSum sum;
    size_t support = 0;
    for (; support < near; ++support) {
      const TwoParts a = TwoSum(scratch[support], -top_);
      const auto count = static_cast<double>(support);
      const TwoParts above = sum.Parts();
      CarefulSum room;
      room.Add(1);
      room.Add(TwoProduct(count, a.sum));
      room.Add(count * a.error);
      room.Add({-above.sum, -above.error});
      if (!(room.Total() > 0)) break;
      sum.Add(a);
    }
    if (support == 0) return;  // the largest is infinite
    sum.Add(-1);
    least_ = scratch[support - 1];
    support_ = support;
    const auto count = static_cast<double>(support);
    const TwoParts total = sum.Parts();
    tau_ = total.sum / count;
    const TwoParts back = TwoProduct(tau_, count);
    tau_error_ = ((total.sum - back.sum) - back.error + total.error) / count;
  }

  bool sound() const { return least_ < std::numeric_limits<double>::infinity(); }
  double top() const { return top_; }

  // The probability of a score of the row.
  HWY_INLINE double operator()(double score) const {
    if (score < least_) return 0;
    const TwoParts a = TwoSum(score, -top_);
    return (a.sum - tau_) + (a.error - tau_error_);
  }
  // The derivative of the probability of a score by that score, 1 - 1/n for n classes in the support; 0 outside it.
  HWY_INLINE double Slope(double score) const {
    const auto count = static_cast<double>(support_);
    return score < least_ ? 0 : (count - 1) / count;
  }
  // How far a score lies below those with a probability; 0 for these.
  HWY_INLINE double Below(double score) const { return score < least_ ? (tau_ - (score - top_)) + tau_error_ : 0; }

 private:
  size_t support_ = 0;
  double top_ = 0, least_ = std::numeric_limits<double>::infinity(), tau_ = 0, tau_error_ = 0;
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_SIMPLEX_INL_H_
