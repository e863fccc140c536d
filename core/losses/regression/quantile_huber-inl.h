// Quantile Huber: pinball with its corner rounded off over [-kappa, kappa].
//
//   r         = prediction - target
//   w         = 1 - tau if r > 0 else tau
//   q         = min(|r|, kappa)
//   value     = w (q / kappa) (|r| - q/2)     w r^2 / (2 kappa) while |r| <= kappa, then w (|r| - kappa/2)
//   slope     = w clamp(r / kappa, -1, 1)
//   curvature = w / kappa inside, 0 outside
//
// Source: Dabney et al. 2018, Distributional Reinforcement Learning with Quantile Regression, equation 10.

#if defined(LOSSD_CORE_LOSSES_REGRESSION_QUANTILE_HUBER_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_REGRESSION_QUANTILE_HUBER_INL_H_
#undef LOSSD_CORE_LOSSES_REGRESSION_QUANTILE_HUBER_INL_H_
#else
#define LOSSD_CORE_LOSSES_REGRESSION_QUANTILE_HUBER_INL_H_
#endif

#include "core/simd/residual-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct QuantileHuber {
  static constexpr Contract kContract = {
      .name = "quantile_huber",
      .summary = "pinball with its corner rounded off over [-kappa, kappa]",
      .use = "Quantile regression with a gradient that vanishes at the target: distributional reinforcement learning.",
      .formula = "w huber(r, kappa) / kappa, w = tau if y_pred < y_true else 1 - tau, r = y_pred - y_true",
      .gradient = "w clamp(r / kappa, -1, 1)",
      .tex = R"(\left|\tau - \mathbf 1[\hat y > y]\right| \frac{\mathcal L_\kappa(\hat y - y)}{\kappa})",
      .source = "Dabney et al. 2018, Distributional Reinforcement Learning with Quantile Regression, equation 10",
      .notes =
          "Divided by kappa as in the published QR-DQN agents, so that kappa near 0 is pinball; equation 10 of the "
          "paper does not divide. No difference at kappa = 1.",
      .peers = "Keras, PyTorch and optax have none.",
      .kinks_note =
          "none in the gradient; its own derivative jumps at r = 0 and |r| = kappa, where the smallest one is returned",
      .params = {{"tau", 0.5, kUnit, "the quantile"}, {"kappa", 1.0, kPositive, "half-width of the quadratic part"}},
      .examples = {{.origin = "by hand: 0.75 (3 - 0.5), 0.25 0.125",
                    .target = {0, 0},
                    .prediction = {3, -.5},
                    .value = 1.90625,
                    .gradient = {.75, -.125},
                    .params = {.25, 1}},
                   {.origin = "by hand: half of 4/4 and of 5 - 1",
                    .target = {0, 5},
                    .prediction = {2, 0},
                    .value = 2.5,
                    .gradient = {.5, -.5},
                    .params = {.5, 2}}},
      .kinks = {-1, 0, 1},
      .curvature = true,
  };
  double tau, kappa;

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V prediction, V target) const {
    const V zero = hn::Zero(d), limit = C(d, kappa), low = C(d, tau), high = C(d, 1.0 - tau);
    const V r = hn::Sub(prediction, target);
    const V distance = hn::Abs(r);
    const V weight = hn::IfThenElse(hn::Gt(r, zero), high, hn::IfThenElse(hn::Lt(r, zero), low, hn::Min(low, high)));
    const V q = hn::Min(distance, limit);
    const V pull = hn::Mul(weight, hn::Div(q, limit));
    const V curvature = hn::IfThenElseZero(hn::Lt(distance, limit), hn::Div(weight, limit));
    // Where r is beyond the largest number the value may not be: half of either is exact there.
    const V half = C(d, 0.5);
    const V halved = hn::Abs(hn::Sub(hn::Mul(half, prediction), hn::Mul(half, target)));
    const V beyond = hn::Mul(hn::Mul(pull, hn::NegMulAdd(C(d, 0.25), q, halved)), C(d, 2.0));
    const V value = hn::Mul(pull, hn::NegMulAdd(half, q, distance));
    return Defined(r, {hn::IfThenElse(hn::IsInf(r), beyond, value), {hn::CopySign(pull, r)}, curvature});
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_REGRESSION_QUANTILE_HUBER_INL_H_
