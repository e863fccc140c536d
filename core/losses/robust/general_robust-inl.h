// Barron's general robust loss: one family from the squared error to losses that forget outliers, by its shape alpha.
//
//   z         = (prediction - target) / scale,  b = |alpha - 2|,  q = z^2/b
//   value     = (b/alpha) ((1 + q)^(alpha/2) - 1)
//   slope     = z (1 + q)^(alpha/2 - 1) / scale
//   curvature = (1 + q)^(alpha/2 - 1) (1 + (alpha - 2) q/(1 + q)) / scale^2
//
// Limits are taken exactly: alpha = 2 is z^2/2, 0 cauchy, -inf welsch, inf exp(z^2/2) - 1; 1 and -2 are pseudo_huber
// and geman_mcclure in units of the scale. Other powers go through log1p and expm1, so that small z keep their digits.
// Source: Barron 2019, A General and Adaptive Robust Loss Function, equation 8.

#if defined(LOSSD_CORE_LOSSES_ROBUST_GENERAL_ROBUST_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_ROBUST_GENERAL_ROBUST_INL_H_
#undef LOSSD_CORE_LOSSES_ROBUST_GENERAL_ROBUST_INL_H_
#else
#define LOSSD_CORE_LOSSES_ROBUST_GENERAL_ROBUST_INL_H_
#endif

#include <cmath>

