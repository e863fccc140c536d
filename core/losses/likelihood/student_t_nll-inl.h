// Student t NLL: a centre and its scale, both predicted; the heavier the tails, the less an outlier pulls.
//
//   z = (p - t)/s, n = degrees of freedom
//   value     = ln s + c(n) + (n + 1)/2 ln(1 + z^2/n)
//   slope     = (n + 1) z / (s (n + z^2))                      with respect to the centre
//             = n (1 - z)(1 + z) / (s (n + z^2))               with respect to the scale
//   curvature = (n + 1) (n - z^2) / (s^2 (n + z^2)^2)
//
// c(n) = ln(n pi)/2 + lnGamma(n/2) - lnGamma((n + 1)/2) = ln(2 pi)/2 + HalfStepRest(n/2), exact for huge n too.
// Source: Lange, Little and Taylor 1989, Robust Statistical Modeling Using the t Distribution, JASA 84(408).

#if defined(LOSSD_CORE_LOSSES_LIKELIHOOD_STUDENT_T_NLL_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_LIKELIHOOD_STUDENT_T_NLL_INL_H_
#undef LOSSD_CORE_LOSSES_LIKELIHOOD_STUDENT_T_NLL_INL_H_
#else
#define LOSSD_CORE_LOSSES_LIKELIHOOD_STUDENT_T_NLL_INL_H_
#endif

#include "core/simd/elementwise-inl.h"
#include "core/simd/special-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct StudentTNll {
  static constexpr Contract kContract = {
      .name = "student_t_nll",
      .aliases = {{"StudentTNLLLoss"}, {"student_t"}},
      .summary = "a centre and its scale, both predicted; the heavier the tails, the less an outlier pulls",
      .use = "Regression and forecasting with outliers, where even laplace_nll would follow them too closely.",
      .formula =
          "log s + log(n pi)/2 + lgamma(n/2) - lgamma((n + 1)/2) + (n + 1)/2 log(1 + z^2/n), z = (p - t)/s, s = "
          "scale, n = df",
      .gradient = "y_pred: (n + 1) z/(s (n + z^2)); scale: n (1 - z^2)/(s (n + z^2))",
      .tex =
          "\\ln\\frac{s\\sqrt{\\nu\\pi}\\,\\Gamma(\\nu/2)}{\\Gamma((\\nu+1)/2)} + \\frac{\\nu+1}{2}\\ln\\left(1 + "
          "\\frac{z^2}{\\nu}\\right),\\quad z = \\frac{p-t}{s}",
      .source = "Lange, Little and Taylor 1989, Robust Statistical Modeling Using the t Distribution, JASA 84(408)",
      .notes =
          "The scale is not the standard deviation, which is s sqrt(n/(n - 2)) for n > 2. A scale that is not "
          "positive answers NaN. n = 1 is the Cauchy distribution; large n approach gaussian_nll with full.",
      .peers = "Neither Keras nor optax has it; PyTorch: minus torch.distributions.StudentT.log_prob.",
      .params = {{"df", 4, kPositive, "degrees of freedom n"}},
      .inputs = {{.name = "y_pred", .differentiable = true, .summary = "centre"},
                 {.name = "y_true"},
                 {.name = "scale", .differentiable = true, .domain = kPositive, .summary = "scale"}},
      .examples = {{.origin = "by hand: the density of n = 4 at 0 is 3/8; ln(8/3)",
                    .target = {1},
                    .prediction = {1},
                    .value = .980829253,
                    .gradient = {0},
                    .others = {{1}}},
                   {.origin = "by hand: Cauchy, ln 2 + ln pi + ln(1 + 1); slope 2 (1/2)(1/2)",
                    .target = {0},
                    .prediction = {2},
                    .value = 2.531024247,
                    .gradient = {.5},
                    .params = {1},
                    .others = {{2}}}},
      .f64 = {.value_ulp = 128, .slope_ulp = 8},
      .tolerance_note = "log s may cancel the rest, and does where the value changes sign",
      .curvature = true,
  };
  double df;

  template <class D, class V>
  HWY_INLINE Local<V, 3> operator()(D d, V p, V t, V scale) const {
    const V one = C(d, 1.0), half = C(d, 0.5), n = C(d, df);
    const V s = PositiveOrNan(d, scale);
    const V e = hn::Sub(p, t);
    const V z = hn::Div(e, s);
    const V distance = hn::Abs(z);
    // Beyond 2^300, ln(1 + z^2/n) = 2 ln|z| - ln n, and z^2 would overflow.
    const auto far = hn::Gt(distance, C(d, 0x1p300));
    const V square = hn::IfThenZeroElse(far, hn::Mul(z, z));
    const V scaled = hn::Div(square, n);
    const V log_far = hn::Sub(hn::Mul(C(d, 2.0), Ln(d, distance)), Ln(d, n));
    const V log = hn::IfThenElse(far, log_far, hn::Log1p(d, scaled));
    const V constant = hn::Add(HalfStepRest(d, hn::Mul(half, n)), C(d, kHalfLog2Pi));
    const V value = hn::MulAdd(hn::Mul(half, hn::Add(n, one)), log, hn::Add(Ln(d, s), constant));
    const V inside = hn::Div(hn::Sub(s, hn::Abs(e)), s);  // 1 - |z|
    // 1/(n + z^2) times what is asked, far out without z^2.
    const V sum = hn::Add(n, square);
    const V pull = hn::IfThenElse(far, hn::Div(one, z), hn::Div(z, sum));
    const V balance = hn::IfThenElse(far, C(d, -1.0), hn::Div(hn::Mul(inside, hn::Add(one, distance)), sum));
    const V bend = hn::Div(hn::Div(hn::Sub(n, square), sum), sum);
    const V strength = hn::Div(hn::Add(n, one), s);
    const V slope = hn::Mul(strength, pull);
    const V curvature =
        hn::IfThenElse(far, hn::Mul(hn::Neg(slope), hn::Div(pull, s)), hn::Mul(hn::Div(strength, s), bend));
    return {value, {slope, hn::Zero(d), hn::Div(hn::Mul(n, balance), s)}, curvature};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_LIKELIHOOD_STUDENT_T_NLL_INL_H_
