// The loop of the elementwise family. A loss brings arithmetic on one vector; this file brings everything around it:
// parameters, whole vectors, the remainder, stores, NaN.

#if defined(LOSSD_CORE_SIMD_ELEMENTWISE_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_ELEMENTWISE_INL_H_
#undef LOSSD_CORE_SIMD_ELEMENTWISE_INL_H_
#else
#define LOSSD_CORE_SIMD_ELEMENTWISE_INL_H_
#endif

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "core/simd/kernel-inl.h"
#include "core/simd/widen-inl.h"

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

// A number that vectors are multiplied by. In float as a sum of two, of which the first is cut off towards zero, so
// that both have its sign and times an infinity they do not meet as NaN: the product is that of the number and not of
// the nearest float.
template <class T>
class Factor;
template <>
class Factor<double> {
 public:
  explicit Factor(double factor) : factor_(factor) {}
  template <class V>
  HWY_INLINE V Times(Tag<double> d, V v) const {
    return hn::Mul(v, hn::Set(d, factor_));
  }

 private:
  double factor_;
};
template <>
class Factor<float> {
 public:
  // REQUIRES: a magnitude from kLeastFloatFactor to kMostFloatFactor.
  explicit Factor(double factor) : high_(static_cast<float>(factor)) {
#if HWY_NATIVE_FMA
    if (std::abs(double{high_}) >= std::abs(factor)) high_ = std::nextafter(high_, 0.0f);
    low_ = static_cast<float>(factor - double{high_});
#endif
  }
  template <class V>
  HWY_INLINE V Times(Tag<float> d, V v) const {
#if HWY_NATIVE_FMA
    return hn::MulAdd(v, hn::Set(d, high_), hn::Mul(v, hn::Set(d, low_)));
#else
    return hn::Mul(v, hn::Set(d, high_));
#endif
  }

 private:
  float high_;
  [[maybe_unused]] float low_ = 0;
};

// A loss whose arithmetic makes NaN of a NaN in any input, in its value and in its first slope: kernel_test looks.
template <class L>
concept PassesNan = requires {
  L::kPassesNan;
};

// A loss is callable as loss(d, x...) with a vector of each input in the contract's order, or as
// loss.template Of<form>(d, x...) where it has several forms: vectors of the inputs' type for a native loss, else of
// double. An item with a NaN in any input (Min, Max and Exp may swallow one, each target its own way), or an input
// outside its domain, answers NaN.
template <class L, Form kForm>
struct Elementwise {
  static constexpr bool kReadsFloats = true;  // and computes in double, if the loss is not native
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
  using Arithmetic = std::conditional_t<Native<L>, T, double>;
  template <class T>
  struct Pointers {
    std::array<const T*, kInputs> in;
    T* value;
    std::array<T*, kInputs> slope;
    T* curvature;
  };

  template <class T, size_t k>
  static HWY_INLINE auto Load(const T* from, size_t i) {
    if constexpr (L::kContract.inputs[k].optional) {
      if (from == nullptr) return C(Tag<Arithmetic<T>>(), L::kContract.inputs[k].fallback);
    }
    if constexpr (Native<L>) {
      return hn::LoadU(Tag<T>(), from + i);
    } else {
      return Widen(from + i);
    }
  }
  template <class T, class V>
  static HWY_INLINE void Store(V v, T* to) {
    if constexpr (Native<L>) {
      hn::StoreU(v, Tag<T>(), to);
    } else {
      PutAs(v, to);
    }
  }

  template <class D, class... V>
  static HWY_INLINE auto Answer(const L& loss, D d, V... x) {
    if constexpr (L::kContract.forms.size() > 1) {
      return loss.template Of<kForm>(d, x...);
    } else {
      return loss(d, x...);
    }
  }

