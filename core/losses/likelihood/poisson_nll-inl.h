// Poisson NLL: counts whose rate, or its logarithm, is predicted.
//
//   log_input      value = exp(x) - t x,              slope = exp(x) - t,          curvature = exp(x)
//   otherwise      value = x - t ln(x + epsilon),     slope = 1 - t/(x + epsilon), curvature = t/(x + epsilon)^2
//   full, t > 1    adds t ln t - t + ln(2 pi t)/2, Stirling's ln t!
//
// With the full term the value is half a deviance (HalfDeviance, >= 0) and ln(2 pi t)/2: large terms do not cancel.
// Source: McCullagh and Nelder 1989, Generalized Linear Models, section 6.2.

#if defined(LOSSD_CORE_LOSSES_LIKELIHOOD_POISSON_NLL_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_LIKELIHOOD_POISSON_NLL_INL_H_
#undef LOSSD_CORE_LOSSES_LIKELIHOOD_POISSON_NLL_INL_H_
#else
#define LOSSD_CORE_LOSSES_LIKELIHOOD_POISSON_NLL_INL_H_
#endif

#include "core/losses/likelihood/poisson-inl.h"
#include "core/simd/double_exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct PoissonNll {
  static constexpr Contract kContract = {
      .name = "poisson_nll",
      .aliases = {{"PoissonNLLLoss"}},
      .summary = "counts whose rate, or its logarithm, is predicted",
      .use = "Regression of counts, with the logarithm as link by default: any real prediction is a rate.",
      .formula =
          "log_input: exp(x) - t x; else x - t log(x + epsilon); full adds t log t - t + log(2 pi t)/2 where t > 1",
      .gradient = "log_input: exp(x) - t; else 1 - t/(x + epsilon)",
      .tex = "e^{x} - t x \\quad\\text{or}\\quad x - t \\ln(x + \\epsilon)",
      .source = "McCullagh and Nelder 1989, Generalized Linear Models, section 6.2",
      .notes =
          "Without the full term the value is up to a constant of t and may be negative. Stirling's formula stands "
          "for log t!, and nothing for t <= 1, as in PyTorch. Without log_input, x + epsilon < 0 answers NaN.",
      .peers =
          "PyTorch: PoissonNLLLoss, the same names and defaults (eps is epsilon here). Keras: Poisson is the loss "
          "poisson here. XGBoost's count:poisson is the default form.",
      .params = {Flag("log_input", true, "y_pred is the logarithm of the rate"),
                 Flag("full", false, "add Stirling's approximation of log t!"),
                 {"epsilon", 1e-8, kNonNegative, "added to the rate under the logarithm, without log_input"}},
      .target = kNonNegative,
      .examples = {{.origin = "by hand: e - 2, 1; slopes e - 2, 1",
                    .target = {2, 0},
                    .prediction = {1, 0},
                    .value = 1.718281828,
                    .gradient = {.718281828, 1}},
                   {.origin = "by hand: 2 - 3 ln 2 + 3 ln 3 - 3 + ln(6 pi)/2",
                    .target = {3},
                    .prediction = {2},
                    .value = 1.684640002,
                    .gradient = {-.5},
                    .params = {0, 1, 0}}},
      .f64 = {.value_ulp = 64, .slope_ulp = 64},
      .tolerance_note = "the value without the full term, and the slope exp(x) - t, are differences that may cancel",
      .conventions = {{.convention = Convention::kTorch}},
      .curvature = true,
  };
  static constexpr bool kPassesNan = true;
  double log_input, full, epsilon;

  struct Usual {  // log_input without full
    template <class D, class V>
    HWY_INLINE Local<V> operator()(D d, V x, V t) const {
      if (HWY_LIKELY(hn::AllTrue(d, hn::Le(hn::Abs(x), C(d, kNormalExpEnd))))) return OfLog(d, x, t);
      return PoissonNll{1, 0, 0}(d, x, t);
    }
  };
  bool usual() const { return log_input != 0 && full == 0; }

  template <class D, class V>
  HWY_INLINE Local<V> operator()(D d, V x, V t) const {
    const auto usual = hn::Le(hn::Abs(x), C(d, kNormalExpEnd));
    if (log_input != 0 && full == 0 && hn::AllTrue(d, usual)) return OfLog(d, x, t);
    const Local<V> any = log_input != 0 ? OfAnyLog(d, x, t) : OfRate(d, x, t);
    const auto nan = hn::Or(hn::IsNaN(x), hn::IsNaN(t));
    return {hn::IfThenElse(nan, hn::NaN(d), any.value), {hn::IfThenElse(nan, hn::NaN(d), any.slope[0])}, any.curvature};
  }

 private:
  // exp(x) - t x and exp(x) - t where exp(x) is a normal number. In parts the exponential loses nothing of what is left
  // of it near t = 1.
  template <class D, class V>
  static HWY_INLINE Local<V> OfLog(D d, V x, V t) {
    const auto [scale, expm1] = NormalExp(d, x);
    const V rate = hn::MulAdd(scale, expm1, scale);
    return {hn::NegMulAdd(t, x, rate), {hn::MulAdd(scale, expm1, hn::Sub(scale, t))}, rate};
  }

  template <class D, class V>
  HWY_INLINE Local<V> OfAnyLog(D d, V x, V t) const {
    const auto usual = hn::Le(hn::Abs(x), C(d, kNormalExpEnd));
    const Local<V> inside = OfLog(d, x, t);
    const V rate = hn::IfThenElse(usual, inside.curvature, ExpOf(d, x));
    const auto none = hn::Eq(t, hn::Zero(d));
    const V outside = hn::Sub(rate, hn::IfThenZeroElse(none, hn::Mul(t, x)));
    const V plain = hn::IfThenElse(usual, inside.value, outside);
    const V slope = hn::IfThenElse(usual, inside.slope[0], hn::Sub(rate, t));
    if (full == 0) return {plain, {slope}, rate};
    const V count = Counted(d, t), log_count = hn::Log(d, count);
    const V whole = hn::Add(HalfDeviance(d, count, rate, hn::Sub(x, log_count)), Stirling(d, log_count));
    return {hn::IfThenElse(hn::Gt(t, C(d, 1.0)), whole, plain), {slope}, rate};
  }

  template <class D, class V>
  HWY_INLINE Local<V> OfRate(D d, V x, V t) const {
    const Local<V> plain = Poisson{epsilon}(d, x, t);
    if (full == 0) return plain;
    const V count = Counted(d, t), log_count = hn::Log(d, count);
    const V rate = hn::Add(x, C(d, epsilon));
    const V deviance = HalfDeviance(d, count, rate, hn::Sub(Ln(d, rate), log_count));
    const V whole = hn::Add(hn::Sub(deviance, C(d, epsilon)), Stirling(d, log_count));
    return {hn::IfThenElse(hn::Gt(t, C(d, 1.0)), whole, plain.value), plain.slope, plain.curvature};
  }

  // t where ln t! is added; elsewhere it is computed for 2.
  template <class D, class V>
  static HWY_INLINE V Counted(D d, V t) {
    return hn::IfThenElse(hn::Gt(t, C(d, 1.0)), t, C(d, 2.0));
  }
  template <class D, class V>
  static HWY_INLINE V Stirling(D d, V log_count) {
    return hn::MulAdd(C(d, 0.5), log_count, C(d, kHalfLog2Pi));
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_LIKELIHOOD_POISSON_NLL_INL_H_
