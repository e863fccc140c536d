// Squared logarithmic error: the squared distance of the orders of magnitude.
//
//   p, t      = max(prediction, floor), max(target, floor)
//   l         = log(1 + p) - log(1 + t)
//   value     = l^2
//   slope     = 2 l / (1 + p)                 0 where prediction < floor
//   curvature = 2 (1 - l) / (1 + p)^2         0 where prediction < floor
//
// l = sign(p - t) log1p(|p - t| / (1 + min(p, t))): the difference of two logarithms would lose the digits of p near t.
// Source: Tornqvist, Vartia, Vartia 1985, How should relative changes be measured?, Am. Statistician 39(1).

#if defined(LOSSD_CORE_LOSSES_REGRESSION_MEAN_SQUARED_LOGARITHMIC_ERROR_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_REGRESSION_MEAN_SQUARED_LOGARITHMIC_ERROR_INL_H_
#undef LOSSD_CORE_LOSSES_REGRESSION_MEAN_SQUARED_LOGARITHMIC_ERROR_INL_H_
#else
#define LOSSD_CORE_LOSSES_REGRESSION_MEAN_SQUARED_LOGARITHMIC_ERROR_INL_H_
#endif

#include "core/simd/residual-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct MeanSquaredLogarithmicError {
  static constexpr Contract kContract = {
      .name = "mean_squared_logarithmic_error",
      .aliases = {{"msle"}},
      .summary = "the squared distance of the orders of magnitude",
      .use =
          "Counts and prices over several orders of magnitude, where ratios matter and an underestimate should cost "
          "more than an overestimate.",
      .formula = "(log(1 + max(y_pred, floor)) - log(1 + max(y_true, floor)))^2",
      .gradient = "2 (log(1 + y_pred) - log(1 + max(y_true, floor))) / (1 + y_pred) if y_pred >= floor else 0",
      .tex = R"(\bigl(\log(1 + \max(\hat y, \epsilon)) - \log(1 + \max(y, \epsilon))\bigr)^2)",
      .source = "Tornqvist, Vartia, Vartia 1985, How should relative changes be measured?, Am. Statistician 39(1)",
      .notes =
          "Natural logarithm. Values below the floor count as the floor; predictions there get no gradient. At y_pred "
          "= floor the gradient jumps: it is that of the inside there.",
      .peers =
          "Keras: floor 1e-7 on both sides, as here; at the floor itself its TensorFlow and PyTorch backends pass the "
          "gradient, JAX half of it. XGBoost's reg:squaredlogerror has the factor 1/2 and no floor. PyTorch and optax "
          "have none. Keras subtracts two logarithms, which loses the digits of y_pred near y_true.",
      .params = {{"floor", 1e-7, kNonNegative, "what smaller predictions and targets count as"}},
      .examples = {{.origin = "by hand: log(e)^2",
                    .target = {0},
                    .prediction = {1.718281828459045},
                    .value = 1,
                    .gradient = {.73575888},
                    .params = {0}},
                   {.origin = "XGBoost's test of reg:squaredlogerror, to more digits and times 2",
                    .target = {1, 1, 1, 1, 1},
                    .prediction = {.1, .2, .4, .8, 1.6},
                    .value = .82550476,
                    .gradient = {-1.0869764, -.85137604, -.50953563, -.11706724, .20181866}}},
      .f64 = {.value_ulp = 6, .slope_ulp = 12},
      .tolerance_note =
          "f64: the square doubles the error of the logarithm; the second derivative is a difference around l = 1",
      .conventions = {{.convention = Convention::kKeras}},
      .curvature = true,
  };
  double floor;

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V prediction, V target) const {
    const V one = C(d, 1.0), bottom = C(d, floor);
    const V p = hn::Max(prediction, bottom), t = hn::Max(target, bottom);
    const V r = hn::Sub(p, t);
    const V ratio = hn::Div(Magnitude(d, r, hwy::HighestValue<double>()), hn::Add(one, hn::Min(p, t)));
    const V log = hn::CopySign(hn::Log1p(d, ratio), r);
    const V above = hn::Add(one, p);
    const auto inside = hn::Ge(prediction, bottom);
    const V slope = hn::Div(hn::Add(log, log), above);
    const V curvature = hn::Div(hn::Div(hn::Mul(C(d, 2.0), hn::Sub(one, log)), above), above);
    const V value = hn::IfThenElse(hn::IsInf(r), hn::Inf(d), hn::Mul(log, log));
    return Defined(r, {value, {hn::IfThenElseZero(inside, slope)}, hn::IfThenElseZero(inside, curvature)});
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_REGRESSION_MEAN_SQUARED_LOGARITHMIC_ERROR_INL_H_