  // Returns the values.
  template <class T, Wanted kWanted, size_t... I>
  static HWY_INLINE auto Vector(const L& loss, const Pointers<T>& at, size_t i, const Factor<Arithmetic<T>>& factor,
                                std::index_sequence<I...>) {
    const Tag<Arithmetic<T>> d;
    using V = hn::Vec<Tag<Arithmetic<T>>>;
    const std::array<V, kInputs> x = {Load<T, I>(at.in[I], i)...};
    const auto out = Answer(loss, d, x[I]...);
    const auto sound = [&](V v) HWY_ATTR {
      if constexpr (PassesNan<L> && kWanted != kAll) {
        return v;
      } else {
        auto poisoned = Outside(d, kForm.prediction, x[0]);
        ((poisoned = hn::Or(poisoned, Outside(d, L::kContract.inputs[I].domain, x[I]))), ...);
        return hn::IfThenElse(poisoned, hn::NaN(d), v);
      }
    };
    const auto store = [&](V v, T* to) HWY_ATTR { Store(factor.Times(d, sound(v)), to + i); };
    const V value = sound(out.value);
    if (at.value != nullptr) Store(value, at.value + i);
    if constexpr (kWanted != kValue) {
      if (kWanted == kFirst || at.slope[0] != nullptr) store(out.slope[0], at.slope[0]);
    }
    if constexpr (kWanted == kAll) {
      for (size_t k = 1; k < out.slope.size(); ++k) {
        if (at.slope[k] != nullptr) store(out.slope[k], at.slope[k]);
      }
      if (at.curvature != nullptr) store(out.curvature, at.curvature);
    }
    return value;
  }

  template <class T, Wanted kWanted>
  static HWY_NOINLINE void Loop(const L loss, const Block<T>& block) {  // a copy, which no store may change
    using A = Arithmetic<T>;
    constexpr size_t kTurn = 2 * kChunk;  // as in reduce.cc
    const Factor<A> factor(block.factors.common);
    const size_t n = block.items;
    Pointers<T> at{{}, block.value, {}, block.curvature};
    for (size_t k = 0; k < kInputs; ++k) {
      at.in[k] = block.in[k];
      at.slope[k] = block.slope[k];
    }
    // What is left of the last turn goes through memory that is padded with zeros: never a read or a write behind the
    // end.
    T in[kInputs][kTurn], out[kInputs + 2][kTurn];
    const auto each = [&](const auto& visit) {  // of the outputs that are wanted
      if (at.value != nullptr) visit(at.value, out[kInputs]);
      for (size_t k = 0; k < kInputs; ++k) {
        if (at.slope[k] != nullptr) visit(at.slope[k], out[k]);
      }
      if (at.curvature != nullptr) visit(at.curvature, out[kInputs + 1]);
    };
    LaneSum sums[2];
    Pointers<T> wanted = at;
    for (size_t begin = 0; begin < n; begin += kTurn) {
      const size_t left = n - begin;
      const bool whole = left >= kTurn;
      size_t i = begin;
      if (!whole) {
        for (size_t k = 0; k < kInputs; ++k) {
          if (at.in[k] == nullptr) continue;
          std::fill_n(in[k], kTurn, T{0});
          std::memcpy(in[k], at.in[k] + begin, left * sizeof(T));
          at.in[k] = in[k];
        }
        each([](T*& to, T* padded) { to = padded; });
        i = 0;
      }
      const auto add = [&](LaneSum & sum, size_t j) HWY_ATTR __attribute__((always_inline)) {
        auto v = Vector<T, kWanted>(loss, at, i + j, factor, Indices());
        if (!whole) v = hn::IfThenElseZero(hn::FirstN(Tag<A>(), left - std::min(left, j)), v);
        sum.Add(j % kChunk, v);
      };
      if constexpr (Native<L>) {  // short: sums in registers are worth code for each vector of a turn
        for (size_t j = 0; j < kChunk; j += kLanes<A>) add(sums[0], j);
        for (size_t j = kChunk; j < kTurn; j += kLanes<A>) add(sums[1], j);
      } else {
        const size_t end = std::min(left, kTurn);
        for (size_t j = 0; j < end; j += kLanes<A>) add(sums[j / kChunk], j);
      }
      if (whole) continue;
      at = wanted;
      each([&](T* to, const T* padded) { std::memcpy(to + begin, padded, left * sizeof(T)); });
    }
    if (block.sum != nullptr) *block.sum = sums[0].Total() + sums[1].Total();
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_ELEMENTWISE_INL_H_
