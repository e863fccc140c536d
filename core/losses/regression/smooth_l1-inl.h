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

#include <algorithm>
#include <limits>

#include "core/losses/regression/huber-inl.h"
#include "core/simd/elementwise-inl.h"
#include "core/simd/exp-inl.h"

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
  static constexpr bool kPassesNan = true;
  double beta;
  // |r| / beta in float is |r| scale times this, for a division takes longer than all the rest. The power of two keeps
  // both in range; for beta = 0, whatever |r| > 0 comes out above 1.
  double finite = std::min(beta, double{std::numeric_limits<float>::max()});
  double scale = finite < 0x1p-100 ? 0x1p100 : finite > 0x1p100 ? 0x1p-100 : 1;
  Factor<float> inverse{finite == 0 ? 0x1p100 : 1 / (finite * scale)};

  struct Usual {  // beta = 1
    template <class D, class V>
    HWY_INLINE ValueSlope<V> operator()(D d, V prediction, V target) const {
      return Huber{1.0}(d, prediction, target);
    }
  };
  bool usual() const { return beta == 1; }

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V prediction, V target) const {
    const V width = C(d, kIsFloat<D> ? finite : beta), half = C(d, 0.5), one = C(d, 1.0);
    const V r = hn::Sub(prediction, target);
    const V distance = hn::Abs(r);
    if constexpr (kIsFloat<D>) {
      // m = min(|r| / beta, 1): value = m (|r| - m beta/2), where an error of m inside cancels.
      const V m = hn::Min(one, inverse.Times(d, hn::Mul(distance, C(d, scale))));
      return {hn::Mul(m, hn::NegMulAdd(hn::Mul(half, width), m, distance)),
              {hn::CopySign(m, r)},
              hn::IfThenElseZero(hn::Lt(distance, width), hn::Div(one, width))};
    } else {
      const V u = hn::Div(r, width);  // NaN or infinite for beta = 0, and then not selected
      const auto outside = hn::Ge(distance, width);
      return {hn::IfThenElse(outside, hn::NegMulAdd(half, width, distance), hn::Mul(hn::Mul(half, r), u)),
              {hn::IfThenElse(outside, Sign(d, r), u)},
              hn::IfThenZeroElse(outside, hn::Div(one, width))};
    }
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_REGRESSION_SMOOTH_L1_INL_H_
