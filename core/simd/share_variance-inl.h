// The second derivatives of a softmax whose logits are linear in what is differentiated for.
//
// With z_c = w_c x and s = softmax(z), whatever the label:
//   d^2 (-log s_label) / dx_j^2 = sum_c s_c (w_cj - sum_k s_k w_kj)^2
// the variance of the classes' weights under their shares. It is taken about the weights of the largest class, so that
// a confident row, whose other shares all but vanish, keeps its digits.

#if defined(LOSSD_CORE_SIMD_SHARE_VARIANCE_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_SHARE_VARIANCE_INL_H_
#undef LOSSD_CORE_SIMD_SHARE_VARIANCE_INL_H_
#else
#define LOSSD_CORE_SIMD_SHARE_VARIANCE_INL_H_
#endif

#include <algorithm>

#include "core/simd/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// Doubles that AddShareVariance takes.
constexpr size_t ShareVarianceScratch(size_t width) { return 2 * width; }

// Adds to `curvature` [width] the variance of the rows of a matrix [classes, width] under the softmax of `logits`
// [classes], which are overwritten; NaN throughout where they have no softmax. difference(c, top, to) writes row c less
// row `top`, [width].
template <class Difference>
HWY_INLINE void AddShareVariance(double* logits, size_t classes, size_t width, const Difference& difference,
                                 double* scratch, double* curvature) {
  const Softmax row = SoftmaxOf(logits, classes, logits);
  if (!row.sound) {
    std::fill_n(curvature, width, std::numeric_limits<double>::quiet_NaN());
    return;
  }
  const double* const mass = logits;
  const size_t top = static_cast<size_t>(std::find(mass, mass + classes, row.masses.max) - mass);
  double *const mean = scratch, *const from_top = scratch + width;
  std::fill_n(mean, width, 0.0);
  for (size_t c = 0; c < classes; ++c) {
    if (c == top || mass[c] == 0) continue;
    difference(c, top, from_top);
    AddTimes(row.share(mass[c]), from_top, width, mean);
  }
  for (size_t c = 0; c < classes; ++c) {
    if (mass[c] == 0) continue;
    if (c == top) {
      std::fill_n(from_top, width, 0.0);
    } else {
      difference(c, top, from_top);
    }
    const double share = row.share(mass[c]);
    for (size_t j = 0; j < width; ++j) {
      const double apart = from_top[j] - mean[j];
      curvature[j] += share * apart * apart;
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_SHARE_VARIANCE_INL_H_
