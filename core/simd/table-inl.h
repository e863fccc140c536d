// From a list of losses to a table of the registry: which loop runs which loss.

#if defined(LOSSD_CORE_SIMD_TABLE_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_TABLE_INL_H_
#undef LOSSD_CORE_SIMD_TABLE_INL_H_
#else
#define LOSSD_CORE_SIMD_TABLE_INL_H_
#endif

#include "core/simd/elementwise-inl.h"
#include "core/simd/item-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// A loss with a loop of its own, a template like Items.
template <class L>
concept HasLoop = requires {
  &L::template Loop<L, Form{}>::template Run<double>;
};

template <class L>
constexpr Loss EntryOf() {
  if constexpr (L::kContract.family == Family::kElementwise) {
    return Entry<Elementwise, L>();
  } else if constexpr (HasLoop<L>) {
    return Entry<L::template Loop, L>();
  } else {
    return Entry<Items, L>();
  }
}

template <class... L>
std::span<const Loss> TableOf(Losses<L...>) {
  static constexpr std::array<Loss, sizeof...(L)> kTable = {EntryOf<L>()...};
  return kTable;
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_TABLE_INL_H_
