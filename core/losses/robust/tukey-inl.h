// Tukey's biweight: r^2/2 near zero, constant from the scale on; outliers do not pull at all.
//
//   z         = (prediction - target) / scale,  u = 1 - z^2
//   value     = scale^2/6 (1 - u^3)           r^2/2 (1 - z^2 + z^4/3)            scale^2/6 if |z| >= 1
//   slope     = r u^2                                                            0
//   curvature = u (1 - 5 z^2)                                                    0
//
// Source: Beaton and Tukey 1974, The Fitting of Power Series, Technometrics 16(2).

#if defined(LOSSD_CORE_LOSSES_ROBUST_TUKEY_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_ROBUST_TUKEY_INL_H_
#undef LOSSD_CORE_LOSSES_ROBUST_TUKEY_INL_H_
#else
#define LOSSD_CORE_LOSSES_ROBUST_TUKEY_INL_H_
#endif

#include "core/simd/residual-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Tukey {
  static constexpr Contract kContract = {
      .name = "tukey",
      .aliases = {{"tukey_biweight"}, {"bisquare"}, {"TukeyLoss"}},
      .summary = "r^2/2 near zero, constant from the scale on",
      .use = "Robust regression that discards outliers altogether. Not convex: start from a fit by huber or pinball.",
      .formula = "scale^2/6 (1 - (1 - (r/scale)^2)^3) if |r| < scale else scale^2/6, r = y_pred - y_true",
      .gradient = "r (1 - (r/scale)^2)^2 if |r| < scale else 0",
      .tex = R"(\frac{c^2}{6} \left(1 - \max(0, 1 - ((\hat y - y)/c)^2)^3\right))",
      .source = "Beaton and Tukey 1974, The Fitting of Power Series, Technometrics 16(2)",
      .notes = "4.685 gives 95 % efficiency for normal errors of variance 1: divide by their standard deviation first.",
      .peers = "Ceres and statsmodels have it; Keras, PyTorch and optax do not.",
      .params = {{"scale", 4.685, kPositive, "distance from which on nothing pulls"}},
      .examples = {{.origin = "by hand: 4/6 (1 - 27/64), 9/16; 4/6",
                    .target = {0, 0},
                    .prediction = {1, -5},
                    .value = 1.0520833,
                    .gradient = {.5625, 0},
                    .params = {2}},
                   {.origin = "by hand: 9/6 (1 - (8/9)^3), (8/9)^2",
                    .target = {1},
                    .prediction = {0},
                    .value = .44650206,
                    .gradient = {-.79012346},
                    .params = {3}}},
      .f64 = {.value_ulp = 3, .slope_ulp = 10},
      .tolerance_note = "f64: the second derivative is a difference around its change of sign; 4 for the slope",
      .curvature = true,
  };
  double scale;

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V prediction, V target) const {
    const V one = C(d, 1.0), c = C(d, scale);
    const V r = hn::Sub(prediction, target);
    const V distance = hn::Min(hn::Abs(r), c);
    const V z = hn::Div(distance, c);
    const V q = hn::Mul(z, z);
    // 1 - z^2 from |r| - scale, which is exact near the edge.
    const V u = hn::Mul(hn::Div(hn::Sub(c, distance), c), hn::Add(one, z));
    const V value =
        hn::Mul(hn::Mul(hn::Mul(C(d, 0.5), distance), distance), hn::MulAdd(q, hn::MulSub(q, C(d, 1.0 / 3), one), one));
    // 1 - 5 z^2, with the roundings of z^2 put back: it is a difference around z^2 = 1/5.
    const V signed_z = hn::CopySign(z, r);
    const V rest = ScaledResidualRest(d, prediction, target, c, signed_z);
    const V back = hn::IfThenElseZero(hn::Lt(distance, c), HalfSquareRest(d, signed_z, rest));
    const V fall = hn::NegMulAdd(C(d, 10.0), back, hn::Sub(hn::Sub(one, q), hn::Mul(C(d, 4.0), q)));
    const V slope = hn::Mul(hn::Mul(distance, u), u);
    return Defined(r, {value, {hn::CopySign(slope, r)}, hn::Mul(u, fall)});
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_ROBUST_TUKEY_INL_H_
