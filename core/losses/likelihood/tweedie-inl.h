// Tweedie: amounts that are often exactly 0 and else positive; the logarithm of the mean is predicted.
//
//   a = power - 1, b = 2 - power                 both exact and positive
//   value     = t exp(-a x)/a + exp(b x)/b       NLL up to the dispersion and terms of t: a sum of positive terms
//   slope     = exp(b x) - t exp(-a x)           near x = 0 as expm1(b x) - t expm1(-a x) + (1 - t), for t near 1
//   curvature = b exp(b x) + a t exp(-a x)
//
// Source: Jorgensen 1987, Exponential Dispersion Models, J. R. Statist. Soc. B 49(2).

#if defined(LOSSD_CORE_LOSSES_LIKELIHOOD_TWEEDIE_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_LIKELIHOOD_TWEEDIE_INL_H_
#undef LOSSD_CORE_LOSSES_LIKELIHOOD_TWEEDIE_INL_H_
#else
#define LOSSD_CORE_LOSSES_LIKELIHOOD_TWEEDIE_INL_H_
#endif

#include "core/simd/elementwise-inl.h"
#include "core/simd/special-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Tweedie {
  static constexpr Contract kContract = {
      .name = "tweedie",
      .summary = "amounts that are often exactly 0 and else positive; the logarithm of the mean is predicted",
      .use =
          "Regression of totals of a random number of amounts, such as rainfall or the claims of a policy in a year.",
      .formula =
          "-t exp((1 - rho) x)/(1 - rho) + exp((2 - rho) x)/(2 - rho), x = y_pred the logarithm of the mean, rho = "
          "power",
      .gradient = "exp((2 - rho) x) - t exp((1 - rho) x)",
      .tex = "-\\frac{t\\,e^{(1-\\rho)x}}{1-\\rho} + \\frac{e^{(2-\\rho)x}}{2-\\rho}",
      .source = "Jorgensen 1987, Exponential Dispersion Models, J. R. Statist. Soc. B 49(2)",
      .notes =
          "The compound Poisson-gamma range, 1 < power < 2; the ends are poisson_nll and gamma_deviance. Terms of t "
          "alone are left out. A negative t answers NaN.",
      .peers =
          "Neither Keras nor PyTorch nor optax has it. XGBoost: reg:tweedie (tweedie_variance_power), the same "
          "value, gradient and Hessian; LightGBM and CatBoost the same.",
      .params = {{"power", 1.5, {1, 2, true, true}, "the variance is proportional to this power of the mean"}},
      .inputs = {{.name = "y_pred", .differentiable = true, .summary = "logarithm of the mean"},
                 {.name = "y_true", .domain = kNonNegative}},
      .target = kNonNegative,
      .examples = {{.origin = "by hand: 2 + 2, and 2; slopes 1 - 1, 1",
                    .target = {1, 0},
                    .prediction = {0, 0},
                    .value = 6,
                    .gradient = {0, 1}},
                   {.origin = "by hand: 4 (4/e^(1/4)) + (4/3) e^(3/4)",
                    .target = {4},
                    .prediction = {1},
                    .value = 15.283479206,
                    .gradient = {-.998203115},
                    .params = {1.25}}},
      .f64 = {.value_ulp = 8, .slope_ulp = 64},
      .tolerance_note = "the two parts of the slope cancel near its zero",
      .curvature = true,
  };
  double power;

  template <class D, class V>
  HWY_INLINE Local<V> operator()(D d, V x, V t) const {
    const V a = C(d, power - 1), b = C(d, 2 - power);
    const V decay = ExpOfProduct(d, hn::Neg(a), x);
    const V some = hn::IfThenZeroElse(hn::Eq(t, hn::Zero(d)), hn::Mul(t, decay));
    const V mean = ExpOfProduct(d, b, x);
    const auto near = hn::Lt(hn::Abs(x), C(d, 0.5));
    const V small = hn::IfThenElseZero(near, x);
    const V rise = hn::Expm1(d, hn::Mul(b, small)), fall = hn::Expm1(d, hn::Mul(hn::Neg(a), small));
    const V close = hn::Add(hn::NegMulAdd(t, fall, rise), hn::Sub(C(d, 1.0), t));
    return {hn::Add(hn::Div(some, a), hn::Div(mean, b)),
            {hn::IfThenElse(near, close, hn::Sub(mean, some))},
            hn::MulAdd(b, mean, hn::Mul(a, some))};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_LIKELIHOOD_TWEEDIE_INL_H_
