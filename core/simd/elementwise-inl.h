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

#include "core/reduce.h"
#include "core/simd/kernel-inl.h"
#include "core/simd/past_caches-inl.h"
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

// -1, 0 or 1: the subgradient of |x| of least norm. NaN of NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Sign(D d, V x) {
  const V zero = hn::Zero(d);
  return hn::IfThenElse(hn::Gt(hn::Abs(x), zero), hn::CopySign(C(d, 1.0), x), hn::Add(x, zero));  // not -0
}

// max(z, 0), and NaN of NaN: Max may swallow it.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Positive(D d, V z) {
  return hn::IfThenZeroElse(hn::Le(z, hn::Zero(d)), z);
}

// Its derivative: 0, 1, or at z = 0 what the kink policy says. NaN of NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Step(D d, V z, double kink) {
  const V zero = hn::Zero(d);
  const V up_to_zero = hn::IfThenZeroElse(hn::Lt(z, zero), hn::Add(z, C(d, kink)));
  return hn::IfThenElse(hn::Gt(z, zero), C(d, 1.0), up_to_zero);
}

// Lanes that are NaN or outside an interval. Closed ends only: an open end is an infinity, which the arithmetic
// handles.
template <class D, class V = hn::Vec<D>>
HWY_INLINE hn::Mask<D> Outside(D d, const Interval& domain, V x) {
  const V lo = C(d, domain.lo), hi = C(d, domain.hi);
  if (domain.open_lo && domain.open_hi) return hn::IsNaN(x);
  if (domain.open_lo) return hn::Not(hn::Le(x, hi));
  if (domain.open_hi) return hn::Not(hn::Ge(x, lo));
  return hn::Not(hn::And(hn::Ge(x, lo), hn::Le(x, hi)));
}

// A number that vectors are multiplied by. In float as a sum of two, of which the first is cut off towards zero, so
// that both have its sign and times an infinity they do not meet as NaN: the product is that of the number and not of
// the nearest float. A branch that spares a number that is a float the second product cost squared error a tenth.
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

// A loss is callable as loss(d, x...) with a vector of each input in the contract's order, or as
// loss.template Of<form>(d, x...) where it has several forms: vectors of the inputs' type for a native loss, else of
// double. An item with a NaN in any input (Min, Max and Exp may swallow one, each target its own way), or an input
// outside its domain, answers NaN.
template <class L, Form kForm>
struct Elementwise {
  static constexpr bool kReadsFloats = true;  // and computes in double, if the loss is not native
  template <class T>
  static void Run(const KernelCall& call, const Block<T>& block) {
    const L loss = Bind<L>(call);
    bool others = block.curvature != nullptr;
    for (size_t i = 1; i < kInputs; ++i) others |= block.slope[i] != nullptr;
    if (others) return Loop<T, kAll>(loss, block);
    if (block.slope[0] == nullptr) return Loop<T, kValue>(loss, block);
    if constexpr (HasUsual<L>) {
      if (loss.usual()) return Loop<T, kFirst>(typename L::Usual(), block);
    }
    Loop<T, kFirst>(loss, block);
  }

 private:
  enum Wanted { kValue, kFirst, kAll };
  static constexpr bool kPassesNan = PassesNan<L> || requires { requires L::PassesNan(kForm); };  // in one form
  // A copy: clang 14 crashes on a reference to a member of a template argument.
  static constexpr Interval kPrediction = kForm.prediction;
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

    Pointers From(size_t i) const {  // of the elements from i on
      Pointers from = *this;
      const auto move = [i](auto*& p) { p = p == nullptr ? p : p + i; };
      for (const T*& p : from.in) move(p);
      for (T*& p : from.slope) move(p);
      move(from.value);
      move(from.curvature);
      return from;
    }
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

  // Of an L or an L::Usual.
  template <class A, class D, class... V>
  static HWY_INLINE auto Answer(const A& loss, D d, V... x) {
    if constexpr (std::is_same_v<A, L> && L::kContract.forms.size() > 1) {
      return loss.template Of<kForm>(d, x...);
    } else {
      return loss(d, x...);
    }
  }

