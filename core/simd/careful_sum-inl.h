// Sums that cancel: what each rounding loses is kept beside the sum.

#if defined(LOSSD_CORE_SIMD_CAREFUL_SUM_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_CAREFUL_SUM_INL_H_
#undef LOSSD_CORE_SIMD_CAREFUL_SUM_INL_H_
#else
#define LOSSD_CORE_SIMD_CAREFUL_SUM_INL_H_
#endif

#include <cmath>

#include "core/simd/kernel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// a + b = sum + error exactly. Knuth 1997, The Art of Computer Programming 2, 4.2.2 theorem B.
struct TwoParts {
  double sum, error;
};
HWY_INLINE TwoParts TwoSum(double a, double b) {
  const double sum = a + b;
  const double part = sum - a;
  return {sum, (a - (sum - part)) + (b - part)};
}

// a b = sum + error exactly, without an FMA. Dekker 1971. REQUIRES: |a|, |b| < 2^996.
HWY_INLINE TwoParts TwoProduct(double a, double b) {
  constexpr double kSplitter = 134217729;  // 2^27 + 1
  const auto high_half = [](double x) { return kSplitter * x - (kSplitter * x - x); };
  const double product = a * b;
  const double ah = high_half(a), al = a - ah, bh = high_half(b), bl = b - bh;
  return {product, ((ah * bh - product) + ah * bl + al * bh) + al * bl};
}

// Neumaier 1974: as good as twice the digits where terms cancel.
class CarefulSum {
 public:
  HWY_INLINE void Add(double x) {
    const TwoParts parts = TwoSum(sum_, x);
    sum_ = parts.sum;
    lost_ += parts.error;
  }
  HWY_INLINE void Add(TwoParts x) {
    Add(x.sum);
    Add(x.error);
  }
  HWY_INLINE TwoParts Parts() const { return TwoSum(sum_, lost_); }
  // What is lost is NaN where the sum is infinite.
  HWY_INLINE double Total() const { return std::isfinite(lost_) ? sum_ + lost_ : sum_; }

 private:
  double sum_ = 0, lost_ = 0;
};

// The derivative of max(z, 0): 0, 1, or at z = 0 what the kink policy says.
HWY_INLINE double StepAt(double z, double kink) { return z > 0 ? 1 : z == 0 ? kink : 0; }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_CAREFUL_SUM_INL_H_
