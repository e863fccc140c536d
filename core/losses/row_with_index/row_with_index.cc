// The family of a row of predictions and a class index: one row makes one value.
// Add a loss: include it, name it in Members.
#include "core/simd/targets.h"
// Above Highway.
#include "core/losses/families.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/losses/row_with_index/row_with_index.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/losses/row_with_index/sparse_categorical_crossentropy-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

using RowWithIndexMembers = Losses<SparseCategoricalCrossentropy>;

std::span<const Loss> RowWithIndexTable() { return TableOf<Rows>(Family::kRowWithIndex, RowWithIndexMembers()); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {

HWY_EXPORT(RowWithIndexTable);
std::span<const Loss> RowWithIndexLosses() { return HWY_DYNAMIC_DISPATCH(RowWithIndexTable)(); }

}  // namespace lossd
#endif  // HWY_ONCE
