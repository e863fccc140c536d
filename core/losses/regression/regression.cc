// A residual between a prediction and a number. Add a loss: include it, name it in Members.
#include "core/simd/targets.h"
// Above Highway.
#include "core/losses/topics.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/losses/regression/regression.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/losses/regression/balanced_l1-inl.h"
#include "core/losses/regression/expectile-inl.h"
#include "core/losses/regression/half_squared_error-inl.h"
#include "core/losses/regression/huber-inl.h"
#include "core/losses/regression/log_cosh-inl.h"
#include "core/losses/regression/mean_absolute_error-inl.h"
#include "core/losses/regression/mean_absolute_percentage_error-inl.h"
#include "core/losses/regression/mean_squared_error-inl.h"
#include "core/losses/regression/mean_squared_logarithmic_error-inl.h"
#include "core/losses/regression/pinball-inl.h"
#include "core/losses/regression/quantile_huber-inl.h"
#include "core/losses/regression/smooth_l1-inl.h"
#include "core/simd/table-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

using RegressionMembers =
    Losses<BalancedL1, Expectile, HalfSquaredError, Huber, LogCosh, MeanAbsoluteError, MeanAbsolutePercentageError,
           MeanSquaredError, MeanSquaredLogarithmicError, Pinball, QuantileHuber, SmoothL1>;

std::span<const Loss> RegressionTable() { return TableOf(RegressionMembers()); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {

HWY_EXPORT(RegressionTable);
std::span<const Loss> RegressionLosses() { return HWY_DYNAMIC_DISPATCH(RegressionTable)(); }

}  // namespace lossd
#endif  // HWY_ONCE
