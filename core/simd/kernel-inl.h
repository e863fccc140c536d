// What every family shares: how a loss gets its parameters and how its forms become a row of the registry's table.

#if defined(LOSSD_CORE_SIMD_KERNEL_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_KERNEL_INL_H_
#undef LOSSD_CORE_SIMD_KERNEL_INL_H_
#else
#define LOSSD_CORE_SIMD_KERNEL_INL_H_
#endif

#include <array>
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

// Builds an L from its parameters: the members of L are its parameters, in contract order.
template <class L, size_t... I>
HWY_INLINE L Bind([[maybe_unused]] std::span<const double> params, std::index_sequence<I...>) {
  return L{params[I]...};
}
template <class L>
HWY_INLINE L Bind(std::span<const double> params) {
  return Bind<L>(params, std::make_index_sequence<L::kContract.params.size()>());
}

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

// The table of a family. Runner<L, form>::template Run<T> is the kernel of one form.
template <template <class, Form> class Runner, class L, size_t... I>
constexpr std::array<FormKernels, sizeof...(I)> FormsOf(std::index_sequence<I...>) {
  return {{{L::kContract.forms[I], &Runner<L, L::kContract.forms[I]>::template Run<float>,
            &Runner<L, L::kContract.forms[I]>::template Run<double>}...}};
}
template <template <class, Form> class Runner, class L>
inline constexpr auto kFormsOf = FormsOf<Runner, L>(std::make_index_sequence<L::kContract.forms.size()>());

template <template <class, Form> class Runner, class... L>
std::span<const Loss> TableOf(Family family, Losses<L...>) {
  static const Loss kTable[] = {{&L::kContract, family, kFormsOf<Runner, L>}...};
  return kTable;
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_KERNEL_INL_H_
