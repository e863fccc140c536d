// Asymmetric loss: focal loss with one exponent for each outcome, and easy negatives dropped altogether.
//
// x the logit, p = sigmoid(x), p_m = max(p - clip, 0), log_e a = log(max(a, epsilon)), t the target:
//   value = -t (1 - p)^gamma_positive log_e p - (1 - t) p_m^gamma_negative log_e(1 - p_m)
//   slope of the first term: FocalTerm of core/simd/focal-inl.h with z = x; of the second, with D = -log(1 - p_m):
//     p_m^g (g p (1 - p) D / p_m + p (1 - p)/(1 - p_m));   clip = 0: FocalTerm with z = -x
// detach_focal holds the factors (1 - p)^gamma and p_m^gamma constant.
//
// Source: Ridnik et al. 2021, Asymmetric Loss For Multi-Label Classification, equations 4 to 7.

#if defined(LOSSD_CORE_LOSSES_CLASSIFICATION_ASYMMETRIC_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_CLASSIFICATION_ASYMMETRIC_INL_H_
#undef LOSSD_CORE_LOSSES_CLASSIFICATION_ASYMMETRIC_INL_H_
#else
#define LOSSD_CORE_LOSSES_CLASSIFICATION_ASYMMETRIC_INL_H_
#endif

