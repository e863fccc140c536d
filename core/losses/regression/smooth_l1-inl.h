// Smooth L1: the absolute error with its kink rounded off over [-beta, beta].
//
//   r     = prediction - target
//   value = r^2 / (2 beta)   if |r| < beta   else |r| - beta/2
//   slope = clamp(r / beta, -1, 1)
//   curvature = 1/beta if |r| < beta else 0
//
// beta = 0 is the absolute error: no division is used then, and the slope at r = 0 is 0.
// Source: Girshick 2015, Fast R-CNN, equation 3 (beta = 1).

#if defined(LOSSD_CORE_LOSSES_REGRESSION_SMOOTH_L1_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_REGRESSION_SMOOTH_L1_INL_H_
#undef LOSSD_CORE_LOSSES_REGRESSION_SMOOTH_L1_INL_H_
#else
#define LOSSD_CORE_LOSSES_REGRESSION_SMOOTH_L1_INL_H_
#endif

#include "core/simd/elementwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct SmoothL1 {
  static constexpr Contract kContract = {
      .name = "smooth_l1",
      .aliases = {{"SmoothL1Loss"}},
      .summary = "the absolute error with its kink rounded off over [-beta, beta]",
      .use = "Box regression in detectors, and wherever the pull of large errors should be 1 whatever beta is.",
      .formula = "r^2 / (2 beta) if |r| < beta else |r| - beta/2, r = y_pred - y_true",
      .gradient = "clamp(r / beta, -1, 1)",
      .tex = R"(\begin{cases} r^2 / (2 \beta) & |r| < \beta \\ )"
             R"(|r| - \frac{1}{2} \beta & |r| \ge \beta \end{cases},\ r = \hat y - y)",
      .source = "Girshick 2015, Fast R-CNN, equation 3",
      .notes = "huber with delta = beta is this loss times beta. beta = 0 is the absolute error.",
      .peers =
          "PyTorch: SmoothL1Loss, beta = 1. Keras and optax have huber alone, which is beta times this loss with "
          "delta = beta.",
      .kinks_note = "beta = 0: r = 0, where the gradient is 0 (PyTorch gives -1 on CPU, NaN on CUDA)",
      .params = {{"beta", 1.0, kNonNegative, "half-width of the quadratic part; 0: none"}},
      .examples = {{.origin = "by hand: 0.5^2/2, 3 - 0.5",
                    .target = {0, 0},
                    .prediction = {.5, -3},
                    .value = 2.625,
                    .gradient = {.5, -1}},
                   {.origin = "by hand: |r|",
                    .target = {0, 1},
                    .prediction = {.5, 1},
                    .value = .5,
                    .gradient = {1, 0},
                    .params = {0}}},
      .kinks = {-1, 0, 1},
      .kinks_scaled = true,
      .conventions = {{.convention = Convention::kTorch}},
      .curvature = true,
  };
  static constexpr bool kNative = true;
  double beta;

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V prediction, V target) const {
    const V width = C(d, beta);
    const V half = C(d, 0.5);
    const V r = hn::Sub(prediction, target);
    const V distance = hn::Abs(r);
    const V u = hn::Div(r, width);  // NaN or infinite for beta = 0, and then not selected
    const auto inside = hn::Lt(distance, width);
    return {hn::IfThenElse(inside, hn::Mul(hn::Mul(half, r), u), hn::NegMulAdd(half, width, distance)),
            {hn::IfThenElse(inside, u, Sign(d, r))},
            hn::IfThenElseZero(inside, hn::Div(C(d, 1.0), width))};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_REGRESSION_SMOOTH_L1_INL_H_
