// The elementwise family: one prediction, one target, one value, one slope. Add a loss: include it, name it in Members.
#include "core/simd/targets.h"
// Above Highway.
#include "core/losses/families.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/losses/elementwise/elementwise.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/losses/elementwise/binary_crossentropy-inl.h"
#include "core/losses/elementwise/huber-inl.h"
#include "core/losses/elementwise/log_cosh-inl.h"
#include "core/losses/elementwise/mean_absolute_error-inl.h"
#include "core/losses/elementwise/mean_squared_error-inl.h"
#include "core/losses/elementwise/smooth_l1-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

using ElementwiseMembers = Losses<BinaryCrossentropy, Huber, LogCosh, MeanAbsoluteError, MeanSquaredError, SmoothL1>;

std::span<const Loss> ElementwiseTable() { return TableOf<Elementwise>(Family::kElementwise, ElementwiseMembers()); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {

HWY_EXPORT(ElementwiseTable);
std::span<const Loss> ElementwiseLosses() { return HWY_DYNAMIC_DISPATCH(ElementwiseTable)(); }

}  // namespace lossd
#endif  // HWY_ONCE
