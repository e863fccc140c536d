// Absolute percentage error: the distance in percent of the target.
//
//   r     = prediction - target
//   base  = max(|target|, denominator_floor)
//   value = scale |r| / base
//   slope = scale sign(r) / base              0 at r = 0
//
// zero_target = skip leaves out items whose target is 0: value and slope 0.
// Source: Makridakis 1993, Accuracy measures: theoretical and practical concerns, Int. J. Forecasting 9(4).

#if defined(LOSSD_CORE_LOSSES_REGRESSION_MEAN_ABSOLUTE_PERCENTAGE_ERROR_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_REGRESSION_MEAN_ABSOLUTE_PERCENTAGE_ERROR_INL_H_
#undef LOSSD_CORE_LOSSES_REGRESSION_MEAN_ABSOLUTE_PERCENTAGE_ERROR_INL_H_
#else
#define LOSSD_CORE_LOSSES_REGRESSION_MEAN_ABSOLUTE_PERCENTAGE_ERROR_INL_H_
#endif

#include "core/simd/residual-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct MeanAbsolutePercentageError {
  static constexpr Contract kContract = {
      .name = "mean_absolute_percentage_error",
      .aliases = {{"mape"}},
      .summary = "the distance in percent of the target",
      .use =
          "Forecasts of positive quantities of several scales, where 10 % off counts the same for all. It prefers "
          "forecasts that are too low, and targets near 0 rule everything.",
      .formula = "scale |r| / max(|y_true|, denominator_floor), r = y_pred - y_true; skip: 0 where y_true = 0",
      .gradient = "scale sign(r) / max(|y_true|, denominator_floor); skip: 0 where y_true = 0",
      .tex = R"(s \, \frac{|\hat y - y|}{\max(|y|, \epsilon)})",
      .source = "Makridakis 1993, Accuracy measures: theoretical and practical concerns, Int. J. Forecasting 9(4)",
      .notes = "The factor 100 is a parameter, scale. The floor is on |y_true|: signs of the target do not matter.",
      .peers =
          "Keras: factor 100, floor 1e-7 on |y_true| (its documentation leaves the absolute value out). CatBoost "
          "floors at 1, scikit-learn at 2.2e-16 and without the factor. PyTorch and optax have none. A target of 0 "
          "and a prediction of .5 give 5e8 in Keras; zero_target = skip is for that.",
      .kinks_note = "r = 0: the gradient there is 0",
      .params = {{"denominator_floor", 1e-7, kPositive, "smallest denominator"},
                 {"scale", 100.0, kPositive, "100 for percent, 1 for a fraction"},
                 Choice("zero_target", {"floor", "skip"}, 0,
                        "what a target of 0 does: meet the floor, or count nothing")},
      .examples = {{.origin = "Keras docstring of MeanAbsolutePercentageError",
                    .target = {100, 200, 300},
                    .prediction = {90, 210, 310},
                    .value = 18.333333,
                    .gradient = {-1, .5, .33333333}},
                   {.origin = "by hand: a target of 0 left out, a quarter",
                    .target = {0, 4},
                    .prediction = {1, 5},
                    .value = 25,
                    .gradient = {0, 25},
                    .params = {1e-7, 100, 1}}},
      .kinks = {0},
      .conventions = {{.convention = Convention::kKeras}},
      .curvature = true,
  };
  static constexpr bool kNative = true;
  static constexpr bool kPassesNan = true;
  double denominator_floor, scale, zero_target;

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V prediction, V target) const {
    const V zero = hn::Zero(d), factor = C(d, scale);
    const V base = hn::Max(hn::Abs(target), C(d, denominator_floor));
    const V share = ScaledResidual(d, prediction, target, base);
    // Small ones are multiplied first: their quotient may be subnormal.
    const V r = hn::Sub(prediction, target);
    const V small = hn::Div(hn::Mul(factor, hn::Abs(r)), base);
    const V value = hn::IfThenElse(hn::Lt(hn::Abs(r), C(d, 1.0)), small, hn::Mul(factor, hn::Abs(share)));
    const V slope = hn::Div(hn::Mul(factor, Sign(d, r)), base);
    const auto skipped = hn::And(hn::Eq(target, zero), hn::Ne(C(d, zero_target), zero));
    return Defined(r, {hn::IfThenZeroElse(skipped, value), {hn::IfThenZeroElse(skipped, slope)}, zero});
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_REGRESSION_MEAN_ABSOLUTE_PERCENTAGE_ERROR_INL_H_
