// CRPS of a normal forecast: how far its distribution is from the outcome, in the unit of the outcome.
//
//   e = p - t, z = e/s
//   value     = |e| erf(|z|/sqrt 2) + s (sqrt(2/pi) exp(-z^2/2) - 1/sqrt pi)
//   slope     = erf(z/sqrt 2)                                    with respect to the mean
//             = expm1(ln(2)/2 - z^2/2) / sqrt pi                 with respect to the scale: sqrt(2/pi) exp(-z^2/2) -
//                                                                1/sqrt pi without its cancellation near z^2 = ln 2
//   curvature = sqrt(2/pi) exp(-z^2/2) / s
//
// At s = 0, a forecast without doubt, the value is |e|.
// Source: Gneiting, Raftery, Westveld and Goldman 2005, Mon. Weather Rev. 133, equation 5.

#if defined(LOSSD_CORE_LOSSES_LIKELIHOOD_CRPS_NORMAL_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_LIKELIHOOD_CRPS_NORMAL_INL_H_
#undef LOSSD_CORE_LOSSES_LIKELIHOOD_CRPS_NORMAL_INL_H_
#else
#define LOSSD_CORE_LOSSES_LIKELIHOOD_CRPS_NORMAL_INL_H_
#endif

#include "core/simd/elementwise-inl.h"
#include "core/simd/special-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct CrpsNormal {
  static constexpr Contract kContract = {
      .name = "crps_normal",
      .aliases = {{"crps"}, {"crps_gaussian"}},
      .summary = "how far a normal forecast is from the outcome, in the unit of the outcome",
      .use =
          "Probabilistic regression and forecasting: a mean and a standard deviation, with less weight on outliers "
          "than gaussian_nll.",
      .formula = "s (z (2 Phi(z) - 1) + 2 phi(z) - 1/sqrt(pi)), z = (p - t)/s, s = scale",
      .gradient = "y_pred: 2 Phi(z) - 1; scale: 2 phi(z) - 1/sqrt(pi)",
      .tex = "s\\left(z\\,(2\\Phi(z)-1) + 2\\varphi(z) - \\tfrac{1}{\\sqrt\\pi}\\right),\\quad z = \\frac{p-t}{s}",
      .source = "Gneiting, Raftery, Westveld and Goldman 2005, Mon. Weather Rev. 133, equation 5",
      .notes =
          "Never negative. Scale 0 is the absolute error; there, with p = t, the gradient for the scale is the one "
          "of every larger scale, (sqrt 2 - 1)/sqrt(pi). A negative scale answers NaN.",
      .peers = "Neither Keras nor PyTorch nor optax has it. GluonTS and properscoring: the same value.",
      .kinks_note = "scale = 0 and y_pred = y_true: the gradient for y_pred there is 0",
      .inputs = {{.name = "y_pred", .differentiable = true, .summary = "mean"},
                 {.name = "y_true"},
                 {.name = "scale", .differentiable = true, .domain = kNonNegative, .summary = "standard deviation"}},
      .examples = {{.origin = "by hand: (sqrt 2 - 1)/sqrt pi",
                    .target = {1},
                    .prediction = {1},
                    .value = .233694977,
                    .gradient = {0},
                    .others = {{1}}},
                   {.origin = "by hand: 0.682689492 + 2 (0.241970725) - 0.564189584",
                    .target = {0},
                    .prediction = {1},
                    .value = .602441358,
                    .gradient = {.682689492},
                    .others = {{1}}}},
      .f64 = {.value_ulp = 8, .slope_ulp = 64},
      .tolerance_note = "exp(-z^2/2) is as exact as z; the slope for the scale has a zero at z^2 = log 2",
      .curvature = true,
  };

  template <class D, class V>
  HWY_INLINE Local<V, 3> operator()(D d, V p, V t, V s) const {
    const V zero = hn::Zero(d);
    const V e = hn::Sub(p, t);
    const V z = hn::IfThenZeroElse(hn::Eq(e, zero), hn::Div(e, s));
    const V tilt = Erf(d, hn::Mul(z, C(d, kSqrtHalf)));
    // z^2/2 and what rounding z and its square left of it; beyond 50 the exponential is 0.
    const auto far = hn::Gt(hn::Abs(z), C(d, 50.0));
    const V reach = hn::IfThenElse(far, C(d, 50.0), z);
    const Twofold<V> back = Product(d, z, s);
    const V rest = hn::Div(hn::Sub(hn::Sub(e, back.hi), back.lo), s);
    const Twofold<V> square = Product(d, reach, reach);
    const V gap = hn::IfThenZeroElse(hn::Or(far, hn::Eq(e, zero)), hn::Mul(reach, rest));
    const V lost = hn::MulAdd(C(d, 0.5), square.lo, gap);
    const V depth = hn::Mul(C(d, -0.5), square.hi);
    const V power = hn::Exp(d, depth);
    const V bell = hn::Mul(C(d, 2 * kSqrtHalf * kInverseSqrtPi), hn::NegMulAdd(power, lost, power));
    const V level = hn::Sub(hn::Add(depth, C(d, kLog2 / 2)), lost);
    const V spread = hn::Mul(C(d, kInverseSqrtPi), hn::Expm1(d, level));
    const V curvature = hn::IfThenZeroElse(hn::Eq(bell, zero), hn::Div(bell, s));
    return {hn::MulAdd(e, tilt, hn::Mul(s, spread)), {tilt, zero, spread}, curvature};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_LIKELIHOOD_CRPS_NORMAL_INL_H_
