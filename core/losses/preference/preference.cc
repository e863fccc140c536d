// Policies trained on preferred completions. Add a loss: include it, name it in Members.
#include "core/simd/targets.h"
// Above Highway.
#include "core/losses/topics.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/losses/preference/preference.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/losses/preference/dpo-inl.h"
#include "core/losses/preference/ipo-inl.h"
#include "core/losses/preference/kto-inl.h"
#include "core/losses/preference/simpo-inl.h"
#include "core/simd/table-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

using PreferenceMembers = Losses<Dpo, Ipo, Kto, Simpo>;

std::span<const Loss> PreferenceTable() { return TableOf(PreferenceMembers()); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {

HWY_EXPORT(PreferenceTable);
std::span<const Loss> PreferenceLosses() { return HWY_DYNAMIC_DISPATCH(PreferenceTable)(); }

}  // namespace lossd
#endif  // HWY_ONCE
