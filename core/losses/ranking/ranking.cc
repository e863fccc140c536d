// The order of a list. Add a loss: include it, name it in Members.
#include "core/simd/targets.h"
// Above Highway.
#include "core/losses/topics.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/losses/ranking/ranking.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/losses/ranking/list_mle-inl.h"
#include "core/losses/ranking/pairwise_logistic-inl.h"
#include "core/losses/ranking/ranking_softmax-inl.h"
#include "core/losses/ranking/ranknet-inl.h"
#include "core/simd/table-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

using RankingMembers = Losses<ListMle, PairwiseLogistic, RankNet, RankingSoftmax>;

std::span<const Loss> RankingTable() { return TableOf(RankingMembers()); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {

HWY_EXPORT(RankingTable);
std::span<const Loss> RankingLosses() { return HWY_DYNAMIC_DISPATCH(RankingTable)(); }

}  // namespace lossd
#endif  // HWY_ONCE
