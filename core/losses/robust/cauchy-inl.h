// Cauchy: r^2/2 in units of the scale near zero, a logarithm far away; an outlier pulls the less the farther it is.
//
//   z         = (prediction - target) / scale
//   value     = log(1 + z^2/2)
//   slope     = z / (1 + z^2/2) / scale
//   curvature = (1 - z^2/2) / (1 + z^2/2)^2 / scale^2
//
// Beyond |z| = 1 the slope is 1/(1/z + z/2), where z^2 would overflow.
// Source: Black and Anandan 1996, The Robust Estimation of Multiple Motions, CVIU 63(1) (Lorentzian).

#if defined(LOSSD_CORE_LOSSES_ROBUST_CAUCHY_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_ROBUST_CAUCHY_INL_H_
#undef LOSSD_CORE_LOSSES_ROBUST_CAUCHY_INL_H_
#else
#define LOSSD_CORE_LOSSES_ROBUST_CAUCHY_INL_H_
#endif

#include "core/simd/residual-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Cauchy {
  static constexpr Contract kContract = {
      .name = "cauchy",
      .aliases = {{"CauchyLoss"}, {"lorentzian"}},
      .summary = "r^2/2 in units of the scale near zero, a logarithm far away",
      .use =
          "Fits through data with gross outliers, bundle adjustment, optical flow. Not convex: start near the "
          "solution.",
      .formula = "log(1 + (r/scale)^2 / 2), r = y_pred - y_true",
      .gradient = "2 r / (r^2 + 2 scale^2)",
      .tex = R"(\ln\left(1 + \tfrac{1}{2} ((\hat y - y)/c)^2\right))",
      .source = "Black and Anandan 1996, The Robust Estimation of Multiple Motions, CVIU 63(1) (Lorentzian)",
      .notes = "general_robust with alpha = 0. The likelihood of a Cauchy variable has (r/scale)^2 without the 1/2.",
      .peers =
          "kornia's cauchy_loss is this loss at scale 1; Ceres has scale^2 log(1 + (r/scale)^2). Keras, PyTorch and "
          "optax have none.",
      .params = {{"scale", 1.0, kPositive, "distance at which the tails begin"}},
      .examples = {{.origin = "by hand: log 3, 2/3",
                    .target = {0},
                    .prediction = {2},
                    .value = 1.0986123,
                    .gradient = {.66666667}},
                   {.origin = "by hand: the same at twice the scale",
                    .target = {1},
                    .prediction = {-3},
                    .value = 1.0986123,
                    .gradient = {-.33333333},
                    .params = {2}}},
      .f64 = {.value_ulp = 4, .slope_ulp = 5},
      .tolerance_note = "f64: z^2 is rounded before its logarithm",
      .curvature = true,
  };
  double scale;

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V prediction, V target) const {
    const V c = C(d, scale);
    const V z = ScaledResidual(d, prediction, target, c);
    return Defined(z, OfResidual(d, At(d, z, ScaledResidualRest(d, prediction, target, c, z)), scale));
  }

  template <class D, class V>
  static HWY_INLINE ValueSlope<V> At(D d, V z, V rest) {
    constexpr double kLog2 = 0.693147180559945309417;
    const V one = C(d, 1.0), half = C(d, 0.5);
    const V size = Magnitude(d, z, hwy::HighestValue<double>());
    const V value = hn::IfThenElse(hn::IsInf(z), hn::Inf(d), Log1pSquare(d, size, 2.0, kLog2));
    const V q = hn::Mul(half, hn::Mul(size, size));
    const auto near = hn::Lt(size, one);
    const V pull = hn::Div(one, hn::Add(hn::Div(one, size), hn::Mul(half, size)));
    const V weight = hn::IfThenElse(near, hn::Div(one, hn::Add(one, q)), hn::Div(pull, size));
    const V slope = hn::IfThenElse(near, hn::Mul(size, weight), pull);
    // (1 - z^2/2) / (1 + z^2/2), with the roundings of z^2/2 put back: it is a difference around |z| = sqrt 2.
    const V above = hn::Sub(hn::Sub(one, q), HalfSquareRest(d, hn::CopySign(size, z), rest));
    const V fall = hn::IfThenElse(hn::Lt(size, C(d, 1e100)), hn::Mul(above, weight), C(d, -1.0));
    return {value, {hn::CopySign(slope, z)}, hn::Mul(fall, weight)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_ROBUST_CAUCHY_INL_H_
