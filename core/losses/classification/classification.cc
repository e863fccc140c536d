// Cross-entropies and their focal kin. Add a loss: include it, name it in Members.
#include "core/simd/targets.h"
// Above Highway.
#include "core/losses/topics.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/losses/classification/classification.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/losses/classification/adaptive_log_softmax-inl.h"
#include "core/losses/classification/asymmetric-inl.h"
#include "core/losses/classification/binary_crossentropy-inl.h"
#include "core/losses/classification/binary_focal_crossentropy-inl.h"
#include "core/losses/classification/categorical_crossentropy-inl.h"
#include "core/losses/classification/categorical_focal_crossentropy-inl.h"
#include "core/losses/classification/distribution_focal-inl.h"
#include "core/losses/classification/generalized_cross_entropy-inl.h"
#include "core/losses/classification/linear_cross_entropy-inl.h"
#include "core/losses/classification/nll-inl.h"
#include "core/losses/classification/poly1_cross_entropy-inl.h"
#include "core/losses/classification/quality_focal-inl.h"
#include "core/losses/classification/sparse_categorical_crossentropy-inl.h"
#include "core/losses/classification/varifocal-inl.h"
#include "core/simd/table-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

using ClassificationMembers =
    Losses<AdaptiveLogSoftmax, Asymmetric, BinaryCrossentropy, BinaryFocalCrossentropy, CategoricalCrossentropy,
           CategoricalFocalCrossentropy, DistributionFocal, GeneralizedCrossEntropy, LinearCrossEntropy, Nll,
           Poly1CrossEntropy, QualityFocal, SparseCategoricalCrossentropy, Varifocal>;

std::span<const Loss> ClassificationTable() { return TableOf(ClassificationMembers()); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {

HWY_EXPORT(ClassificationTable);
std::span<const Loss> ClassificationLosses() { return HWY_DYNAMIC_DISPATCH(ClassificationTable)(); }

}  // namespace lossd
#endif  // HWY_ONCE
