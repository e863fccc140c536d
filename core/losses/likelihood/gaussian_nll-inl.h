// Gaussian NLL: a mean and its variance, both predicted.
//
//   e = p - t, v = max(variance, epsilon)
//   value     = (ln v + e^2/v) / 2   [+ ln(2 pi)/2 if full]
//   slope     = e/v                              with respect to the mean
//             = (v - e^2) / (2 v^2)              with respect to the variance: v - e^2 without rounding e^2; 0 where
//                                                the floor holds, unless clamp_gradient passes it on
//   curvature = 1/v
//
// Source: Nix and Weigend 1994, Estimating the Mean and Variance of the Target Probability Distribution.

#if defined(LOSSD_CORE_LOSSES_LIKELIHOOD_GAUSSIAN_NLL_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_LIKELIHOOD_GAUSSIAN_NLL_INL_H_
#undef LOSSD_CORE_LOSSES_LIKELIHOOD_GAUSSIAN_NLL_INL_H_
#else
#define LOSSD_CORE_LOSSES_LIKELIHOOD_GAUSSIAN_NLL_INL_H_
#endif

#include "core/simd/elementwise-inl.h"
#include "core/simd/special-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct GaussianNll {
  static constexpr Contract kContract = {
      .name = "gaussian_nll",
      .aliases = {{"GaussianNLLLoss"}},
      .summary = "a mean and its variance, both predicted",
      .use = "Regression that also says how sure it is: the variance of each prediction is learned with its mean.",
      .formula = "(log v + (p - t)^2/v)/2, v = max(variance, epsilon); full adds log(2 pi)/2",
      .gradient = "y_pred: (p - t)/v; variance: (1/v - (p - t)^2/v^2)/2, 0 where variance < epsilon",
      .tex = "\\tfrac12\\left(\\ln v + \\frac{(p-t)^2}{v}\\right)",
      .source = "Nix and Weigend 1994, Estimating the Mean and Variance of the Target Probability Distribution, ICNN",
      .notes =
          "A negative variance answers NaN. The value may be negative. The floor belongs to the inside. clamp_gradient "
          "passes leaves the floor out of the gradient for the variance.",
      .peers =
          "PyTorch: GaussianNLLLoss raises the variance to eps where autograd does not see it, so that a variance "
          "below gets the gradient of one at eps: clamp_gradient passes, in the convention TORCH. Its variance may "
          "lack the last axis; here it has the shape of y_pred. A negative variance raises there.",
      .kinks_note = "variance = epsilon: its gradient there is the one from above",
      .params = {Flag("full", false, "add log(2 pi)/2"),
                 {"epsilon", 1e-6, kNonNegative, "floor of the variance"},
                 {.name = "clamp_gradient",
                  .summary = "gradient of a variance below the floor: the true one, 0, or that at the floor",
                  .choices = {"true", "passes"},
                  .detached = {"passes"}}},
      .inputs = {{.name = "y_pred", .differentiable = true, .summary = "mean"},
                 {.name = "y_true"},
                 {.name = "variance", .differentiable = true, .domain = kNonNegative, .summary = "variance"}},
      .examples = {{.origin = "by hand: (ln 2 + 9/2)/2 + (ln 1)/2; slopes 3/2, 0",
                    .target = {0, 1},
                    .prediction = {3, 1},
                    .value = 2.59657359,
                    .gradient = {1.5, 0},
                    .others = {{2, 1}}},
                   {.origin = "by hand: ln(2 pi)/2, the negative log of the density of the normal at its mode",
                    .target = {1},
                    .prediction = {1},
                    .value = .918938533,
                    .gradient = {0},
                    .params = {1, 1e-6, 0},
                    .others = {{1}}}},
      .f64 = {.value_ulp = 64, .slope_ulp = 8},
      .tolerance_note = "log v and (p - t)^2/v may cancel, and do where the value changes sign",
      .conventions = {{.convention = Convention::kTorch, .params = {{"clamp_gradient", 1}}}},
      .curvature = true,
  };
  static constexpr bool kPassesNan = true;
  double full, epsilon, clamp_gradient;

  template <class D, class V>
  HWY_INLINE Local<V, 3> operator()(D d, V p, V t, V variance) const {
    const V half = C(d, 0.5), floor = C(d, epsilon);
    const V e = hn::Sub(p, t);
    const V v = hn::IfThenElse(hn::Lt(variance, hn::Zero(d)), hn::NaN(d), hn::Max(floor, variance));
    const V inverse = hn::Div(C(d, 1.0), v);
    const V slope = hn::Mul(e, inverse);
    const V sum = hn::MulAdd(e, slope, Ln(d, v));
    const V value = hn::MulAdd(half, sum, C(d, full != 0 ? kHalfLog2Pi : 0.0));
    const Twofold<V> square = Product(d, e, e);
    const V direct = hn::Div(hn::Div(hn::Sub(hn::Sub(v, square.hi), square.lo), v), v);
    const V apart = hn::NegMulAdd(slope, slope, inverse);  // where e^2 overflows
    const V steep = hn::Mul(half, hn::IfThenElse(hn::Lt(hn::Abs(e), C(d, 1e150)), direct, apart));
    const auto below = hn::And(hn::Lt(variance, floor), hn::Eq(C(d, clamp_gradient), hn::Zero(d)));
    return {value, {slope, hn::Zero(d), hn::IfThenZeroElse(below, steep)}, inverse};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_LIKELIHOOD_GAUSSIAN_NLL_INL_H_
