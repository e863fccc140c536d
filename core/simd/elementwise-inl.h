// The loop of the elementwise family. A loss brings arithmetic on one vector; this file brings everything around it:
// parameters, whole vectors, the remainder, stores, NaN.

#if defined(LOSSD_CORE_SIMD_ELEMENTWISE_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_ELEMENTWISE_INL_H_
#undef LOSSD_CORE_SIMD_ELEMENTWISE_INL_H_
#else
#define LOSSD_CORE_SIMD_ELEMENTWISE_INL_H_
#endif

#include <array>

#include "core/simd/kernel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// A value and its derivatives, lane by lane: slope[i] with respect to input i of the contract, and the second
// derivative with respect to the first. What a contract does not promise may be left out.
template <class V, size_t kInputs = 1>
struct Local {
  V value;
  std::array<V, kInputs> slope;
  V curvature = {};
};
template <class V>
using ValueSlope = Local<V, 1>;

// -1, 0 or 1: the subgradient of |x| of least norm.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Sign(D d, V x) {
  return hn::IfThenZeroElse(hn::Eq(x, hn::Zero(d)), hn::CopySign(C(d, 1.0), x));
}

// Step(d, z, kink): the derivative of max(z, 0): 0, 1, or at z = 0 what the kink policy says.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Step(D d, V z, double kink) {
  const V at_zero = hn::IfThenElseZero(hn::Eq(z, hn::Zero(d)), C(d, kink));
  return hn::IfThenElse(hn::Gt(z, hn::Zero(d)), C(d, 1.0), at_zero);
}

// Lanes that are NaN or outside an interval. Closed ends only: an open end is an infinity, which the arithmetic
// handles.
template <class D, class V = hn::Vec<D>>
HWY_INLINE hn::Mask<D> Outside(D d, const Interval& domain, V x) {
  hn::Mask<D> outside = hn::IsNaN(x);
  if (!domain.open_lo) outside = hn::Or(outside, hn::Lt(x, C(d, domain.lo)));
  if (!domain.open_hi) outside = hn::Or(outside, hn::Gt(x, C(d, domain.hi)));
  return outside;
}

// A loss is callable as loss(d, x...) with a vector of each input in the contract's order, or as
// loss.template Of<form>(d, x...) where it has several forms. An item with a NaN in any input (Min, Max and Exp may
// swallow one, each target its own way), or an input outside its domain, answers NaN.
template <class L, Form kForm>
struct Elementwise {
  template <class T>
  static void Run(const KernelCall& call, const Block<T>& block) {
    bool others = block.curvature != nullptr;
    for (size_t i = 1; i < kInputs; ++i) others |= block.slope[i] != nullptr;
    if (others) return Loop<T, kAll>(Bind<L>(call), block);
    if (block.slope[0] != nullptr) return Loop<T, kFirst>(Bind<L>(call), block);
    Loop<T, kValue>(Bind<L>(call), block);
  }

 private:
  enum Wanted { kValue, kFirst, kAll };
  static constexpr size_t kInputs = L::kContract.inputs.size();
  using Indices = std::make_index_sequence<kInputs>;
  template <class T>
  struct Pointers {
    std::array<const T*, kInputs> in;
    T* value;
    std::array<T*, kInputs> slope;
    T* curvature;
  };

  template <class T, Wanted kWanted, size_t... I>
  static HWY_INLINE void Vector(const L& loss, const Pointers<T>& at, size_t i, std::index_sequence<I...>) {
    const Tag<T> d;
    using V = hn::Vec<Tag<T>>;
    const std::array<V, kInputs> x = {
        (at.in[I] != nullptr ? hn::LoadU(d, at.in[I] + i) : C(d, L::kContract.inputs[I].fallback))...};
    const auto out = [&]() HWY_ATTR {
      if constexpr (L::kContract.forms.size() > 1) {
        return loss.template Of<kForm>(d, x[I]...);
      } else {
        return loss(d, x[I]...);
      }
    }();
    hn::Mask<Tag<T>> poisoned = Outside(d, kForm.prediction, x[0]);
    ((poisoned = hn::Or(poisoned, Outside(d, L::kContract.inputs[I].domain, x[I]))), ...);
    const auto store = [&](V v, T* to) HWY_ATTR { hn::StoreU(hn::IfThenElse(poisoned, hn::NaN(d), v), d, to + i); };
    store(out.value, at.value);
    if constexpr (kWanted != kValue) {
      if (kWanted == kFirst || at.slope[0] != nullptr) store(out.slope[0], at.slope[0]);
    }
    if constexpr (kWanted == kAll) {
      for (size_t k = 1; k < out.slope.size(); ++k) {
        if (at.slope[k] != nullptr) store(out.slope[k], at.slope[k]);
      }
      if (at.curvature != nullptr) store(out.curvature, at.curvature);
    }
  }

  template <class T, Wanted kWanted>
  static HWY_NOINLINE void Loop(const L& loss, const Block<T>& block) {
    constexpr size_t kStep = kLanes<T>;
    const size_t n = block.items;
    Pointers<T> at{{}, block.value, {}, block.curvature};
    for (size_t k = 0; k < kInputs; ++k) {
      at.in[k] = block.in[k];
      at.slope[k] = block.slope[k];
    }
    size_t i = 0;
    for (; i + kStep <= n; i += kStep) Vector<T, kWanted>(loss, at, i, Indices());
    if (i == n) return;
    // The remainder, in vectors padded with zeros: never a read or a write behind the end.
    const size_t bytes = (n - i) * sizeof(T);
    T in[kInputs][kStep] = {}, out[kInputs + 2][kStep];
    Pointers<T> padded{{}, out[kInputs], {}, at.curvature == nullptr ? nullptr : out[kInputs + 1]};
    for (size_t k = 0; k < kInputs; ++k) {
      if (at.in[k] != nullptr) std::memcpy(in[k], at.in[k] + i, bytes);
      padded.in[k] = at.in[k] == nullptr ? nullptr : in[k];
      padded.slope[k] = at.slope[k] == nullptr ? nullptr : out[k];
    }
    Vector<T, kWanted>(loss, padded, 0, Indices());
    std::memcpy(at.value + i, padded.value, bytes);
    for (size_t k = 0; k < kInputs; ++k) {
      if (at.slope[k] != nullptr) std::memcpy(at.slope[k] + i, out[k], bytes);
    }
    if (at.curvature != nullptr) std::memcpy(at.curvature + i, padded.curvature, bytes);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_ELEMENTWISE_INL_H_
