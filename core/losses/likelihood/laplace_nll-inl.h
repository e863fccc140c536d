// Laplace NLL: a median and its scale, both predicted; outliers pull with constant force.
//
//   e = p - t
//   value     = ln(2 b) + |e|/b          b = scale > 0, else NaN
//   slope     = sign(e)/b                with respect to the median; 0 at e = 0
//             = (b - |e|)/b^2            with respect to the scale
//   curvature = 0
//
// Source: Laplace 1774, Memoire sur la probabilite des causes par les evenements.

#if defined(LOSSD_CORE_LOSSES_LIKELIHOOD_LAPLACE_NLL_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_LIKELIHOOD_LAPLACE_NLL_INL_H_
#undef LOSSD_CORE_LOSSES_LIKELIHOOD_LAPLACE_NLL_INL_H_
#else
#define LOSSD_CORE_LOSSES_LIKELIHOOD_LAPLACE_NLL_INL_H_
#endif

#include "core/simd/elementwise-inl.h"
#include "core/simd/special-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct LaplaceNll {
  static constexpr Contract kContract = {
      .name = "laplace_nll",
      .aliases = {{"LaplaceNLLLoss"}, {"laplace"}},
      .summary = "a median and its scale, both predicted; outliers pull with constant force",
      .use = "Regression that also says how sure it is, where gaussian_nll would follow outliers too closely.",
      .formula = "log(2 b) + |p - t|/b, b = scale",
      .gradient = "y_pred: sign(p - t)/b; scale: (b - |p - t|)/b^2",
      .tex = "\\ln(2b) + \\frac{|p-t|}{b}",
      .source = "Laplace 1774, Memoire sur la probabilite des causes par les evenements",
      .notes = "A scale that is not positive answers NaN. The value may be negative.",
      .peers = "Neither Keras nor optax has it; PyTorch: minus torch.distributions.Laplace.log_prob.",
      .kinks_note = "y_pred = y_true: the gradient for y_pred there is 0",
      .inputs =
          {{.name = "y_pred", .differentiable = true, .summary = "median"},
           {.name = "y_true"},
           {.name = "scale", .differentiable = true, .domain = kPositive, .summary = "mean of |y_true - median|"}},
      .examples = {{.origin = "by hand: ln 4 + 3/2, ln 2; slopes 1/2, 0",
                    .target = {0, 1},
                    .prediction = {3, 1},
                    .value = 3.579441542,
                    .gradient = {.5, 0},
                    .others = {{2, 1}}}},
      .kinks = {0},
      .f64 = {.value_ulp = 64, .slope_ulp = 8},
      .tolerance_note = "log(2 b) and |p - t|/b may cancel, and do where the value changes sign",
      .curvature = true,
  };

  template <class D, class V>
  HWY_INLINE Local<V, 3> operator()(D d, V p, V t, V scale) const {
    const V b = PositiveOrNan(d, scale);
    const V e = hn::Sub(p, t);
    const V distance = hn::Abs(e);
    // ln(2 b) from 2 b, which is exact, and beyond 1 from b, which does not overflow.
    const auto wide = hn::Gt(b, C(d, 1.0));
    const V log = hn::Add(Ln(d, hn::IfThenElse(wide, b, hn::Add(b, b))), hn::IfThenElseZero(wide, C(d, kLog2)));
    const V steep = hn::Div(hn::Div(hn::Sub(b, distance), b), b);
    return {hn::Add(log, hn::Div(distance, b)),
            {hn::Div(Sign(d, e), b), hn::Zero(d), steep},
            hn::Mul(hn::Zero(d), hn::Div(C(d, 1.0), b))};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_LIKELIHOOD_LAPLACE_NLL_INL_H_
