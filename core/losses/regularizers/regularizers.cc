// The size of a tensor of weights. Add a loss: include it, name it in Members.
#include "core/simd/targets.h"
// Above Highway.
#include "core/losses/topics.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/losses/regularizers/regularizers.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/losses/regularizers/l1-inl.h"
#include "core/losses/regularizers/l1_l2-inl.h"
#include "core/losses/regularizers/l2-inl.h"
#include "core/losses/regularizers/orthogonal_regularizer-inl.h"
#include "core/simd/table-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

using RegularizerMembers = Losses<L1, L1L2, L2, OrthogonalRegularizer>;

std::span<const Loss> RegularizerTable() { return TableOf(RegularizerMembers()); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {

HWY_EXPORT(RegularizerTable);
std::span<const Loss> RegularizerLosses() { return HWY_DYNAMIC_DISPATCH(RegularizerTable)(); }

}  // namespace lossd
#endif  // HWY_ONCE
