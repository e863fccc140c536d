// Soft margin: the logistic loss of a signed label.
//
//   z         = -t p                     t = -1 or 1
//   value     = max(z, 0) + log1p(exp(-|z|))        log(1 + exp z), which cannot overflow
//   slope     = -t s(z)                             s = sigmoid
//   curvature = t^2 s(z) s(-z)
//
// Source: Hastie, Tibshirani and Friedman 2009, The Elements of Statistical Learning, section 10.5.

#if defined(LOSSD_CORE_LOSSES_MARGIN_SOFT_MARGIN_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_MARGIN_SOFT_MARGIN_INL_H_
#undef LOSSD_CORE_LOSSES_MARGIN_SOFT_MARGIN_INL_H_
#else
#define LOSSD_CORE_LOSSES_MARGIN_SOFT_MARGIN_INL_H_
#endif

#include "core/simd/elementwise-inl.h"
#include "core/simd/softplus-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct SoftMargin {
  static constexpr Contract kContract = {
      .name = "soft_margin",
      .aliases = {{"SoftMarginLoss"}, {"binary_logistic"}},
      .summary = "the logistic loss of a signed label",
      .use = "Binary classification by a logit where labels are -1 and 1.",
      .formula = "log(1 + exp(-y_true y_pred))",
      .gradient = "-y_true sigmoid(-y_true y_pred)",
      .tex = R"(\ln(1 + e^{-t\,p}))",
      .source = "Hastie, Tibshirani and Friedman 2009, The Elements of Statistical Learning, section 10.5",
      .notes = "Labels as for hinge. With binary labels this is binary_crossentropy of logits.",
      .peers =
          "PyTorch computes log(1 + exp(-y_true y_pred)) as written: beyond 88 in F32 its value is infinite and its "
          "gradient NaN. Here both are exact to rounding.",
      .params = {Choice("label_encoding", {"signed", "binary", "auto"}, 0, "what the labels are")},
      .target = {-1, 1},
      .examples =
          {{.origin = "by hand: log 2 + log(1 + e)",
            .target = {1, -1},
            .prediction = {0, 1},
            .value = 2.00640887,
            .gradient = {-.5, .731058579}},
           {.origin = "where exp overflows", .target = {-1}, .prediction = {1000}, .value = 1000, .gradient = {1}}},
      .conventions = {{.convention = Convention::kTorch}},
      .curvature = true,
      .label_encoding = "label_encoding",
  };
  static constexpr bool kNative = true;
  static constexpr bool kPassesNan = true;
  double label_encoding;  // the targets come signed

  template <class D, class V>
  HWY_INLINE std::array<V, 1> Prepare(D d, V p, V t) const {
    return {Decay(d, hn::Abs(hn::Mul(t, p)))};
  }
  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, const std::array<V, 1>& prepared, V p, V t) const {
    const V zero = hn::Zero(d), one = C(d, 1.0), decay = prepared[0];
    const V z = hn::Neg(hn::Mul(t, p));
    const V whole = hn::Add(one, decay);
    const V rise = hn::Div(hn::IfNegativeThenElse(z, decay, one), whole);  // s(z)
    const V curvature = hn::Mul(hn::Mul(t, t), hn::Div(hn::Div(decay, whole), whole));
    // The maximum may swallow a NaN, the other term does not.
    return {hn::Add(hn::Max(z, zero), Log1pOfUnit(d, decay)), {hn::Neg(hn::Mul(t, rise))}, curvature};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_MARGIN_SOFT_MARGIN_INL_H_
