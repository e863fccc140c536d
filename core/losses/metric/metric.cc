// Distances between embeddings. Add a loss: include it, name it in Members.
#include "core/simd/targets.h"
// Above Highway.
#include "core/losses/topics.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/losses/metric/metric.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/losses/metric/circle-inl.h"
#include "core/losses/metric/contrastive-inl.h"
#include "core/losses/metric/cosine_embedding-inl.h"
#include "core/losses/metric/info_nce-inl.h"
#include "core/losses/metric/ntxent-inl.h"
#include "core/losses/metric/siglip-inl.h"
#include "core/losses/metric/supcon-inl.h"
#include "core/losses/metric/triplet_margin-inl.h"
#include "core/simd/table-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

using MetricMembers = Losses<Circle, Contrastive, CosineEmbedding, InfoNce, Ntxent, Siglip, Supcon, TripletMargin>;

std::span<const Loss> MetricTable() { return TableOf(MetricMembers()); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {

HWY_EXPORT(MetricTable);
std::span<const Loss> MetricLosses() { return HWY_DYNAMIC_DISPATCH(MetricTable)(); }

}  // namespace lossd
#endif  // HWY_ONCE
