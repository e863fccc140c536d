// Overlap of two boxes. Add a loss: include it, name it in Members.
#include "core/simd/targets.h"
// Above Highway.
#include "core/losses/topics.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/losses/boxes/boxes.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/losses/boxes/alpha_iou-inl.h"
#include "core/losses/boxes/ciou-inl.h"
#include "core/losses/boxes/diou-inl.h"
#include "core/losses/boxes/eiou-inl.h"
#include "core/losses/boxes/extended_iou-inl.h"
#include "core/losses/boxes/focal_eiou-inl.h"
#include "core/losses/boxes/giou-inl.h"
#include "core/losses/boxes/iou-inl.h"
#include "core/losses/boxes/siou-inl.h"
#include "core/losses/boxes/wiou_v1-inl.h"
#include "core/losses/boxes/wiou_v2-inl.h"
#include "core/losses/boxes/wiou_v3-inl.h"
#include "core/simd/table-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

using BoxMembers = Losses<AlphaIou, Ciou, Diou, Eiou, ExtendedIou, FocalEiou, Giou, Iou, Siou, WiouV1, WiouV2, WiouV3>;

std::span<const Loss> BoxTable() { return TableOf(BoxMembers()); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {

HWY_EXPORT(BoxTable);
std::span<const Loss> BoxLosses() { return HWY_DYNAMIC_DISPATCH(BoxTable)(); }

}  // namespace lossd
#endif  // HWY_ONCE
