// Geman-McClure: r^2/2 in units of the scale near zero, at most 2; far outliers hardly pull at all.
//
//   z         = (prediction - target) / scale
//   w         = 1 / (1 + z^2/4)
//   value     = 2 (z^2/4) w
//   slope     = z w^2 / scale
//   curvature = w^2 (1 - 3 z^2/4) w / scale^2
//
// Source: Geman and McClure 1985, Bayesian image analysis: an application to single photon emission tomography.

#if defined(LOSSD_CORE_LOSSES_ROBUST_GEMAN_MCCLURE_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_ROBUST_GEMAN_MCCLURE_INL_H_
#undef LOSSD_CORE_LOSSES_ROBUST_GEMAN_MCCLURE_INL_H_
#else
#define LOSSD_CORE_LOSSES_ROBUST_GEMAN_MCCLURE_INL_H_
#endif

#include "core/simd/residual-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct GemanMcclure {
  static constexpr Contract kContract = {
      .name = "geman_mcclure",
      .aliases = {{"GemanMcClureLoss"}},
      .summary = "r^2/2 in units of the scale near zero, at most 2",
      .use = "Registration and flow with many wrong matches, which should neither pull nor count. Not convex.",
      .formula = "2 (r/scale)^2 / ((r/scale)^2 + 4), r = y_pred - y_true",
      .gradient = "16 (r/scale^2) / ((r/scale)^2 + 4)^2",
      .tex = R"(\frac{2 ((\hat y - y)/c)^2}{((\hat y - y)/c)^2 + 4})",
      .source = "Geman and McClure 1985, Bayesian image analysis: an application to single photon emission tomography",
      .notes =
          "general_robust with alpha = -2: half of scale-free r^2 near zero. Others write z^2/(1 + z^2), which is "
          "half of this loss at twice its z.",
      .peers = "kornia's geman_mcclure_loss is this loss at scale 1. Keras, PyTorch and optax have none.",
      .params = {{"scale", 1.0, kPositive, "distance at which the tails begin"}},
      .examples = {{.origin = "by hand: 8/8, 32/64", .target = {0}, .prediction = {2}, .value = 1, .gradient = {.5}},
                   {.origin = "by hand: the same at twice the scale",
                    .target = {1},
                    .prediction = {-3},
                    .value = 1,
                    .gradient = {-.25},
                    .params = {2}}},
      .f64 = {.value_ulp = 3, .slope_ulp = 8},
      .tolerance_note = "f64: far out the slope is z^-3, and so has three times the error of z",
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
    const V one = C(d, 1.0);
    const V size = Magnitude(d, z, 1e150);  // value 2 and slope 0 from here on
    const V half = hn::Mul(C(d, 0.5), size);
    const V q = hn::Mul(half, half);
    const V weight = hn::Div(one, hn::Add(one, q));
    const V slope = hn::Mul(hn::Mul(size, weight), weight);
    // 1 - 3 z^2/4, with the roundings of z^2 put back: it is a difference around |z| = 2/sqrt 3.
    const V back = hn::Mul(C(d, 1.5), HalfSquareRest(d, hn::CopySign(size, z), rest));
    const V fall = hn::Mul(hn::Sub(hn::NegMulAdd(C(d, 3.0), q, one), back), weight);
    return {hn::Mul(hn::Add(q, q), weight), {hn::CopySign(slope, z)}, hn::Mul(hn::Mul(fall, weight), weight)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_ROBUST_GEMAN_MCCLURE_INL_H_
