// Varifocal loss: cross-entropy against a quality, weighted by it; focal where there is nothing to find.
//
// x the logit, p = sigmoid(x), t the quality:
//   t > 0: value = t BCE(x, t)                        slope = t ((1 - t) p - t (1 - p))
//   t = 0: value = alpha p^gamma softplus(x)          slope = alpha p^gamma (gamma (1 - p) softplus(x) + p)
// The second in log space, FocalTerm of core/simd/focal-inl.h with z = -x. detach_weight holds p^gamma constant.
//
// Source: Zhang et al. 2021, VarifocalNet: An IoU-aware Dense Object Detector, equation 2.

#if defined(LOSSD_CORE_LOSSES_CLASSIFICATION_VARIFOCAL_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_CLASSIFICATION_VARIFOCAL_INL_H_
#undef LOSSD_CORE_LOSSES_CLASSIFICATION_VARIFOCAL_INL_H_
#else
#define LOSSD_CORE_LOSSES_CLASSIFICATION_VARIFOCAL_INL_H_
#endif

#include "core/simd/focal-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Varifocal {
  static constexpr Contract kContract = {
      .name = "varifocal",
      .aliases = {{"vfl"}, {"VarifocalLoss"}},
      .summary = "cross-entropy against a quality, weighted by it; focal where there is nothing to find",
      .use = "Detectors whose score is the IoU that a box will have: y_true is that IoU for the right class, else 0.",
      .formula = "t > 0: t BCE(x, t); t = 0: alpha p^gamma softplus(x), p = sigmoid(x)",
      .gradient = "t > 0: t (p - t); t = 0: alpha p^gamma (gamma (1 - p) softplus(x) + p)",
      .tex = R"(\begin{cases}-t\,\bigl(t\ln p+(1-t)\ln(1-p)\bigr)&t>0\\-\alpha\,p^{\gamma}\ln(1-p)&t=0\end{cases})",
      .source = "Zhang et al. 2021, VarifocalNet: An IoU-aware Dense Object Detector, equation 2",
      .notes =
          "Unlike binary_focal_crossentropy it scales only the outcome 0. detach_weight holds p^gamma constant in the "
          "gradient and in the curvature.",
      .peers =
          "PaddleDetection and mmdetection: the same, with the weight differentiated. Keras, PyTorch and Optax have "
          "no such loss.",
      .params = {{"alpha", 0.75, kNonNegative, "weight of the outcome 0"},
                 {"gamma", 2.0, kNonNegative, "how fast easy negatives are forgotten"},
                 Flag("detach_weight", false, "whether the gradient holds the weight constant", {"true"})},
      .forms = {{InputKind::kLogits}},
      .target = kUnit,
      .examples = {{.origin = "by hand: log 2 / 2",
                    .target = {.5},
                    .prediction = {0},
                    .value = .34657359,
                    .gradient = {0},
                    .form = {InputKind::kLogits}},
                   {.origin = "by hand: 3/16 log 2",
                    .target = {0},
                    .prediction = {0},
                    .value = .12996510,
                    .gradient = {.22371510},
                    .form = {InputKind::kLogits}}},
      .f64 = {4, 8},
      .tolerance_note = "F64: a power and a logarithm multiply their errors.",
      .soft_targets_cancel = true,
      .curvature = true,
  };
  double alpha, gamma, detach_weight;

  template <class D, class V>
  HWY_INLINE Local<V> operator()(D d, V x, V t) const {
    const V one = C(d, 1.0), zero = hn::Zero(d);
    const Local<V> absent = FocalTerm(d, hn::Neg(x), gamma, kInf, detach_weight != 0);
    const V a = C(d, alpha);
    const V decay = hn::Exp(d, hn::Neg(hn::Abs(x)));
    const V sure = hn::Div(one, hn::Add(one, decay));
    const auto positive = hn::Ge(x, zero), nothing = hn::Eq(t, zero);
    const V no = hn::Sub(one, t);
    const V against = hn::IfThenElse(positive, no, t), with = hn::IfThenElse(positive, t, no);
    const V value = hn::Mul(t, hn::Add(hn::Mul(hn::Abs(x), against), hn::Log1p(d, decay)));
    const V slope = hn::Mul(t, hn::Mul(hn::NegMulAdd(with, decay, against), sure));
    const V curvature = hn::Mul(t, hn::Mul(sure, hn::Mul(decay, sure)));
    return {hn::IfThenElse(nothing, hn::Mul(a, absent.value), value),
            {hn::IfThenElse(nothing, hn::Neg(hn::Mul(a, absent.slope[0])),
                            hn::IfThenElse(positive, slope, hn::Neg(slope)))},
            hn::IfThenElse(nothing, hn::Mul(a, absent.curvature), curvature)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_CLASSIFICATION_VARIFOCAL_INL_H_
