// Negative log-likelihoods of a distribution whose parameters are predicted. Add a loss: include it, name it in
// Members.
#include "core/simd/targets.h"
// Above Highway.
#include "core/losses/topics.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/losses/likelihood/likelihood.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/simd/table-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

using LikelihoodMembers = Losses<>;

std::span<const Loss> LikelihoodTable() { return TableOf(LikelihoodMembers()); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {

HWY_EXPORT(LikelihoodTable);
std::span<const Loss> LikelihoodLosses() { return HWY_DYNAMIC_DISPATCH(LikelihoodTable)(); }

}  // namespace lossd
#endif  // HWY_ONCE
