// Residuals whose tails weigh less. Add a loss: include it, name it in Members.
#include "core/simd/targets.h"
// Above Highway.
#include "core/losses/topics.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/losses/robust/robust.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/losses/robust/cauchy-inl.h"
#include "core/losses/robust/charbonnier-inl.h"
#include "core/losses/robust/fair-inl.h"
#include "core/losses/robust/geman_mcclure-inl.h"
#include "core/losses/robust/general_robust-inl.h"
#include "core/losses/robust/pseudo_huber-inl.h"
#include "core/losses/robust/tukey-inl.h"
#include "core/losses/robust/welsch-inl.h"
#include "core/simd/table-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

using RobustMembers = Losses<Cauchy, Charbonnier, Fair, GemanMcclure, GeneralRobust, PseudoHuber, Tukey, Welsch>;

std::span<const Loss> RobustTable() { return TableOf(RobustMembers()); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {

HWY_EXPORT(RobustTable);
std::span<const Loss> RobustLosses() { return HWY_DYNAMIC_DISPATCH(RobustTable)(); }

}  // namespace lossd
#endif  // HWY_ONCE
