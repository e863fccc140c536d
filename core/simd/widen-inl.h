// Numbers of either type as doubles, and back: for kernels that compute in double whatever they read and write.

#if defined(LOSSD_CORE_SIMD_WIDEN_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_WIDEN_INL_H_
#undef LOSSD_CORE_SIMD_WIDEN_INL_H_
#else
#define LOSSD_CORE_SIMD_WIDEN_INL_H_
#endif

#include "core/simd/lane_sum-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

using Doubles = Tag<double>;
using Floats = hn::Rebind<float, Doubles>;  // as many as a vector of doubles

HWY_INLINE hn::Vec<Doubles> Widen(const double* p) { return hn::LoadU(Doubles(), p); }
HWY_INLINE hn::Vec<Doubles> Widen(const float* p) { return hn::PromoteTo(Doubles(), hn::LoadU(Floats(), p)); }

// Rounded to nearest; beyond the largest float infinity.
HWY_INLINE hn::Vec<Floats> Narrow(hn::Vec<Doubles> v) {
#if HWY_TARGET == HWY_SCALAR  // whose DemoteTo stops at the largest float
  return hn::Set(Floats(), static_cast<float>(hn::GetLane(v)));
#else
  return hn::DemoteTo(Floats(), v);
#endif
}

HWY_INLINE void PutAs(hn::Vec<Doubles> v, double* to) { hn::StoreU(v, Doubles(), to); }
HWY_INLINE void PutAs(hn::Vec<Doubles> v, float* to) { hn::StoreU(Narrow(v), Floats(), to); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_WIDEN_INL_H_
