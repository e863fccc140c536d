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
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

#include "core/reduce.h"
#include "core/simd/kernel-inl.h"
#include "core/simd/local-inl.h"
#include "core/simd/past_caches-inl.h"
#include "core/simd/widen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// A loss is callable as loss(d, x...) with a vector of each input in the contract's order, or as
// loss.template Of<form>(d, x...) where it has several forms: vectors of the inputs' type for a native loss, else of
// double. An item with a NaN in any input (Min, Max and Exp may swallow one, each target its own way), or an input
// outside its domain, answers NaN.
//
// A native loss may be cut in two: L::Prepare(d, x...), or L::template Prepare<form>(d, x...), returns an array of
// vectors, and the loss takes them between d and x. The loop then takes two sweeps over a stretch in L1: a processor
// looks some 60 vector operations ahead, less than a long chain of them is, and overlaps more vectors of two short
// ones.
//
// A loss whose last inputs are optional may be callable without them too, for the same bits with fewer operations.
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
    if constexpr (kRequired < kInputs && AnswersRequired<T>()) {
      bool optional = false;
      for (size_t i = kRequired; i < kInputs; ++i) optional |= block.in[i] != nullptr;
      if (!optional) return Loop<T, kFirst, L, std::make_index_sequence<kRequired>>(loss, block);
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
  static constexpr size_t kRequired = [] {  // inputs before the optional ones at the end
    size_t n = kInputs;
    while (n > 0 && L::kContract.inputs[n - 1].optional) --n;
    return n;
  }();
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

  // Of an L or an L::Usual; x: the inputs, behind what Prepare returns, if there is one.
  template <class A>
  static constexpr bool kByForm = std::is_same_v<A, L> && (L::kContract.forms.size() > 1);
  template <class A, class D, class... X>
  static HWY_INLINE auto Answer(const A& loss, D d, const X&... x) {
    if constexpr (kByForm<A>) {
      return loss.template Of<kForm>(d, x...);
    } else {
      return loss(d, x...);
    }
  }
  template <class A, class D, class... V>
  static HWY_INLINE auto Prepare(const A& loss, D d, V... x) {
    if constexpr (requires { loss.template Prepare<kForm>(d, x...); }) {
      return loss.template Prepare<kForm>(d, x...);
    } else if constexpr (requires { loss.Prepare(d, x...); }) {
      return loss.Prepare(d, x...);
    } else {
      return std::array<hn::Vec<D>, 0>();
    }
  }
  // How many vectors Prepare returns.
  template <class T, class A, size_t... I>
  static constexpr size_t Prepared(std::index_sequence<I...>) {
    using V = hn::Vec<Tag<Arithmetic<T>>>;
    using Vectors = decltype(Prepare(std::declval<const A&>(), Tag<Arithmetic<T>>(), (I, std::declval<V>())...));
    return std::tuple_size_v<Vectors>;
  }
  // Whether the loss is callable without its optional inputs.
  template <class T>
  static constexpr bool AnswersRequired() {
    return []<size_t... I>(std::index_sequence<I...>) {
      using D = Tag<Arithmetic<T>>;
      using V = hn::Vec<D>;
      if constexpr (Prepared<T, L>(Indices()) == 0) {
        return requires(const L& loss, V v) { loss.template Of<kForm>(D(), (I, v)...); };
      } else {
        using First = std::array<V, Prepared<T, L>(Indices())>;
        return requires(const L& loss, First first, V v) { loss.template Of<kForm>(D(), first, (I, v)...); };
      }
    }
    (std::make_index_sequence<kRequired>());
  }

  template <class T, size_t... I>
  static HWY_INLINE auto LoadAll(const Pointers<T>& at, size_t i, std::index_sequence<I...>) {
    return std::array<hn::Vec<Tag<Arithmetic<T>>>, sizeof...(I)>{Load<T, I>(at.in[I], i)...};
  }

  // Not std::apply, which would call: it is compiled for the baseline, where nothing for a vector's target is inlined.
  template <class T, class A, size_t... I>
  static HWY_INLINE auto PrepareAt(const A& loss, const Pointers<T>& at, size_t i, std::index_sequence<I...> inputs) {
    const auto x = LoadAll(at, i, inputs);
    return Prepare(loss, Tag<Arithmetic<T>>(), x[I]...);
  }

  // Returns the values. `prepared`: what Prepare returned, a row of kStretch for each of its vectors.
  template <class T, Wanted kWanted, class A, size_t... I>
  static HWY_INLINE auto Vector(const A& loss, const Pointers<T>& at, size_t i, const Factor<Arithmetic<T>>& factor,
                                std::index_sequence<I...> inputs, [[maybe_unused]] const Arithmetic<T>* prepared) {
    const Tag<Arithmetic<T>> d;
    using V = hn::Vec<Tag<Arithmetic<T>>>;
    const auto x = LoadAll(at, i, inputs);
    const auto out = [&]() HWY_ATTR {
      constexpr size_t kPrepared = Prepared<T, A>(inputs);
      if constexpr (kPrepared == 0) {
        return Answer(loss, d, x[I]...);
      } else {
        std::array<V, kPrepared> first;
        for (size_t k = 0; k < kPrepared; ++k) first[k] = hn::Load(d, prepared + k * kStretch);
        return Answer(loss, d, first, x[I]...);
      }
    }();
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

  // Elements that are in L1 between two sweeps, or on their way past the caches: longer stretches leave the reads idle.
  static constexpr size_t kStretch = 512;

  // REQUIRES: n is a multiple of kTurn, or of a vector where it is less. Adds the values to `sums`.
  template <class T, Wanted kWanted, class A, class Inputs>
  static HWY_NOINLINE void Turns(const A loss, const Pointers<T> at, size_t n, const Factor<Arithmetic<T>> factor,
                                 LaneSum (&sums)[2], PastCaches<T>& past) {  // copies, which no store may change
    constexpr size_t kStep = kLanes<Arithmetic<T>>, kPrepared = Prepared<T, A>(Inputs());
    constexpr size_t kSweep = kPrepared == 0 ? ~size_t{0} : kStretch;
    LaneSum sum[2] = {sums[0], sums[1]};
    alignas(64) [[maybe_unused]] Arithmetic<T> prepared[std::max<size_t>(1, kPrepared) * kStretch];
    for (size_t begin = 0; begin < n; begin += std::min(kSweep, n - begin)) {
      const size_t end = n - begin < kSweep ? n : begin + kSweep;
      if constexpr (kPrepared > 0) {
        const Tag<T> d;
        for (size_t i = begin; i < end; i += kStep) {
          if (i % PastCaches<T>::kLine == 0) past.Step();
          const auto first = PrepareAt(loss, at, i, Inputs());
          for (size_t k = 0; k < kPrepared; ++k) hn::Store(first[k], d, prepared + k * kStretch + (i - begin));
        }
      }
      const auto add = [&](size_t i, size_t j) HWY_ATTR __attribute__((always_inline)) {
        sum[j / kChunk].Add(j % kChunk,
                            Vector<T, kWanted>(loss, at, i + j, factor, Inputs(), prepared + (i + j - begin)));
      };
      for (size_t i = begin; i < end; i += kTurn) {
        if constexpr (kUnrolled<A>) {
          for (size_t j = 0; j < kChunk; j += kStep) add(i, j);
          for (size_t j = kChunk; j < kTurn; j += kStep) add(i, j);
        } else {
          for (size_t j = 0; j < std::min(kTurn, n - i); j += kStep) add(i, j);
        }
      }
    }
    sums[0] = sum[0];
    sums[1] = sum[1];
  }

  template <class T, Wanted kWanted, class A, class Inputs = Indices>
  static HWY_NOINLINE void Loop(const A& loss, const Block<T>& block) {
    const Factor<Arithmetic<T>> factor(block.factors.common);
    const size_t left = block.items % kTurn, whole = block.items - left;
    Pointers<T> at{{}, block.value, {}, block.curvature};
    for (size_t k = 0; k < kInputs; ++k) {
      at.in[k] = block.in[k];
      at.slope[k] = block.slope[k];
    }
    LaneSum sums[2];
    if (block.lanes != nullptr) {
      sums[0].Load(block.lanes);
      sums[1].Load(block.lanes + kChunk);
    }
    PastCaches<T> past;
    if (block.streams) {
      // Through memory in L1, for an output may lie at any alignment; from there while the next stretch is computed.
      constexpr bool kLater = Prepared<T, A>(Inputs()) > 0;  // else there is nothing to go behind
      alignas(64) T slopes[1 + kLater][kStretch];
      for (size_t i = 0; i < whole; i += kStretch) {
        const size_t n = std::min(kStretch, whole - i);
        T* const room = slopes[kLater ? i / kStretch % 2 : 0];
        Pointers<T> here = at.From(i);
        here.slope[0] = room;
        Turns<T, kWanted, A, Inputs>(loss, here, n, factor, sums, past);
        past.Rest();
        past = PastCaches<T>(room, n, at.slope[0] + i);
        if constexpr (!kLater) past.Rest();
      }
      past.Rest();
    } else if (whole > 0) {
      Turns<T, kWanted, A, Inputs>(loss, at, whole, factor, sums, past);
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
      Turns<T, kWanted, A, Inputs>(loss, padded, kUnrolled<A> ? kTurn : (left + kStep - 1) / kStep * kStep, factor,
                                   last, past);
      each([&](T* to, T*, const T* numbers) { std::memcpy(to + whole, numbers, left * sizeof(T)); });
      sums[0].AddFirst(std::min(left, kChunk), last[0]);
      if (left > kChunk) sums[1].AddFirst(left - kChunk, last[1]);
    }
    if (block.lanes != nullptr) {
      sums[0].Store(block.lanes);
      sums[1].Store(block.lanes + kChunk);
    }
    if (block.sum != nullptr) *block.sum = sums[0].Total() + sums[1].Total();
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_ELEMENTWISE_INL_H_
