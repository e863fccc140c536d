// Negative binomial NLL: counts that scatter more than Poisson's; the mean and the dispersion are predicted.
//
//   m = mean, a = dispersion, r = 1/a:  variance m + a m^2
//   w = (t - m)/(1 + a m), D(v) = (v - ln(1 + v))/v^2 (LogDefect)
//   value     = R + w^2 (a D(a w) + D(-w/t)/t)          a sum of terms >= 0; the last is m/(1 + a m) at t = 0
//   slope     = (m - t) / (m (1 + a m))                 with respect to the mean
//             = r^2 (X(r) - X(r + t)) - w^2 D(a w)      with respect to the dispersion, X(x) = ln x - digamma(x)
//   curvature = ((t/m)(1/m + 2 a) - a) / (1 + a m)^2
//
// R = -ln pmf at m = t = G(t) + G(r) - G(r + t) + ln(1 + a t), with G = FactorialRest; for r >= 10 by what Stirling's
// formula leaves of G(r) and G(r + t), so that a may go to 0, which is the Poisson distribution.
// Source: Loader 2000, Fast and Accurate Computation of Binomial Probabilities, from whose saddle-point form this
// follows.

#if defined(LOSSD_CORE_LOSSES_LIKELIHOOD_NEGATIVE_BINOMIAL_NLL_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_LIKELIHOOD_NEGATIVE_BINOMIAL_NLL_INL_H_
#undef LOSSD_CORE_LOSSES_LIKELIHOOD_NEGATIVE_BINOMIAL_NLL_INL_H_
#else
#define LOSSD_CORE_LOSSES_LIKELIHOOD_NEGATIVE_BINOMIAL_NLL_INL_H_
#endif