#include "core/simd/focal-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Asymmetric {
  static constexpr Contract kContract = {
      .name = "asymmetric",
      .aliases = {{"asl"}, {"AsymmetricLossMultiLabel"}, {"asymmetric_loss"}},
      .summary = "focal loss with one exponent for each outcome, easy negatives dropped altogether",
      .use = "Multi-label classification, where nearly all labels of an item are absent.",
      .formula =
          "-t (1 - p)^gamma_positive log p - (1 - t) p_m^gamma_negative log(1 - p_m), p = sigmoid(x), p_m = max(p - "
          "clip, 0)",
      .gradient =
          "p' = p (1 - p): -t (1 - p)^g (g p (-log p) + 1 - p) with g = gamma_positive, plus (1 - t) p_m^g p' (g "
          "(-log(1 - p_m))/p_m + 1/(1 - p_m)) with g = gamma_negative",
      .tex = R"(-t\,(1-p)^{\gamma_+}\ln p-(1-t)\,p_m^{\gamma_-}\ln(1-p_m),\quad p=\sigma(x),\;p_m=\max(p-m,0))",
      .source = "Ridnik et al. 2021, Asymmetric Loss For Multi-Label Classification, equations 4 to 7",
      .notes =
          "Logarithms have the floor log epsilon: beyond it the logarithm has no gradient, the factor before it still "
          "has. The floor belongs to the inside. At p <= clip a negative costs nothing. A soft target mixes both "
          "terms, as the paper writes them. detach_focal holds the factors constant in the gradient and in the "
          "curvature.",
      .peers =
          "timm: AsymmetricLossMultiLabel sums over everything and by default differentiates the focal factor; the "
          "authors' code detaches it by default. Both give soft targets mixed exponents instead of mixed terms. "
          "Keras, PyTorch and Optax have no such loss.",
      .kinks_note =
          "p = clip where gamma_negative = 0, and where a logarithm meets its floor: there 0 is returned for the "
          "dropped negative, and the slope from inside at the floor",
      .params = {{"gamma_negative", 4.0, kNonNegative, "exponent of the outcome 0"},
                 {"gamma_positive", 1.0, kNonNegative, "exponent of the outcome 1"},
                 {"clip", 0.05, {0, 1, false, true}, "probability below which a negative costs nothing"},
                 {"epsilon", 1e-8, {0, 1, false, true}, "floor of the arguments of the logarithms"},
                 Flag("detach_focal", false, "whether the gradient holds the focal factors constant", {"true"})},
      .forms = {{InputKind::kLogits}},
      .target = kUnit,
      .examples = {{.origin = "by hand: log 2 / 2",
                    .target = {1},
                    .prediction = {0},
                    .value = .34657359,
                    .gradient = {-.42328680},
                    .form = {InputKind::kLogits}},
                   {.origin = "by hand: .45^4 (-log .55)",
                    .target = {0},
                    .prediction = {0},
                    .value = .02451506,
                    .gradient = {.07311711},
                    .digits = 5,
                    .form = {InputKind::kLogits}},
                   {.origin = "by hand: an easy negative",
                    .target = {0},
                    .prediction = {-3},
                    .value = 0,
                    .gradient = {0},
                    .form = {InputKind::kLogits}}},
      .f64 = {64, 1024},
      .tolerance_note =
          "F64: p - clip keeps the digits that p has, to the power gamma_negative (24 ulp measured at p = 0.052); a "
          "second derivative near its zero has the error of its terms (452 ulp measured).",
      .soft_targets_cancel = true,
      .smoothing = Smoothing::kBinary,
      .class_weights = true,
      .curvature = true,
  };
  double gamma_negative, gamma_positive, clip, epsilon, detach_focal;

  template <class D, class V>
  HWY_INLINE Local<V> operator()(D d, V x, V t) const {
    const double cap = epsilon == 0 ? kInf : -Scalar(epsilon, [](auto dd, auto v) HWY_ATTR { return hn::Log(dd, v); });
    const V zero = hn::Zero(d), no = hn::Sub(C(d, 1.0), t);
    const Local<V> yes_part = FocalTerm(d, x, gamma_positive, cap, detach_focal != 0);
    Local<V> no_part;
    if (clip == 0) {
      no_part = FocalTerm(d, hn::Neg(x), gamma_negative, cap, detach_focal != 0);
      no_part.slope[0] = hn::Neg(no_part.slope[0]);
    } else {
      no_part = Shifted(d, x, cap);
    }
    const auto any_yes = hn::Ne(t, zero), any_no = hn::Ne(no, zero);
    const auto mix = [&](V yes, V other) HWY_ATTR {
      return hn::Add(hn::IfThenElseZero(any_yes, hn::Mul(t, yes)), hn::IfThenElseZero(any_no, hn::Mul(no, other)));
    };
    return {mix(yes_part.value, no_part.value),
            {mix(yes_part.slope[0], no_part.slope[0])},
            mix(yes_part.curvature, no_part.curvature)};
  }

 private:
  // The outcome 0 with p_m = p - clip > 0.
  template <class D, class V>
  HWY_INLINE Local<V> Shifted(D d, V x, double cap) const {
    const V zero = hn::Zero(d), one = C(d, 1.0);
    const V decay = hn::Exp(d, hn::Neg(hn::Abs(x)));
    const V sure = hn::Div(one, hn::Add(one, decay)), unsure = hn::Mul(decay, sure);
    const auto positive = hn::Ge(x, zero);
    const V p = hn::IfThenElse(positive, sure, unsure), q = hn::IfThenElse(positive, unsure, sure);
    const V shifted = hn::Sub(p, C(d, clip)), left = hn::Add(q, C(d, clip));  // p_m and 1 - p_m
    const auto costs = hn::Gt(shifted, zero);
    const V spread = hn::Mul(p, q);
    const V exact = hn::IfThenElse(positive, hn::Neg(hn::Log(d, left)), hn::Neg(hn::Log1p(d, hn::Neg(shifted))));
    const V cost = hn::Min(exact, C(d, cap));
    const V cost_slope = hn::IfThenZeroElse(hn::Gt(exact, C(d, cap)), hn::Div(spread, left));
    const V turn = hn::Sub(q, p);
    const V cost_bend = hn::Mul(cost_slope, hn::Add(turn, cost_slope));
    const V w = Power(d, hn::Max(shifted, zero), gamma_negative);
    const auto keep = [&](V v) HWY_ATTR { return hn::IfThenElseZero(costs, v); };
    if (detach_focal != 0) {
      return {keep(hn::Mul(w, cost)), {keep(hn::Mul(w, cost_slope))}, keep(hn::Mul(w, cost_bend))};
    }
    const V ratio = hn::Mul(C(d, gamma_negative), hn::Div(spread, shifted));  // w'/w
    const V ratio_bend = hn::Mul(ratio, hn::Add(turn, hn::Mul(C(d, gamma_negative - 1), hn::Div(spread, shifted))));
    const V bend = hn::MulAdd(hn::Mul(C(d, 2.0), ratio), cost_slope, cost_bend);
    return {keep(hn::Mul(w, cost)),
            {keep(hn::Mul(w, hn::MulAdd(ratio, cost, cost_slope)))},
            keep(hn::Mul(w, hn::MulAdd(ratio_bend, cost, bend)))};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_CLASSIFICATION_ASYMMETRIC_INL_H_