#include "core/losses/robust/cauchy-inl.h"
#include "core/losses/robust/geman_mcclure-inl.h"
#include "core/losses/robust/pseudo_huber-inl.h"
#include "core/losses/robust/welsch-inl.h"
#include "core/simd/residual-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct GeneralRobust {
  static constexpr Contract kContract = {
      .name = "general_robust",
      .aliases = {{"barron"}, {"adaptive_robust"}, {"general_robust_loss"}},
      .summary = "one family from the squared error to losses that forget outliers",
      .use =
          "Choosing robustness as a number: try alpha like any other setting, or lower it while training (graduated "
          "non-convexity).",
      .formula =
          "z = (y_pred - y_true)/scale, b = |alpha - 2|: (b/alpha) ((1 + z^2/b)^(alpha/2) - 1); alpha = 2: z^2/2; 0: "
          "log(1 + z^2/2); -inf: 1 - exp(-z^2/2); inf: exp(z^2/2) - 1",
      .gradient = "(z/scale) (1 + z^2/b)^(alpha/2 - 1)",
      .tex = R"(\frac{|\alpha - 2|}{\alpha} \left(\left(\frac{((\hat y - y)/c)^2}{|\alpha - 2|} + 1\right)^{\alpha/2} )"
             R"(- 1\right))",
      .source = "Barron 2019, A General and Adaptive Robust Loss Function, equation 8",
      .notes =
          "alpha = 2: squared error (halved), 1: pseudo_huber (Charbonnier, L1-L2), 0: cauchy, -2: geman_mcclure, "
          "-inf: welsch. alpha is not differentiated.",
      .peers =
          "robust_loss_pytorch (lossfun) guards alpha near 0 and 2 with an epsilon and limits the argument of expm1; "
          "here the limits are exact. kornia, Keras, PyTorch and optax have no general form.",
      .params = {{"alpha", 1.0, kExtendedReal, "shape: the smaller, the less outliers count"},
                 {"scale", 1.0, kPositive, "distance at which the tails begin"}},
      .examples = {{.origin = "by hand: 5/4 - 1, (3/4)/(5/4)",
                    .target = {0},
                    .prediction = {.75},
                    .value = .25,
                    .gradient = {.6}},
                   {.origin = "by hand: log 3, 2/3",
                    .target = {0},
                    .prediction = {2},
                    .value = 1.0986123,
                    .gradient = {.66666667},
                    .params = {0, 1}},
                   {.origin = "by hand: 1 - exp(-1/2)",
                    .target = {0},
                    .prediction = {2},
                    .value = .39346934,
                    .gradient = {.30326533},
                    .params = {-kInf, 2}},
                   {.origin = "by hand, b = 2: 1/2 (3^2 - 1), 2 3",
                    .target = {1},
                    .prediction = {3},
                    .value = 4,
                    .gradient = {6},
                    .params = {4, 1}}},
      .f64 = {.value_ulp = 1500, .slope_ulp = 1500},
      .tolerance_note =
          "f64: the power is taken through its logarithm, whose rounding counts as often as the exponent is large: 8 "
          "ulp while the power is between e^-2 and e^2, more towards the ends of the range",
      .curvature = true,
  };
  double alpha, scale;
  double b = std::abs(alpha - 2);
  double log_b = Scalar(b > 0 && b < kHuge ? b : 1.0, [](auto d, auto x) HWY_ATTR { return hn::Log(d, x); });

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V prediction, V target) const {
    const V c = C(d, scale);
    const V z = ScaledResidual(d, prediction, target, c);
    return Defined(z, OfResidual(d, At(d, z, ScaledResidualRest(d, prediction, target, c, z)), scale));
  }

 private:
  static constexpr double kHuge = 0x1p80;   // |alpha| from here on is infinite to the last bit
  static constexpr double kTiny = 0x1p-64;  // |alpha| up to here is 0 to the last bit

  template <class D, class V>
  HWY_INLINE ValueSlope<V> At(D d, V z, V rest) const {
    const V one = C(d, 1.0), half = C(d, 0.5);
    if (alpha == 2) return {hn::Mul(hn::Mul(half, z), z), {z}, one};
    if (alpha == 1) return PseudoHuber::At(d, z, 1.0);
    if (std::abs(alpha) < kTiny) return Cauchy::At(d, z, rest);
    if (alpha == -2) return GemanMcclure::At(d, z, rest);
    if (alpha < -kHuge) return Welsch::At(d, z, rest);
    if (alpha > kHuge) return Exponential(d, z, rest);
    return Power(d, z);
  }

  template <class D, class V>
  static HWY_INLINE ValueSlope<V> Exponential(D d, V z, V rest) {
    const V size = Magnitude(d, z, 1e100);
    const V square = hn::Mul(size, size);
    const V exponent = hn::Mul(C(d, 0.5), square);
    const V raw = ExpOf(d, exponent);
    const V more = hn::IfThenElseZero(hn::IsFinite(raw), hn::Mul(HalfSquareRest(d, hn::CopySign(size, z), rest), raw));
    const V growth = hn::Add(raw, more);
    const V value = hn::Add(Expm1Of(d, exponent), more);
    return {value, {hn::Mul(z, growth)}, hn::Mul(hn::Add(C(d, 1.0), square), growth)};
  }

  template <class D, class V>
  HWY_INLINE ValueSlope<V> Power(D d, V z) const {
    const V one = C(d, 1.0);
    const V size = Magnitude(d, z, hwy::HighestValue<double>());
    const V log = Log1pSquare(d, size, b, log_b);
    const V value = hn::Mul(C(d, b / alpha), Expm1Of(d, hn::Mul(C(d, 0.5 * alpha), log)));
    // Half of the power at a time: z brings back what one half alone would lose.
    const V root = ExpOf(d, hn::Mul(C(d, 0.25 * alpha - 0.5), log));
    const V slope = hn::Mul(hn::Mul(size, root), root);
    const V q = hn::Min(hn::Div(hn::Mul(size, size), C(d, b)), C(d, 1e300));
    const V fall = hn::MulAdd(C(d, alpha - 2), hn::Div(q, hn::Add(one, q)), one);
    const V at_infinity = alpha > 0 ? hn::Inf(d) : C(d, -b / alpha);
    return {
        hn::IfThenElse(hn::IsInf(z), at_infinity, value), {hn::CopySign(slope, z)}, hn::Mul(hn::Mul(fall, root), root)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_ROBUST_GENERAL_ROBUST_INL_H_