#include "core/simd/elementwise-inl.h"
#include "core/simd/special-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct NegativeBinomialNll {
  static constexpr Contract kContract = {
      .name = "negative_binomial_nll",
      .aliases = {{"NegativeBinomialNLLLoss"}, {"negative_binomial"}, {"nb_nll"}},
      .summary = "counts that scatter more than Poisson's; the mean and the dispersion are predicted",
      .use = "Forecasts of counts such as demand, and models of sequencing data, where the variance exceeds the mean.",
      .formula =
          "lgamma(t + 1) + lgamma(r) - lgamma(t + r) + (r + t) log(1 + a m) - t log(a m), m = y_pred, a = alpha, r "
          "= 1/a",
      .gradient =
          "y_pred: (m - t)/(m (1 + a m)); alpha: -r^2 (digamma(r) - digamma(r + t) + log(1 + a m) + (t - m)/(r + m))",
      .tex =
          "-\\ln\\frac{\\Gamma(t+r)}{t!\\,\\Gamma(r)} + (r+t)\\ln(1+\\alpha\\mu) - "
          "t\\ln(\\alpha\\mu),\\quad r = 1/\\alpha",
      .source = "Salinas, Flunkert, Gasthaus and Januschowski 2020, DeepAR, Int. J. Forecasting 36(3), section 3.1",
      .notes =
          "The variance is m + alpha m^2; alpha = 0 is the Poisson distribution. t = 0 is fine with m = 0; t > 0 with "
          "m = 0 is infinite. Negative inputs answer NaN. t need not be an integer.",
      .peers =
          "Neither Keras nor optax has it. PyTorch's torch.distributions.NegativeBinomial takes total_count = 1/alpha "
          "and probs = alpha m/(1 + alpha m); GluonTS takes mu and alpha as here.",
      .inputs = {{.name = "y_pred", .differentiable = true, .domain = kNonNegative, .summary = "mean"},
                 {.name = "y_true", .domain = kNonNegative, .summary = "count"},
                 {.name = "alpha", .differentiable = true, .domain = kNonNegative, .summary = "dispersion"}},
      .target = kNonNegative,
      .examples = {{.origin = "by hand: alpha = 1 is geometric; ln 3 + 2 ln(3/2), slope (2 - 2)/6",
                    .target = {2},
                    .prediction = {2},
                    .value = 1.909542505,
                    .gradient = {0},
                    .others = {{1}}},
                   {.origin = "by hand: 2 ln(3/2), slope 1/(1 + 1/2)",
                    .target = {0},
                    .prediction = {1},
                    .value = .810930216,
                    .gradient = {.666666667},
                    .others = {{.5}}}},
      .f64 = {.value_ulp = 64, .slope_ulp = 512},
      .tolerance_note =
          "values to 4e-15; the slope for alpha is a difference of two parts >= 0, each to 1e-14, which at t = "
          "1 cancel to the mean where that is small",
      .curvature = true,
  };

  template <class D, class V>
  HWY_INLINE Local<V, 3> operator()(D d, V m, V t, V a) const {
    const V one = C(d, 1.0);
    const auto none = hn::Eq(t, hn::Zero(d));
    const V grown = hn::MulAdd(a, m, one), full = hn::MulAdd(a, t, one);
    const V w = hn::Div(hn::Sub(t, m), grown);
    const V stretch = hn::Div(full, grown);
    const V mean_part = LogDefect(d, hn::Mul(a, w), Ln(d, stretch));
    const V count = hn::IfThenElse(none, one, hn::Max(t, C(d, 1e-290)));
    const V v = hn::Neg(hn::Div(w, count));
    // ln(1 + v); a tiny mean is scaled, so that its ratio to the count keeps its digits.
    const auto tiny = hn::Lt(m, C(d, 1e-150));
    const V ratio = hn::Div(hn::IfThenElse(tiny, hn::Mul(m, C(d, 0x1p500)), m), count);
    const V log = hn::Sub(Ln(d, hn::Mul(ratio, stretch)), hn::IfThenElseZero(tiny, C(d, 500 * kLog2)));
    const V count_part = hn::IfThenElse(none, hn::Neg(w), hn::Mul(hn::Neg(w), hn::Mul(v, LogDefect(d, v, log))));
    const V value = hn::Add(hn::MulAdd(hn::Mul(a, w), hn::Mul(w, mean_part), count_part), AtMode(d, t, a, full));

    const V lead = hn::IfThenElse(none, one, hn::Div(hn::Sub(m, t), m));
    const V per_mean = hn::IfThenZeroElse(none, hn::Div(t, m));
    const V bend = hn::Mul(per_mean, hn::MulAdd(C(d, 2.0), a, hn::Div(one, m)));
    const V curved = hn::Div(hn::Div(hn::Sub(hn::IfThenZeroElse(none, bend), a), grown), grown);
    const V steep = hn::NegMulAdd(w, hn::Mul(w, mean_part), DigammaPart(d, t, a, full));
    return {value, {hn::Div(lead, grown), hn::Zero(d), steep}, curved};
  }

 private:
  static constexpr double kSmall = 0.1;  // dispersion up to which r >= 10, where the asymptotic series hold

  // R: the value at m = t.
  template <class D, class V>
  static HWY_INLINE V AtMode(D d, V t, V a, V full) {
    const auto small = hn::Le(a, C(d, kSmall));
    const V log = hn::Log1p(d, hn::Mul(a, t));
    const V rests = hn::Sub(StirlingRest(d, a), StirlingRest(d, hn::Div(a, full)));
    const V r = hn::Div(C(d, 1.0), hn::IfThenElse(small, C(d, 1.0), a));
    const V whole = hn::Sub(FactorialRest(d, r), FactorialRest(d, hn::Add(r, t)));
    const V rest = hn::IfThenElse(small, hn::MulAdd(C(d, -0.5), log, rests), whole);
    const V sum = hn::Add(FactorialRest(d, t), hn::Add(rest, log));
    return hn::IfThenZeroElse(hn::Eq(t, hn::Zero(d)), sum);
  }

  // r^2 (X(r) - X(r + t)) >= 0. The series for r >= 10; below it for r + 10, with digamma(x + 1) = digamma(x) + 1/x.
  // Every term holds the factor t, so that nothing is lost where t is small beside r.
  template <class D, class V>
  static HWY_INLINE V DigammaPart(D d, V t, V a, V full) {
    const V one = C(d, 1.0), ten = C(d, 10.0);
    const auto small = hn::Le(a, C(d, kSmall));
    const V shrink = hn::IfThenElse(small, one, hn::Div(one, hn::MulAdd(ten, a, one)));
    const V y = hn::Mul(a, shrink);  // 1/r or 1/(r + 10)
    const V grow = hn::MulAdd(y, t, one);
    const V y_then = hn::Div(y, grow);
    const V later = hn::Div(hn::Div(DigammaRest(d, hn::Mul(y_then, y_then)), grow), grow);
    const V series = hn::Add(hn::Div(t, hn::Add(grow, grow)), hn::Sub(DigammaRest(d, hn::Mul(y, y)), later));
    V steps = hn::Zero(d);
    for (int k = 0; k < 10; ++k) {
      const V ka = hn::Mul(C(d, k), a);
      steps = hn::Add(steps, hn::Div(hn::Div(t, hn::Add(one, ka)), hn::Add(full, ka)));
    }
    const V wide = hn::Div(one, hn::IfThenElse(small, one, a));
    const V jump = hn::Div(hn::Mul(hn::Mul(ten, a), hn::Mul(a, t)), hn::MulAdd(ten, a, full));
    const V fall = hn::Mul(hn::Mul(wide, wide), hn::Log1p(d, jump));
    const V shifted = hn::Add(hn::Mul(hn::Mul(shrink, shrink), series), hn::Sub(steps, fall));
    return hn::IfThenElse(small, series, shifted);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_LIKELIHOOD_NEGATIVE_BINOMIAL_NLL_INL_H_
