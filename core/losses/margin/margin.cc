// Scores that must clear a margin. Add a loss: include it, name it in Members.
#include "core/simd/targets.h"
// Above Highway.
#include "core/losses/topics.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/losses/margin/margin.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/losses/margin/categorical_hinge-inl.h"
#include "core/losses/margin/fenchel_young-inl.h"
#include "core/losses/margin/hinge-inl.h"
#include "core/losses/margin/hinge_embedding-inl.h"
#include "core/losses/margin/margin_ranking-inl.h"
#include "core/losses/margin/multi_margin-inl.h"
#include "core/losses/margin/multiclass_hinge-inl.h"
#include "core/losses/margin/multiclass_perceptron-inl.h"
#include "core/losses/margin/multiclass_sparsemax-inl.h"
#include "core/losses/margin/multilabel_margin-inl.h"
#include "core/losses/margin/multilabel_soft_margin-inl.h"
#include "core/losses/margin/perceptron-inl.h"
#include "core/losses/margin/soft_margin-inl.h"
#include "core/losses/margin/sparsemax-inl.h"
#include "core/losses/margin/squared_hinge-inl.h"
#include "core/simd/table-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

using MarginMembers = Losses<CategoricalHinge, FenchelYoung, Hinge, HingeEmbedding, MarginRanking, MultiMargin,
                             MulticlassHinge, MulticlassPerceptron, MulticlassSparsemax, MultilabelMargin,
                             MultilabelSoftMargin, Perceptron, SoftMargin, Sparsemax, SquaredHinge>;

std::span<const Loss> MarginTable() { return TableOf(MarginMembers()); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {

HWY_EXPORT(MarginTable);
std::span<const Loss> MarginLosses() { return HWY_DYNAMIC_DISPATCH(MarginTable)(); }

}  // namespace lossd
#endif  // HWY_ONCE
