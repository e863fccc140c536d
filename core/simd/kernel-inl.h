// What every family shares: how a loss gets its parameters and how its forms become a row of the registry's table.

#if defined(LOSSD_CORE_SIMD_KERNEL_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_KERNEL_INL_H_
#undef LOSSD_CORE_SIMD_KERNEL_INL_H_
#else
#define LOSSD_CORE_SIMD_KERNEL_INL_H_
#endif

#include <array>
#include <concepts>
#include <cstring>
#include <span>
#include <utility>

#include "core/losses/loss.h"
#include "core/simd/lane_sum-inl.h"
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// The members of a family, in alphabetical order.
template <class... L>
struct Losses {};

// Builds an L from a call. The members of L are its parameters in contract order, then `kink` where the contract says
// has_kinks, then `clip_low, clip_high` where L says kClips.
template <class L>
concept Clips = requires {
  L::kClips;
};

template <class L, size_t... I>
HWY_INLINE L Bind([[maybe_unused]] const KernelCall& call, std::index_sequence<I...>) {
  if constexpr (Clips<L> && L::kContract.has_kinks) {
    return L{call.params[I]..., call.kink, call.clip_low, call.clip_high};
  } else if constexpr (Clips<L>) {
    return L{call.params[I]..., call.clip_low, call.clip_high};
  } else if constexpr (L::kContract.has_kinks) {
    return L{call.params[I]..., call.kink};
  } else {
    return L{call.params[I]...};
  }
}
template <class L>
HWY_INLINE L Bind(const KernelCall& call) {
  return Bind<L>(call, std::make_index_sequence<L::kContract.params.size()>());
}

// A native loss is computed in float where its inputs are; any other in double whatever they are.
template <class L>
concept Native = requires {
  L::kNative;
};

// A loop that reads and writes floats as well, whatever the loss computes in.
template <class Runner>
concept ReadsFloats = Runner::kReadsFloats;

// A loss that answers NaN to a NaN in any input by itself: of an element in its value and its first slope, of an item
// in all that it writes, and to inputs outside their domains too. kernel_test looks.
template <class L>
concept PassesNan = requires {
  L::kPassesNan;
};

// A loss may have a leaner form for usual parameters, an L::Usual: usual() says whether the parameters are. It is asked
// once for a run of items, where a branch in the arithmetic is taken for every vector. The value and the first slope of
// an element have the same bits in both.
template <class L>
concept HasUsual = requires(const L& loss) {
  typename L::Usual;
  { loss.usual() } -> std::same_as<bool>;
};

template <class L>
concept HasScratch = requires(const Dims& dims) {
  L::Scratch(dims, size_t{});
};
template <class L>
concept HasFinish = requires(std::span<const double> params) {
  L::Finish(params, 0.0);
};

template <class L, Form kForm>
concept FinishesForm = requires {
  requires L::Finishes(kForm);
};

// A constant in the element type of d.
template <class D>
HWY_INLINE hn::Vec<D> C(D d, double x) {
  return hn::Set(d, static_cast<hn::TFromD<D>>(x));
}

// A function of one number through the vector code, so that the scalar ends of a row have the same bits everywhere.
template <class Fn>
HWY_INLINE double Scalar(double x, const Fn& fn) {
  const hn::CappedTag<double, 1> d;
  return hn::GetLane(fn(d, hn::Set(d, x)));
}

// The row of a loss in the registry's table. Runner<L, form>::template Run<T> is the kernel of one form.
template <template <class, Form> class Runner, class L, size_t I>
constexpr FormKernels KernelsOf() {
  constexpr Form kForm = L::kContract.forms[I];
  FormKernels kernels{kForm, nullptr, &Runner<L, kForm>::template Run<double>, nullptr};
  if constexpr (Native<L> || ReadsFloats<Runner<L, kForm>>) kernels.f32 = &Runner<L, kForm>::template Run<float>;
  kernels.widens = !Native<L>;
  if constexpr (HasScratch<L>) kernels.scratch = L::Scratch;
  kernels.finishes = FinishesForm<L, kForm>;
  return kernels;
}
template <template <class, Form> class Runner, class L, size_t... I>
constexpr std::array<FormKernels, sizeof...(I)> FormsOf(std::index_sequence<I...>) {
  return {{KernelsOf<Runner, L, I>()...}};
}
template <template <class, Form> class Runner, class L>
inline constexpr auto kFormsOf = FormsOf<Runner, L>(std::make_index_sequence<L::kContract.forms.size()>());

template <template <class, Form> class Runner, class L>
constexpr Loss Entry() {
  Loss loss{&L::kContract, kFormsOf<Runner, L>};
  if constexpr (HasFinish<L>) loss.finish = &L::Finish;
  return loss;
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_KERNEL_INL_H_
