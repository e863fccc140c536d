// What an item answers where there is nothing to compute.

#if defined(LOSSD_CORE_SIMD_ANSWER_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_ANSWER_INL_H_
#undef LOSSD_CORE_SIMD_ANSWER_INL_H_
#else
#define LOSSD_CORE_SIMD_ANSWER_INL_H_
#endif

#include <algorithm>
#include <limits>

#include "core/simd/item-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// Writes `answer` to every derivative that is wanted. Returns it.
template <class T>
HWY_INLINE double Fill(const ItemOf<T>& x, double answer) {
  for (size_t i = 0; i < kMaxInputs; ++i) {
    if (x.slope(i) != nullptr) std::fill_n(x.slope(i), x.size(i), static_cast<T>(answer));
  }
  if (x.curvature() != nullptr) std::fill_n(x.curvature(), x.width(), static_cast<T>(answer));
  return answer;
}

// The answer of an item outside its domain.
template <class T>
HWY_INLINE double Refuse(const ItemOf<T>& x) {
  return Fill(x, std::numeric_limits<double>::quiet_NaN());
}

// The answer of a loss that is linear between its kinks: a Hessian of 0, NaN where the value is. Returns the value.
template <class T>
HWY_INLINE double Linear(const ItemOf<T>& x, double value) {
  if (x.curvature() != nullptr) std::fill_n(x.curvature(), x.width(), static_cast<T>(value == value ? 0.0 : value));
  return value;
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_ANSWER_INL_H_
