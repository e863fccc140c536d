// max_{j != y} s_j + margin - s_y, where positive: the multiclass hinge and perceptron.

#if defined(LOSSD_CORE_SIMD_MULTICLASS_MARGIN_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_MULTICLASS_MARGIN_INL_H_
#undef LOSSD_CORE_SIMD_MULTICLASS_MARGIN_INL_H_
#else
#define LOSSD_CORE_SIMD_MULTICLASS_MARGIN_INL_H_
#endif

#include <algorithm>
#include <limits>

#include "core/simd/answer-inl.h"
#include "core/simd/careful_sum-inl.h"
#include "core/simd/item-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// margin - a + b, as if rounded once.
HWY_INLINE double Shortfall(double margin, double a, double b) {
  CarefulSum sum;
  sum.Add(b);
  sum.Add(-a);
  sum.Add(margin);
  return sum.Total();
}

// The derivative of the largest is split evenly over the classes that tie for it; the true class is one of them where
// the shortfall is 0.
HWY_INLINE double MulticlassMargin(const Item& x, double margin) {
  const double* const s = x.in(0);
  const size_t classes = x.width();
  const auto label = static_cast<size_t>(x.index(1)[0]);
  double best = -std::numeric_limits<double>::infinity();
  size_t ties = 0;
  for (size_t c = 0; c < classes; ++c) {
    if (c == label || s[c] < best) continue;
    ties = s[c] > best ? 1 : ties + 1;
    best = s[c];
  }
  const double z = ties == 0 ? -1 : Shortfall(margin, s[label], best);
  if (double* const slope = x.slope(0)) {
    const bool label_ties = z == 0;
    const double share = z >= 0 ? 1.0 / static_cast<double>(ties + (label_ties ? 1 : 0)) : 0;
    for (size_t c = 0; c < classes; ++c) slope[c] = s[c] == best ? share : 0;
    slope[label] = z > 0 ? -1 : label_ties ? share - 1 : 0;
    if (z != z) std::fill_n(slope, classes, z);
  }
  return Linear(x, z > 0 ? z : z == z ? 0 : z);
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_MULTICLASS_MARGIN_INL_H_
