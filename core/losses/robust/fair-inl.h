// Fair: r^2/2 near zero, scale |r| minus a logarithm far away; convex, with three continuous derivatives.
//
//   z         = |prediction - target| / scale
//   value     = scale^2 (z - log(1 + z))
//   slope     = r / (1 + z)
//   curvature = 1 / (1 + z)^2
//
// (z - log(1 + z)) / z below z = 1: with s = z/(2 + z), log(1 + z) is 2 atanh(s), and the quotient s - 2 s^2/(2 + z)
// (1/3 + s^2/5 + ...). It is multiplied by scale |r|, so that nothing is squared. Source: Fair 1974, On the Robust
// Estimation of Econometric Models, Annals of Economic and Social Measurement 3(4).

#if defined(LOSSD_CORE_LOSSES_ROBUST_FAIR_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_ROBUST_FAIR_INL_H_
#undef LOSSD_CORE_LOSSES_ROBUST_FAIR_INL_H_
#else
#define LOSSD_CORE_LOSSES_ROBUST_FAIR_INL_H_
#endif

#include "core/simd/residual-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Fair {
  static constexpr Contract kContract = {
      .name = "fair",
      .aliases = {{"FairLoss"}},
      .summary = "r^2/2 near zero, scale |r| minus a logarithm far away",
      .use = "Convex robust regression and boosting, softer than huber: the pull keeps growing, towards scale.",
      .formula = "scale^2 (|r|/scale - log(1 + |r|/scale)), r = y_pred - y_true",
      .gradient = "scale r / (scale + |r|)",
      .tex = R"(c^2 \left(\frac{|\hat y - y|}{c} - \ln\left(1 + \frac{|\hat y - y|}{c}\right)\right))",
      .source =
          "Fair 1974, On the Robust Estimation of Econometric Models, Annals of Economic and Social Measurement 3(4)",
      .peers = "LightGBM has it (objective fair, fair_c = 1); Keras, PyTorch and optax do not.",
      .params = {{"scale", 1.0, kPositive, "the largest pull"}},
      .examples = {{.origin = "by hand: 1 - log 2, 1/2",
                    .target = {0},
                    .prediction = {1},
                    .value = .30685282,
                    .gradient = {.5}},
                   {.origin = "by hand: 4 (1 - log 2)",
                    .target = {1},
                    .prediction = {-1},
                    .value = 1.2274113,
                    .gradient = {-1},
                    .params = {2}}},
      .f64 = {.value_ulp = 5, .slope_ulp = 5},
      .tolerance_note = "f64: z - log(1 + z) loses a third of its size at z = 1",
      .curvature = true,
  };
  double scale;

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V prediction, V target) const {
    const V one = C(d, 1.0), two = C(d, 2.0), c = C(d, scale);
    const V r = hn::Sub(prediction, target);
    const V distance = hn::Abs(r);
    const V z = Magnitude(d, hn::Div(distance, c), 1e300);
    const V small = hn::Min(z, one);
    const V sum = hn::Add(two, small);
    const V s = hn::Div(small, sum);
    const V square = hn::Mul(s, s);
    const V near = hn::NegMulAdd(hn::Mul(hn::Div(two, sum), square), AtanhTail(d, square), s);
    const V far = hn::Div(hn::Sub(z, hn::Log1p(d, z)), z);
    const V value = hn::Mul(distance, hn::Mul(c, hn::IfThenElse(hn::Lt(z, one), near, far)));
    const V above = hn::Add(one, z);
    const V size = hn::IfThenElse(hn::Ge(z, C(d, 1e300)), c, hn::Div(distance, above));
    const V inverse = hn::Div(one, above);
    return Defined(r, {value, {hn::CopySign(size, r)}, hn::Mul(inverse, inverse)});
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_ROBUST_FAIR_INL_H_
