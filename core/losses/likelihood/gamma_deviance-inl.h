// Gamma: positive amounts whose spread grows with their mean; the logarithm of the mean is predicted.
//
//   value     = x + t exp(-x)       NLL of a gamma distribution of mean exp(x), up to its shape and terms of t
//   slope     = 1 - t exp(-x)       near x = 0 as (1 - t) - t expm1(-x), for t near 1
//   curvature = t exp(-x)
//
// Source: McCullagh and Nelder 1989, Generalized Linear Models, chapter 8.

#if defined(LOSSD_CORE_LOSSES_LIKELIHOOD_GAMMA_DEVIANCE_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_LIKELIHOOD_GAMMA_DEVIANCE_INL_H_
#undef LOSSD_CORE_LOSSES_LIKELIHOOD_GAMMA_DEVIANCE_INL_H_
#else
#define LOSSD_CORE_LOSSES_LIKELIHOOD_GAMMA_DEVIANCE_INL_H_
#endif

#include "core/simd/elementwise-inl.h"
#include "core/simd/special-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct GammaDeviance {
  static constexpr Contract kContract = {
      .name = "gamma_deviance",
      .aliases = {{"gamma"}, {"gamma_nll"}},
      .summary = "positive amounts whose spread grows with their mean; the logarithm of the mean is predicted",
      .use = "Regression of positive, skewed amounts, such as the size of insurance claims.",
      .formula = "x + t exp(-x), x = y_pred the logarithm of the mean, t = y_true",
      .gradient = "1 - t exp(-x)",
      .tex = "x + t e^{-x}",
      .source = "McCullagh and Nelder 1989, Generalized Linear Models, chapter 8",
      .notes =
          "Half the gamma deviance up to the term -1 - log t, which has no gradient: the least value is 1 + log t, at "
          "x = log t, and may be negative. A negative t answers NaN; t = 0 is taken as the limit, the value x.",
      .peers =
          "Neither Keras nor PyTorch nor optax has it. XGBoost: reg:gamma; scikit-learn: HalfGammaLoss adds "
          "-1 - log t in its deviance.",
      .inputs = {{.name = "y_pred", .differentiable = true, .summary = "logarithm of the mean"},
                 {.name = "y_true", .domain = kNonNegative}},
      .target = kPositive,
      .examples = {{.origin = "by hand: 0 + 2, ln 2 + 1; slopes 1 - 2, 1 - 1",
                    .target = {2, 2},
                    .prediction = {0, .6931471805599453},
                    .value = 3.693147181,
                    .gradient = {-1, 0}}},
      .f64 = {.value_ulp = 64, .slope_ulp = 64},
      .tolerance_note = "x and t exp(-x) may cancel, as 1 and t exp(-x) do in the slope near its zero",
      .curvature = true,
  };

  template <class D, class V>
  HWY_INLINE Local<V> operator()(D d, V x, V t) const {
    const V part = hn::IfThenZeroElse(hn::Eq(t, hn::Zero(d)), hn::Mul(t, ExpOf(d, hn::Neg(x))));
    const V one = C(d, 1.0);
    const auto near = hn::Lt(hn::Abs(x), C(d, 0.5));
    const V close = hn::NegMulAdd(t, hn::Expm1(d, hn::Neg(hn::IfThenElseZero(near, x))), hn::Sub(one, t));
    return {hn::Add(x, part), {hn::IfThenElse(near, close, hn::Sub(one, part))}, part};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_LIKELIHOOD_GAMMA_DEVIANCE_INL_H_
