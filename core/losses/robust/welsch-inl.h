// Welsch: r^2/2 in units of the scale near zero, at most 1; outliers are forgotten exponentially.
//
//   z         = (prediction - target) / scale
//   value     = 1 - exp(-z^2/2)
//   slope     = z exp(-z^2/2) / scale
//   curvature = (1 - z^2) exp(-z^2/2) / scale^2
//
// exp makes a relative error of an absolute one, 700 ulp far out: what the roundings of z and z^2 left out is put back.
// Source: Dennis and Welsch 1978, Techniques for nonlinear least squares and robust regression, Comm. Statistics B
// 7(4).

#if defined(LOSSD_CORE_LOSSES_ROBUST_WELSCH_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_ROBUST_WELSCH_INL_H_
#undef LOSSD_CORE_LOSSES_ROBUST_WELSCH_INL_H_
#else
#define LOSSD_CORE_LOSSES_ROBUST_WELSCH_INL_H_
#endif

#include "core/simd/residual-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Welsch {
  static constexpr Contract kContract = {
      .name = "welsch",
      .aliases = {{"WelschLoss"}, {"leclerc"}, {"correntropy"}},
      .summary = "r^2/2 in units of the scale near zero, at most 1",
      .use = "Registration and regression where outliers should be forgotten (maximum correntropy). Not convex.",
      .formula = "1 - exp(-(r/scale)^2 / 2), r = y_pred - y_true",
      .gradient = "(r/scale^2) exp(-(r/scale)^2 / 2)",
      .tex = R"(1 - \exp\left(-\tfrac{1}{2} ((\hat y - y)/c)^2\right))",
      .source =
          "Dennis and Welsch 1978, Techniques for nonlinear least squares and robust regression, Comm. Statistics B "
          "7(4)",
      .notes = "general_robust with alpha = -inf. The robust statistics form is (scale^2/2) (1 - exp(-(r/scale)^2)).",
      .peers = "kornia's welsch_loss is this loss at scale 1. Keras, PyTorch and optax have none.",
      .params = {{"scale", 1.0, kPositive, "distance at which the tails begin"}},
      .examples = {{.origin = "by hand: 1 - exp(-1/2), exp(-1/2)",
                    .target = {0},
                    .prediction = {1},
                    .value = .39346934,
                    .gradient = {.60653066}},
                   {.origin = "by hand: the same at twice the scale",
                    .target = {1},
                    .prediction = {-1},
                    .value = .39346934,
                    .gradient = {-.30326533},
                    .params = {2}}},
      .f64 = {.value_ulp = 4, .slope_ulp = 6},
      .tolerance_note = "f64: exp of a square, whose roundings are put back",
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
    const V size = Magnitude(d, z, 40.0);  // exp(-z^2/2) is 0 from 38.7 on
    const V square = hn::Mul(size, size);
    const V exponent = hn::Mul(C(d, -0.5), square);
    const V signed_size = hn::CopySign(size, z);
    const V raw = hn::Exp(d, exponent);
    const V decay = hn::NegMulAdd(HalfSquareRest(d, signed_size, rest), raw, raw);
    // 1 - z^2, exact near its zero.
    const V fall =
        hn::NegMulAdd(hn::Add(signed_size, signed_size), rest, hn::Mul(hn::Sub(one, size), hn::Add(one, size)));
    return {hn::Neg(hn::Expm1(d, exponent)), {hn::CopySign(hn::Mul(size, decay), z)}, hn::Mul(fall, decay)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_ROBUST_WELSCH_INL_H_
