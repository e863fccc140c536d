// The family of a row of predictions and a row of targets: one row makes one value.
// Add a loss: include it, name it in Members.
#include "core/simd/targets.h"
// Above Highway.
#include "core/losses/families.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/losses/row_with_row/row_with_row.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/losses/row_with_row/categorical_crossentropy-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

using RowWithRowMembers = Losses<CategoricalCrossentropy>;

std::span<const Loss> RowWithRowTable() { return TableOf<Rows>(Family::kRowWithRow, RowWithRowMembers()); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {

HWY_EXPORT(RowWithRowTable);
std::span<const Loss> RowWithRowLosses() { return HWY_DYNAMIC_DISPATCH(RowWithRowTable)(); }

}  // namespace lossd
#endif  // HWY_ONCE
