// Overlap of two masks. Add a loss: include it, name it in Members.
#include "core/simd/targets.h"
// Above Highway.
#include "core/losses/topics.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/losses/segmentation/segmentation.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/losses/segmentation/dice-inl.h"
#include "core/losses/segmentation/focal_tversky-inl.h"
#include "core/losses/segmentation/generalized_dice-inl.h"
#include "core/losses/segmentation/jaccard-inl.h"
#include "core/losses/segmentation/lovasz_hinge-inl.h"
#include "core/losses/segmentation/lovasz_softmax-inl.h"
#include "core/losses/segmentation/tversky-inl.h"
#include "core/simd/table-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

using SegmentationMembers = Losses<Dice, FocalTversky, GeneralizedDice, Jaccard, LovaszHinge, LovaszSoftmax, Tversky>;

std::span<const Loss> SegmentationTable() { return TableOf(SegmentationMembers()); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {

HWY_EXPORT(SegmentationTable);
std::span<const Loss> SegmentationLosses() { return HWY_DYNAMIC_DISPATCH(SegmentationTable)(); }

}  // namespace lossd
#endif  // HWY_ONCE
