// Distances between two distributions, or two directions. Add a loss: include it, name it in Members.
#include "core/simd/targets.h"
// Above Highway.
#include "core/losses/topics.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/losses/divergence/divergence.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/losses/divergence/cosine_distance-inl.h"
#include "core/losses/divergence/cosine_proximity-inl.h"
#include "core/losses/divergence/cosine_similarity-inl.h"
#include "core/losses/divergence/cross_entropy-inl.h"
#include "core/losses/divergence/entropy-inl.h"
#include "core/losses/divergence/generalized_kl_divergence-inl.h"
#include "core/losses/divergence/hellinger-inl.h"
#include "core/losses/divergence/js_divergence-inl.h"
#include "core/losses/divergence/kl_divergence-inl.h"
#include "core/losses/divergence/renyi-inl.h"
#include "core/losses/divergence/reverse_kl_divergence-inl.h"
#include "core/losses/divergence/total_variation-inl.h"
#include "core/losses/divergence/wasserstein_1-inl.h"
#include "core/simd/table-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

using DivergenceMembers =
    Losses<CosineDistance, CosineProximity, CosineSimilarity, CrossEntropy, Entropy, GeneralizedKlDivergence, Hellinger,
           JsDivergence, KlDivergence, Renyi, ReverseKlDivergence, TotalVariation, Wasserstein1>;

std::span<const Loss> DivergenceTable() { return TableOf(DivergenceMembers()); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {

HWY_EXPORT(DivergenceTable);
std::span<const Loss> DivergenceLosses() { return HWY_DYNAMIC_DISPATCH(DivergenceTable)(); }

}  // namespace lossd
#endif  // HWY_ONCE
