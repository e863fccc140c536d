// Quality focal loss: cross-entropy against a quality, forgotten as the prediction nears it.
//
// x the logit, p = sigmoid(x), v = p (1 - p), t the quality, e = p - t = (1 - t) p - t (1 - p), B the cross-entropy:
//   value     = |e|^beta B
//   slope     = sgn(e) |e|^(beta - 1) (e^2 + beta v B)
//   curvature = (2 beta + 1) |e|^beta v + beta sgn(e) |e|^(beta - 1) v (1 - 2p) B + beta (beta - 1) |e|^(beta - 2) v^2
//   B
//
// Source: Li et al. 2020, Generalized Focal Loss: Learning Qualified and Distributed Bounding Boxes, equation 5.

#if defined(LOSSD_CORE_LOSSES_CLASSIFICATION_QUALITY_FOCAL_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_CLASSIFICATION_QUALITY_FOCAL_INL_H_
#undef LOSSD_CORE_LOSSES_CLASSIFICATION_QUALITY_FOCAL_INL_H_
#else
#define LOSSD_CORE_LOSSES_CLASSIFICATION_QUALITY_FOCAL_INL_H_
#endif

#include "core/simd/focal-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct QualityFocal {
  static constexpr Contract kContract = {
      .name = "quality_focal",
      .aliases = {{"qfl"}, {"QualityFocalLoss"}},
      .summary = "cross-entropy against a quality, forgotten as the prediction nears it",
      .use = "Detectors whose class score is at once the quality of the box, a number from 0 to 1.",
      .formula = "|p - t|^beta BCE(x, t), p = sigmoid(x)",
      .gradient = "sgn(e) |e|^(beta - 1) (e^2 + beta p (1 - p) BCE(x, t)), e = p - t",
      .tex = R"(-\lvert p-t\rvert^{\beta}\,\bigl(t\ln p+(1-t)\ln(1-p)\bigr))",
      .source =
          "Li et al. 2020, Generalized Focal Loss: Learning Qualified and Distributed Bounding Boxes for Dense Object "
          "Detection, equation 5",
      .notes = "beta = 0 is binary_crossentropy. Hard targets make it binary_focal_crossentropy with gamma = beta.",
      .peers = "mmdetection: the same. Keras, PyTorch and Optax have no such loss.",
      .kinks_note = "p = t where 0 < beta <= 1: 0 is returned",
      .params = {{"beta", 2.0, kNonNegative, "how fast what is near is forgotten"}},
      .forms = {{InputKind::kLogits}},
      .target = kUnit,
      .examples = {{.origin = "by hand: log 2 / 4",
                    .target = {1},
                    .prediction = {0},
                    .value = .17328680,
                    .gradient = {-.29828680},
                    .form = {InputKind::kLogits}},
                   {.origin = "by hand: on target",
                    .target = {.5},
                    .prediction = {0},
                    .value = 0,
                    .gradient = {0},
                    .form = {InputKind::kLogits}}},
      .f64 = {64, 64},
      .tolerance_note = "F64: p - t near 0 has the error of p, to the power beta (24 ulp measured at p - t = 0.006).",
      .soft_targets_cancel = true,
      .curvature = true,
  };
  double beta;

  template <class D, class V>
  HWY_INLINE Local<V> operator()(D d, V x, V t) const {
    const V one = C(d, 1.0), zero = hn::Zero(d), size = hn::Abs(x);
    const V decay = hn::Exp(d, hn::Neg(size));
    const V sure = hn::Div(one, hn::Add(one, decay)), unsure = hn::Mul(decay, sure);
    const auto positive = hn::Ge(x, zero);
    const V no = hn::Sub(one, t);
    const V against = hn::IfThenElse(positive, no, t), with = hn::IfThenElse(positive, t, no);
    const V b = hn::Add(hn::Mul(size, against), hn::Log1p(d, decay));
    const V e = hn::Mul(hn::NegMulAdd(with, decay, against), sure);  // towards the side that x is on, as the slope
    const V distance = hn::Abs(e), spread = hn::Mul(sure, unsure);
    const auto on_target = hn::Eq(e, zero);
    const V power = Power(d, distance, beta);
    const V lower = hn::IfThenZeroElse(on_target, hn::Div(power, e));  // sgn(e) |e|^(beta - 1)
    const V g = C(d, beta), pull = hn::Mul(g, hn::Mul(spread, b));
    const V slope = hn::MulAdd(lower, pull, hn::Mul(power, e));
    V curvature = hn::Mul(C(d, 2 * beta + 1), hn::Mul(power, spread));
    if (beta != 0) curvature = hn::MulAdd(hn::Mul(lower, pull), hn::Sub(unsure, sure), curvature);
    if (beta != 0 && beta != 1) {
      const V lowest = hn::IfThenElse(on_target, Power(d, distance, beta - 2), hn::Div(lower, e));
      curvature = hn::MulAdd(hn::Mul(C(d, beta - 1), lowest), hn::Mul(pull, spread), curvature);
    }
    return {hn::Mul(power, b), {hn::IfThenElse(positive, slope, hn::Neg(slope))}, curvature};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_CLASSIFICATION_QUALITY_FOCAL_INL_H_
