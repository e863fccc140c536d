// The loop of the elementwise family. A loss brings arithmetic on one vector; this file brings everything around it:
// parameters, whole vectors, the remainder, stores, NaN.

#if defined(LOSSD_CORE_SIMD_ELEMENTWISE_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_ELEMENTWISE_INL_H_
#undef LOSSD_CORE_SIMD_ELEMENTWISE_INL_H_
#else
#define LOSSD_CORE_SIMD_ELEMENTWISE_INL_H_
#endif

#include "core/simd/kernel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// A value and its derivative with respect to the prediction, lane by lane.
template <class V>
struct ValueSlope {
  V value, slope;
};

// -1, 0 or 1: the subgradient of |x| of least norm.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Sign(D d, V x) {
  return hn::IfThenZeroElse(hn::Eq(x, hn::Zero(d)), hn::CopySign(C(d, 1.0), x));
}

// Lanes that must answer NaN: a NaN in either input (Min, Max and Exp may swallow one, each target its own way), or a
// prediction outside the form's domain. Closed ends only: an open end is an infinity, which the arithmetic handles.
template <Form kForm, class D, class V = hn::Vec<D>>
HWY_INLINE hn::Mask<D> Poisoned(D d, V prediction, V target) {
  hn::Mask<D> poisoned = hn::Or(hn::IsNaN(prediction), hn::IsNaN(target));
  if constexpr (!kForm.prediction.open_lo) {
    poisoned = hn::Or(poisoned, hn::Lt(prediction, C(d, kForm.prediction.lo)));
  }
  if constexpr (!kForm.prediction.open_hi) {
    poisoned = hn::Or(poisoned, hn::Gt(prediction, C(d, kForm.prediction.hi)));
  }
  return poisoned;
}

// A loss is callable as loss(d, prediction, target), or as loss.template Of<form>(...) where it has several forms.
template <class L, Form kForm>
struct Elementwise {
  template <class T>
  static void Run(std::span<const double> params, const Block<T>& block) {
    if (block.slope != nullptr) {
      Loop<T, true>(Bind<L>(params), block);
    } else {
      Loop<T, false>(Bind<L>(params), block);
    }
  }

 private:
  template <class T, bool kSlope>
  static HWY_INLINE void Step(const L& loss, const T* prediction, const T* target, T* value, T* slope) {
    const Tag<T> d;
    const auto p = hn::LoadU(d, prediction);
    const auto t = hn::LoadU(d, target);
    const auto out = [&]() HWY_ATTR {
      if constexpr (L::kContract.forms.size() > 1) {
        return loss.template Of<kForm>(d, p, t);
      } else {
        return loss(d, p, t);
      }
    }();
    const auto poisoned = Poisoned<kForm>(d, p, t);
    hn::StoreU(hn::IfThenElse(poisoned, hn::NaN(d), out.value), d, value);
    if constexpr (kSlope) hn::StoreU(hn::IfThenElse(poisoned, hn::NaN(d), out.slope), d, slope);
  }

  template <class T, bool kSlope>
  static HWY_NOINLINE void Loop(const L& loss, const Block<T>& block) {
    constexpr size_t kStep = kLanes<T>;
    const size_t n = block.items;
    size_t i = 0;
    for (; i + kStep <= n; i += kStep) {
      Step<T, kSlope>(loss, block.prediction + i, block.target + i, block.value + i,
                      kSlope ? block.slope + i : nullptr);
    }
    if (i == n) return;
    // The remainder, in a vector padded with zeros: never a read or a write behind the end.
    const size_t bytes = (n - i) * sizeof(T);
    T prediction[kStep] = {}, target[kStep] = {}, value[kStep], slope[kStep];
    std::memcpy(prediction, block.prediction + i, bytes);
    std::memcpy(target, block.target + i, bytes);
    Step<T, kSlope>(loss, prediction, target, value, slope);
    std::memcpy(block.value + i, value, bytes);
    if constexpr (kSlope) std::memcpy(block.slope + i, slope, bytes);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_ELEMENTWISE_INL_H_
