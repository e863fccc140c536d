// Huber: quadratic near zero, linear in the tails.
//
//   r     = prediction - target
//   q     = min(|r|, delta)
//   value = q (|r| - q/2)                r^2/2 while |r| <= delta, then delta (|r| - delta/2)
//   slope = clamp(r, -delta, delta)
//   curvature = 1 inside, 0 from |r| = delta on
//
// A large r is never squared, so the tail cannot overflow.
// Source: Huber 1964, Robust Estimation of a Location Parameter, Ann. Math. Stat. 35(1).

#if defined(LOSSD_CORE_LOSSES_REGRESSION_HUBER_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_REGRESSION_HUBER_INL_H_
#undef LOSSD_CORE_LOSSES_REGRESSION_HUBER_INL_H_
#else
#define LOSSD_CORE_LOSSES_REGRESSION_HUBER_INL_H_
#endif

#include "core/simd/elementwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Huber {
  static constexpr Contract kContract = {
      .name = "huber",
      .aliases = {{"HuberLoss"}},
      .summary = "quadratic near zero, linear in the tails",
      .use =
          "Regression with outliers: the squared error for errors below delta, the absolute error for those above. "
          "Its gradient is the residual, clipped.",
      .formula = "r^2/2 if |r| <= delta else delta (|r| - delta/2), r = y_pred - y_true",
      .gradient = "clamp(r, -delta, delta)",
      .tex = R"(\begin{cases} \frac{1}{2} r^2 & |r| \le \delta \\ )"
             R"(\delta (|r| - \frac{1}{2} \delta) & |r| > \delta \end{cases},\ r = \hat y - y)",
      .source = "Huber 1964, Robust Estimation of a Location Parameter, Ann. Math. Stat. 35(1)",
      .notes = "smooth_l1 with beta = delta is this loss divided by delta.",
      .peers =
          "Keras (Huber), PyTorch (HuberLoss) and optax (huber_loss) agree, all with delta = 1; Keras averages the "
          "last axis. PyTorch's weight multiplies and does not enter the divisor, unlike in its mse_loss.",
      .kinks_note = "none in the gradient; its own derivative jumps at |r| = delta, where it is 0",
      .params = {{"delta", 1.0, kPositive, "distance at which the loss turns linear"}},
      .examples = {{.origin = "Keras docstring of Huber",
                    .target = {0, 1, 0, 0},
                    .prediction = {.6, .4, .4, .6},
                    .value = .62,
                    .gradient = {.6, -.6, .4, .6}},
                   {.origin = "by hand: 1.5 (4 - 0.75)",
                    .target = {0},
                    .prediction = {4},
                    .value = 4.875,
                    .gradient = {1.5},
                    .params = {1.5}}},
      .kinks = {-1, 1},
      .kinks_scaled = true,
      .conventions = {{.convention = Convention::kKeras},
                      {.convention = Convention::kTorch},
                      {.convention = Convention::kOptax}},
      .curvature = true,
  };
  static constexpr bool kNative = true;
  static constexpr bool kPassesNan = true;
  double delta;

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V prediction, V target) const {
    const V limit = C(d, delta);
    const V r = hn::Sub(prediction, target);
    const V distance = hn::Abs(r);
    const V q = hn::Min(limit, distance);
    return {hn::Mul(q, hn::NegMulAdd(C(d, 0.5), q, distance)),
            {hn::CopySign(q, r)},
            hn::IfThenElseZero(hn::Lt(distance, limit), C(d, 1.0))};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_REGRESSION_HUBER_INL_H_
