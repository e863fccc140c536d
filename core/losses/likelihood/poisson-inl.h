// Poisson: counts whose rate is predicted itself.
//
//   value     = p - t ln(p + epsilon)           0 ln 0 = 0; p + epsilon < 0 is NaN
//   slope     = ((p - t) + epsilon) / (p + epsilon)    1 - t/(p + epsilon); p - t is exact where they are close
//   curvature = t / (p + epsilon)^2
//
// Source: McCullagh and Nelder 1989, Generalized Linear Models, section 6.2.

#if defined(LOSSD_CORE_LOSSES_LIKELIHOOD_POISSON_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_LIKELIHOOD_POISSON_INL_H_
#undef LOSSD_CORE_LOSSES_LIKELIHOOD_POISSON_INL_H_
#else
#define LOSSD_CORE_LOSSES_LIKELIHOOD_POISSON_INL_H_
#endif

#include "core/simd/elementwise-inl.h"
#include "core/simd/special-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Poisson {
  static constexpr Contract kContract = {
      .name = "poisson",
      .summary = "counts whose rate is predicted itself",
      .use = "Regression of counts with a model whose output is the expected count, kept positive by a softplus, say.",
      .formula = "p - t log(p + epsilon), p = y_pred, t = y_true",
      .gradient = "1 - t/(p + epsilon)",
      .tex = "p - t \\ln(p + \\epsilon)",
      .source = "McCullagh and Nelder 1989, Generalized Linear Models, section 6.2",
      .notes =
          "The term ln t! is left out: the value may be negative. t need not be an integer. p + epsilon < 0 "
          "answers NaN; p + epsilon = 0 with t = 0 answers p. poisson_nll reads the logarithm of the rate.",
      .peers =
          "Keras: Poisson, epsilon 1e-7. PyTorch: PoissonNLLLoss(log_input=False), epsilon 1e-8; its default is "
          "log_input=True. optax has none.",
      .params = {{"epsilon", 1e-7, kNonNegative, "added to the rate under the logarithm"}},
      .inputs = {{.name = "y_pred", .differentiable = true, .domain = kPositive, .summary = "rate"},
                 {.name = "y_true"}},
      .target = kNonNegative,
      .examples = {{.origin = "by hand: 2 - 3 ln 2, 1; slopes 1 - 3/2, 1",
                    .target = {3, 0},
                    .prediction = {2, 1},
                    .value = .92055846,
                    .gradient = {-.5, 1},
                    .params = {1e-12}},
                   {.origin = "by hand: -ln 1e-7; 1 - 1/1e-7",
                    .target = {1},
                    .prediction = {0},
                    .value = 16.118095651,
                    .gradient = {-9999999}}},
      .f64 = {.value_ulp = 128, .slope_ulp = 8},
      .tolerance_note = "p and t log(p + epsilon) may cancel, and do where the value changes sign",
      .conventions = {{.convention = Convention::kKeras}},
      .curvature = true,
  };
  double epsilon;

  template <class D, class V>
  HWY_INLINE Local<V> operator()(D d, V p, V t) const {
    const V floor = C(d, epsilon);
    const V rate = hn::Add(p, floor);
    const auto none = hn::Eq(t, hn::Zero(d));
    const V log = Ln(d, rate);
    const V term = hn::IfThenZeroElse(hn::And(none, hn::Eq(rate, hn::Zero(d))), hn::Mul(t, log));
    const V slope = hn::Div(hn::Add(hn::Sub(p, t), floor), rate);
    const V nan_below = hn::IfThenElseZero(hn::Lt(rate, hn::Zero(d)), hn::NaN(d));
    const V curvature = hn::IfThenZeroElse(none, hn::Div(hn::Div(t, rate), rate));
    return {
        hn::Sub(p, term), {hn::Add(hn::IfThenElse(none, C(d, 1.0), slope), nan_below)}, hn::Add(curvature, nan_below)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_LIKELIHOOD_POISSON_INL_H_
