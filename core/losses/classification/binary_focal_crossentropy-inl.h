// Binary focal cross-entropy: binary cross-entropy that forgets what is already right.
//
// x the logit, p = s(x) its probability, t the target, m = t (1 - p) + (1 - t) p the part that is missed, B the binary
// cross-entropy, a = t alpha + (1 - t)(1 - alpha) where apply_class_balancing, else 1:
//   value     = a m^gamma B
//   slope     = a m^gamma (gamma B m'/m + B')
//   curvature = a m^gamma (gamma B ((gamma - 1)(m'/m)^2 + m''/m) + 2 gamma B' m'/m + B'')
// From a logit everything is a function of exp(-|x|), and m of a hard target is taken in log space,
// m^gamma = exp(-gamma softplus(z)) with z = x or -x: nothing saturates, and m'/m is -s(z) where m underflows.
// From a probability m^gamma m'/m is m^(gamma - 1) m', 0 at m = 0: also where gamma < 1, at p = t.
//
// Source: Lin, Goyal, Girshick, He, Dollar 2017, Focal Loss for Dense Object Detection, section 3.

#if defined(LOSSD_CORE_LOSSES_CLASSIFICATION_BINARY_FOCAL_CROSSENTROPY_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_CLASSIFICATION_BINARY_FOCAL_CROSSENTROPY_INL_H_
#undef LOSSD_CORE_LOSSES_CLASSIFICATION_BINARY_FOCAL_CROSSENTROPY_INL_H_
#else
#define LOSSD_CORE_LOSSES_CLASSIFICATION_BINARY_FOCAL_CROSSENTROPY_INL_H_
#endif