  // Returns the values.
  template <class T, Wanted kWanted, class A, size_t... I>
  static HWY_INLINE auto Vector(const A& loss, const Pointers<T>& at, size_t i, const Factor<Arithmetic<T>>& factor,
                                std::index_sequence<I...>) {
    const Tag<Arithmetic<T>> d;
    using V = hn::Vec<Tag<Arithmetic<T>>>;
    const std::array<V, kInputs> x = {Load<T, I>(at.in[I], i)...};
    const auto out = Answer(loss, d, x[I]...);
    const auto sound = [&](V v) HWY_ATTR {
      if constexpr (kPassesNan && kWanted != kAll) {
        return v;
      } else {
        auto poisoned = Outside(d, kPrediction, x[0]);
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

  static constexpr size_t kTurn = 2 * kChunk;
  static_assert(kTurn == kSumLanes);
  // Whether sums in registers are worth code for each vector of a turn. A: L or L::Usual.
  template <class A>
  static constexpr bool kUnrolled = Native<L> || (!std::is_same_v<A, L> && kTurn / kLanes<double> <= 8);

  // REQUIRES: n is a multiple of kTurn, or of a vector where it is less. Adds the values to `sums`.
  template <class T, Wanted kWanted, class A>
  static HWY_NOINLINE void Turns(const A loss, const Pointers<T> at, size_t n, const Factor<Arithmetic<T>> factor,
                                 LaneSum (&sums)[2]) {  // copies, which no store may change
    constexpr size_t kStep = kLanes<Arithmetic<T>>;
    LaneSum sum[2] = {sums[0], sums[1]};
    const auto add = [&](size_t i, size_t j) HWY_ATTR __attribute__((always_inline)) {
      sum[j / kChunk].Add(j % kChunk, Vector<T, kWanted>(loss, at, i + j, factor, Indices()));
    };
    for (size_t i = 0; i < n; i += kTurn) {
      if constexpr (kUnrolled<A>) {
        for (size_t j = 0; j < kChunk; j += kStep) add(i, j);
        for (size_t j = kChunk; j < kTurn; j += kStep) add(i, j);
      } else {
        for (size_t j = 0; j < std::min(kTurn, n - i); j += kStep) add(i, j);
      }
    }
    sums[0] = sum[0];
    sums[1] = sum[1];
  }

  template <class T, Wanted kWanted, class A>
  static HWY_NOINLINE void Loop(const A& loss, const Block<T>& block) {
    const Factor<Arithmetic<T>> factor(block.factors.common);
    const size_t left = block.items % kTurn, whole = block.items - left;
    Pointers<T> at{{}, block.value, {}, block.curvature};
    for (size_t k = 0; k < kInputs; ++k) {
      at.in[k] = block.in[k];
      at.slope[k] = block.slope[k];
    }
    LaneSum sums[2];
    if (block.sums != nullptr) {
      sums[0].Load(block.sums);
      sums[1].Load(block.sums + kChunk);
    }
    if (block.streams) {
      // Through memory in L1, for an output may lie at any alignment: longer stretches leave the reads idle.
      constexpr size_t kStretch = 512;
      alignas(64) T slopes[kStretch];
      for (size_t i = 0; i < whole; i += kStretch) {
        const size_t n = std::min(kStretch, whole - i);
        Pointers<T> here = at.From(i);
        here.slope[0] = slopes;
        Turns<T, kWanted>(loss, here, n, factor, sums);
        CopyPastCaches(slopes, n, at.slope[0] + i);
      }
    } else if (whole > 0) {
      Turns<T, kWanted>(loss, at, whole, factor, sums);
    }
    if (left > 0) {
      // The last turn goes through memory that is padded with zeros: never a read or a write behind the end.
      T in[kInputs][kTurn], out[kInputs + 2][kTurn];
      Pointers<T> padded = at;
      const auto each = [&](const auto& visit) {  // of the outputs that are wanted
        if (at.value != nullptr) visit(at.value, padded.value, out[kInputs]);
        for (size_t k = 0; k < kInputs; ++k) {
          if (at.slope[k] != nullptr) visit(at.slope[k], padded.slope[k], out[k]);
        }
        if (at.curvature != nullptr) visit(at.curvature, padded.curvature, out[kInputs + 1]);
      };
      for (size_t k = 0; k < kInputs; ++k) {
        if (at.in[k] == nullptr) continue;
        std::fill_n(in[k], kTurn, T{0});
        std::memcpy(in[k], at.in[k] + whole, left * sizeof(T));
        padded.in[k] = in[k];
      }
      each([](T*, T*& to, T* numbers) { to = numbers; });
      LaneSum last[2];
      constexpr size_t kStep = kLanes<Arithmetic<T>>;
      Turns<T, kWanted>(loss, padded, kUnrolled<A> ? kTurn : (left + kStep - 1) / kStep * kStep, factor, last);
      each([&](T* to, T*, const T* numbers) { std::memcpy(to + whole, numbers, left * sizeof(T)); });
      sums[0].AddFirst(std::min(left, kChunk), last[0]);
      if (left > kChunk) sums[1].AddFirst(left - kChunk, last[1]);
    }
    if (block.sums != nullptr) {
      sums[0].Store(block.sums);
      sums[1].Store(block.sums + kChunk);
    }
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_ELEMENTWISE_INL_H_
