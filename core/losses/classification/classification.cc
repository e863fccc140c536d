// Cross-entropies and their focal kin. Add a loss: include it, name it in Members.
#include "core/simd/targets.h"
// Above Highway.
#include "core/losses/topics.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/losses/classification/classification.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/losses/classification/binary_crossentropy-inl.h"
#include "core/losses/classification/categorical_crossentropy-inl.h"
#include "core/losses/classification/sparse_categorical_crossentropy-inl.h"
#include "core/simd/table-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

using ClassificationMembers = Losses<BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy>;

std::span<const Loss> ClassificationTable() { return TableOf(ClassificationMembers()); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {

HWY_EXPORT(ClassificationTable);
std::span<const Loss> ClassificationLosses() { return HWY_DYNAMIC_DISPATCH(ClassificationTable)(); }

}  // namespace lossd
#endif  // HWY_ONCE