#include "core/simd/double_exp-inl.h"
#include "core/simd/focal-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct BinaryFocalCrossentropy {
  static constexpr Contract kContract = {
      .name = "binary_focal_crossentropy",
      .aliases = {{"focal"}, {"focal_loss"}, {"sigmoid_focal_loss", InputKind::kLogits}, {"SigmoidFocalCrossEntropy"}},
      .summary = "binary cross-entropy that forgets what is already right",
      .use =
          "Yes-or-no outcomes of which nearly all are easy, as in dense object detection: raise gamma until the easy "
          "ones no longer drown the rest.",
      .formula = "a m^gamma B, m = t (1 - p) + (1 - t) p, B the binary cross-entropy, a = t alpha + (1 - t)(1 - alpha)",
      .gradient =
          "a m^gamma (gamma B m'/m + B'); LOGITS with z = (2t - 1) x of a hard target: -(2t - 1) a sigmoid(-z)^gamma "
          "(gamma sigmoid(z) softplus(-z) + sigmoid(-z))",
      .tex = R"(-a\,\bigl(t(1-p)+(1-t)p\bigr)^{\gamma}\,\bigl(t\ln p+(1-t)\ln(1-p)\bigr))",
      .source = "Lin, Goyal, Girshick, He, Dollar 2017, Focal Loss for Dense Object Detection, section 3",
      .notes =
          "a is 1 unless apply_class_balancing. gamma = 0 is binary_crossentropy. Soft targets are allowed. LOGITS "
          "are exact at any size. KERAS_CLIP clips p to [1e-7, 1 - 1e-7] inside the logarithms alone, as Keras does: "
          "outside only the factor m^gamma has a gradient. The gradient at p = t is 0 for gamma > 0, also for gamma < "
          "1, except under KERAS_CLIP with gamma = 1.",
      .peers =
          "Keras: from_logits takes the sigmoid and then clips, so that its value ends at 16.1 and its gradient "
          "vanishes; gamma < 1 gives NaN at p = t; averages over the last axis. torchvision's sigmoid_focal_loss: "
          "logits, alpha = 0.25 is on (a negative alpha switches it off), reduction none. Optax sigmoid_focal_loss: "
          "logits, alpha = None, one value per element. TensorFlow Addons sums over the last axis.",
      .kinks_note = "none inside the domain; with KERAS_CLIP the gradient jumps at the edges of the clip",
      .params = {{"alpha", 0.25, kUnit, "weight of the outcome 1; 1 - alpha that of 0"},
                 {"gamma", 2.0, kNonNegative, "how fast what is right is forgotten"},
                 Flag("apply_class_balancing", false, "whether alpha weighs the outcomes")},
      .forms = {{InputKind::kLogits},
                {InputKind::kProbabilities, ClipPolicy::kNone, kUnit},
                {InputKind::kProbabilities, ClipPolicy::kKeras, kUnit}},
      .target = kUnit,
      .examples = {{.origin = "Keras docstring of BinaryFocalCrossentropy, logits",
                    .target = {0, 1, 0, 0},
                    .prediction = {-18.6, .51, 2.94, -12.8},
                    .value = 2.764848,
                    .gradient = {0, -.135547, 1.127807, 0},
                    .digits = 5,
                    .form = {InputKind::kLogits}},
                   {.origin = "by hand: log 2 / 4",
                    .target = {1},
                    .prediction = {0},
                    .value = .17328680,
                    .gradient = {-.29828680},
                    .form = {InputKind::kLogits}},
                   {.origin = "Keras docstring of binary_focal_crossentropy, probabilities",
                    .target = {0, 1, 0, 0},
                    .prediction = {.6, .4, .4, .6},
                    .value = 1.071326,
                    .gradient = {1.999549, -1.999549, .675328, 1.999549},
                    .form = {InputKind::kProbabilities}}},
      .f64 = {8, 32},
      .tolerance_note =
          "F64: a power and a logarithm multiply their errors (4 and 15 ulp measured); where a soft target lets the "
          "terms of a slope or a second derivative cancel, the error is that of the terms.",
      .soft_targets_cancel = true,
      .conventions = {{.convention = Convention::kKeras},
                      {.convention = Convention::kTorch,
                       .input_kind = InputKind::kLogits,
                       .reduction = Reduction::kNone,
                       .params = {{"apply_class_balancing", 1}}},
                      {.convention = Convention::kOptax, .input_kind = InputKind::kLogits}},
      .smoothing = Smoothing::kBinary,
      .class_weights = true,
      .curvature = true,
  };
  static constexpr bool kClips = true;
  double alpha, gamma, apply_class_balancing;
  double clip_low, clip_high;

  template <Form kForm, class D, class V>
  HWY_INLINE Local<V> Of(D d, V prediction, V target) const {
    const V balance = hn::MulAdd(target, C(d, 2 * alpha - 1), C(d, 1 - alpha));
    Local<V> out;
    if constexpr (kForm.input_kind == InputKind::kLogits) {
      out = FromLogit(d, prediction, target);
    } else {
      out = FromProbability<kForm.clip_policy>(d, hn::Abs(prediction), target);  // Abs: -0 is the probability 0
    }
    if (apply_class_balancing == 0) return out;
    return {hn::Mul(balance, out.value), {hn::Mul(balance, out.slope[0])}, hn::Mul(balance, out.curvature)};
  }

 private:
  template <class D, class V>
  HWY_INLINE Local<V> FromLogit(D d, V x, V t) const {
    const V one = C(d, 1.0), size = hn::Abs(x);
    const V decay = DoubleExpOfNegative(d, hn::Neg(size)), whole = hn::Add(one, decay);
    const V sure = hn::Div(one, whole), unsure = hn::Mul(decay, sure);  // of the side that x is on
    // log(1 + decay), with what the sum has rounded away.
    const V log1p = hn::MulAdd(hn::Sub(decay, hn::Sub(whole, one)), sure, hn::Log(d, whole));
    const auto positive = hn::Ge(x, hn::Zero(d));
    const V no = hn::Sub(one, t);
    const V against = hn::IfThenElse(positive, no, t), with = hn::IfThenElse(positive, t, no);
    const auto right = hn::Eq(against, hn::Zero(d));  // a hard target, hit: m is exp(-|x|)/(1 + exp(-|x|))
    const V miss = hn::MulAdd(with, decay, against);  // m (1 + decay)
    const V b = hn::Add(hn::Mul(size, against), log1p);
    const V b_slope = hn::Mul(hn::NegMulAdd(with, decay, against), sure);  // with respect to |x|, as all that follows
    const V ratio = hn::IfThenElse(right, one, hn::Div(decay, miss));
    const V u = hn::Mul(hn::Sub(against, with), hn::Mul(ratio, sure));  // m'/m
    const V g = C(d, gamma);
    V power;
    if (gamma == 2) {  // the usual one
      const V m = hn::Mul(miss, sure);
      power = hn::Mul(m, m);
    } else {
      const V raised = hn::IfThenElse(right, ExpOfProduct(d, hn::Neg(size), g), Power(d, miss, gamma));
      power = hn::Mul(raised, hn::Exp(d, hn::Neg(hn::Mul(g, log1p))));
    }
    const V pull = hn::Mul(g, hn::Mul(u, b));
    const V slope = hn::Mul(power, hn::Add(pull, b_slope));
    const V bend = hn::MulAdd(C(d, gamma - 1), u, hn::Sub(unsure, sure));
    const V rest = hn::MulAdd(hn::Mul(C(d, 2 * gamma), u), b_slope, hn::Mul(sure, unsure));
    return {hn::Mul(power, b),
            {hn::IfThenElse(positive, slope, hn::Neg(slope))},
            hn::Mul(power, hn::MulAdd(pull, bend, rest))};
  }

  template <ClipPolicy kClip, class D, class V>
  HWY_INLINE Local<V> FromProbability(D d, V p, V t) const {
    const V one = C(d, 1.0), zero = hn::Zero(d);
    const V no = hn::Sub(one, t);
    const auto any_yes = hn::Ne(t, zero), any_no = hn::Ne(no, zero);
    V clipped = p;
    if constexpr (kClip == ClipPolicy::kKeras) clipped = hn::Clamp(p, C(d, clip_low), C(d, clip_high));
    const auto live = hn::Eq(clipped, p);
    const V q = hn::Sub(one, clipped);
    const V yes_part = hn::IfThenElseZero(any_yes, hn::Mul(t, LogOf(d, clipped)));
    const V no_part = hn::IfThenElseZero(any_no, hn::Mul(no, LogOfComplement(d, clipped)));
    const V b = hn::Sub(zero, hn::Add(yes_part, no_part));
    const V yes_slope = hn::IfThenElseZero(any_yes, hn::Div(t, clipped));
    const V no_slope = hn::IfThenElseZero(any_no, hn::Div(no, q));
    const V b_slope = hn::IfThenElseZero(live, hn::Sub(no_slope, yes_slope));
    const V yes_bend = hn::IfThenElseZero(any_yes, hn::Div(yes_slope, clipped));
    const V no_bend = hn::IfThenElseZero(any_no, hn::Div(no_slope, q));
    const V b_bend = hn::IfThenElseZero(live, hn::Add(no_bend, yes_bend));

    const V m = hn::MulAdd(t, hn::Sub(one, p), hn::Mul(no, p)), m_slope = hn::Sub(no, t);
    const V power = Power(d, m, gamma);
    if (gamma == 0) return {b, {b_slope}, b_bend};
    // m^(gamma - 1) and m^(gamma - 2); what they are multiplied by vanishes with m.
    const auto none = hn::Eq(m, zero);
    const V lower = hn::IfThenElse(none, C(d, gamma == 1 ? 1.0 : 0.0), hn::Div(power, m));
    const V lowest = hn::IfThenElse(none, C(d, gamma == 2 ? 1.0 : 0.0), hn::Div(lower, m));
    const V g = C(d, gamma);
    const V slope = hn::MulAdd(hn::Mul(g, lower), hn::Mul(m_slope, b), hn::Mul(power, b_slope));
    const V bend = hn::MulAdd(hn::Mul(C(d, 2 * gamma), lower), hn::Mul(m_slope, b_slope), hn::Mul(power, b_bend));
    V curvature = bend;
    if (gamma != 1) {
      const V pull = hn::Mul(hn::Mul(C(d, gamma * (gamma - 1)), lowest), hn::Mul(hn::Mul(m_slope, m_slope), b));
      curvature = hn::Add(pull, bend);
    }
    // Where p is impossible for t, B' outgrows B.
    return {hn::Mul(power, b),
            {hn::IfThenElse(hn::IsInf(b_slope), b_slope, slope)},
            hn::IfThenElse(hn::IsInf(b_bend), b_bend, curvature)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_CLASSIFICATION_BINARY_FOCAL_CROSSENTROPY_INL_H_
