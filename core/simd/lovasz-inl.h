// The Lovasz extension of the Jaccard loss, for errors of which every one is also a share of the mask.
//
// Errors from the largest down, ties by index; each weighs what the Jaccard loss of the set of mistakes so far gains
// with it. With I what of the mask is still right, U the union so far:
//   weight = (I (1 - t) + t U)/(U (U + 1 - t)),  then I -= t, U += 1 - t        t = 1: 1/U, t = 0: I/(U (U + 1))
// which is J - J' without the difference. With an empty mask the first error has all the weight.
// Source: Berman, Triki and Blaschko 2018, The Lovasz-Softmax Loss, CVPR.

#if defined(LOSSD_CORE_SIMD_LOVASZ_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_LOVASZ_INL_H_
#undef LOSSD_CORE_SIMD_LOVASZ_INL_H_
#else
#define LOSSD_CORE_SIMD_LOVASZ_INL_H_
#endif

#include <algorithm>

#include "core/simd/answer-inl.h"
#include "core/simd/careful_sum-inl.h"
#include "core/simd/item-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// Calls each(i, weight) for every error, the largest first. key rises with the error, and is exact where that is
// rounded. order: scratch of n doubles.
template <class Target, class Each>
HWY_INLINE void LovaszWeights(const double* key, size_t n, double* order, const Target& target, const Each& each) {
  double inside = 0;
  for (size_t i = 0; i < n; ++i) {
    order[i] = static_cast<double>(i);
    inside += target(i);
  }
  std::sort(order, order + n, [key](double a, double b) {
    const double ea = key[static_cast<size_t>(a)], eb = key[static_cast<size_t>(b)];
    return ea > eb || (ea == eb && a < b);
  });
  double whole = inside;
  for (size_t k = 0; k < n; ++k) {
    const auto i = static_cast<size_t>(order[k]);
    const double t = target(i), grown = whole + (1 - t);
    const double weight = whole == 0 ? 1 - t : (inside * (1 - t) + t * whole) / (whole * grown);
    inside -= t;
    whole = grown;
    each(i, weight);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_LOVASZ_INL_H_
