// Binary cross-entropy: the log-likelihood of yes-or-no outcomes, hard or soft.
//
// From a logit x (t the target, s = sigmoid):
//   value = max(x, 0) - x t + log1p(exp(-|x|))
//   slope = (1 - t) s(x) - t s(-x)              s(x) - t without its cancellation at confident predictions
// From a probability p:
//   value = -(t log p + (1 - t) log(1 - p))     0 log 0 = 0
//   slope = (1 - t)/(1 - p) - t/p
//
// Source: Goodfellow, Bengio, Courville 2016, Deep Learning, section 6.2.2.2.

#if defined(LOSSD_CORE_LOSSES_CLASSIFICATION_BINARY_CROSSENTROPY_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_CLASSIFICATION_BINARY_CROSSENTROPY_INL_H_
#undef LOSSD_CORE_LOSSES_CLASSIFICATION_BINARY_CROSSENTROPY_INL_H_
#else
#define LOSSD_CORE_LOSSES_CLASSIFICATION_BINARY_CROSSENTROPY_INL_H_
#endif

#include "core/simd/elementwise-inl.h"
#include "core/simd/probability-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct BinaryCrossentropy {
  static constexpr Contract kContract = {
      .name = "binary_crossentropy",
      .aliases = {{"bce"},
                  {"BinaryCrossentropy"},
                  {"binary_cross_entropy"},
                  {"BCELoss", InputKind::kProbabilities},
                  {"BCEWithLogitsLoss", InputKind::kLogits},
                  {"bce_with_logits", InputKind::kLogits},
                  {"binary_cross_entropy_with_logits", InputKind::kLogits},
                  {"sigmoid_cross_entropy", InputKind::kLogits},
                  {"sigmoid_binary_cross_entropy", InputKind::kLogits}},
      .summary = "the log-likelihood of yes-or-no outcomes, hard or soft",
      .formula = "LOGITS: max(x, 0) - x t + log(1 + exp(-|x|)); PROBABILITIES: -(t log p + (1 - t) log(1 - p))",
      .gradient = "LOGITS: sigmoid(x) - t; PROBABILITIES: (1 - t)/(1 - p) - t/p",
      .source = "Goodfellow, Bengio, Courville 2016, Deep Learning, section 6.2.2.2",
      .notes =
          "Natural logarithm. KERAS_CLIP clips p to [1e-7, 1 - 1e-7] in the dtype of y_pred and gives gradient 0 "
          "outside; "
          "TORCH_LOG_CLAMP clamps the logarithm at -100 and divides the gradient by max(p (1 - p), 1e-12). "
          "An item whose probability is outside [0, 1] is NaN, clipped or not.",
      .kinks_note = "none inside the domain; with KERAS_CLIP the gradient jumps to 0 outside the closed clip interval",
      .forms = {{InputKind::kLogits},
                {InputKind::kProbabilities, ClipPolicy::kNone, kUnit},
                {InputKind::kProbabilities, ClipPolicy::kKeras, kUnit},
                {InputKind::kProbabilities, ClipPolicy::kTorchLogClamp, kUnit}},
      .target = kUnit,
      .examples = {{.origin = "Keras docstring of BinaryCrossentropy, logits",
                    .target = {0, 1, 0, 0},
                    .prediction = {-18.6, .51, 2.94, -12.8},
                    .value = 3.461832,
                    .gradient = {8.4e-9, -.375194, .949788, 2.76e-6},
                    .digits = 4,
                    .form = {InputKind::kLogits}},
                   {.origin = "Keras docstring of BinaryCrossentropy, probabilities",
                    .target = {0, 1, 0, 0},
                    .prediction = {.6, .4, .4, .6},
                    .value = 3.259698,
                    .gradient = {2.5, -2.5, 1.666667, 2.5},
                    .form = {InputKind::kProbabilities}},
                   {.origin = "tiny log: -log 1e-7 under the clip, gradient 0",
                    .target = {1},
                    .prediction = {0},
                    .value = 16.118096,
                    .gradient = {0},
                    .form = {InputKind::kProbabilities, ClipPolicy::kKeras}},
                   {.origin = "PyTorch documents the clamp at -100; 1/1e-12",
                    .target = {1},
                    .prediction = {0},
                    .value = 100,
                    .gradient = {-1e12},
                    .form = {InputKind::kProbabilities, ClipPolicy::kTorchLogClamp}}},
      .soft_targets_cancel = true,
  };
  static constexpr bool kNative = true;

  template <Form kForm, class D, class V>
  HWY_INLINE ValueSlope<V> Of(D d, V prediction, V target) const {
    if constexpr (kForm.input_kind == InputKind::kLogits) {
      return FromLogit(d, prediction, target);
    } else if constexpr (kForm.clip_policy == ClipPolicy::kKeras) {
      const V clipped = hn::Clamp(prediction, ClipLow(d), ClipHigh(d));
      const ValueSlope<V> inside = FromProbability(d, clipped, target);
      return {inside.value, {hn::IfThenElseZero(hn::Eq(clipped, prediction), inside.slope[0])}};
    } else if constexpr (kForm.clip_policy == ClipPolicy::kTorchLogClamp) {
      return FromProbabilityLogClamp(d, prediction, target);
    } else {
      return FromProbability(d, hn::Abs(prediction), target);  // Abs: -0 is the probability 0
    }
  }

 private:
  template <class D, class V>
  static HWY_INLINE ValueSlope<V> FromLogit(D d, V x, V t) {
    const V one = C(d, 1.0);
    const V decay = hn::Exp(d, hn::Neg(hn::Abs(x)));  // (0, 1]: cannot overflow
    // s(x) and s(-x) are 1/(1 + decay) and decay/(1 + decay), whichever way round x is.
    const auto positive = hn::Ge(x, hn::Zero(d));
    const V no = hn::Sub(one, t);
    const V larger = hn::IfThenElse(positive, no, t);
    const V smaller = hn::IfThenElse(positive, t, no);
    const V slope = hn::Div(hn::NegMulAdd(smaller, decay, larger), hn::Add(one, decay));
    const V hinge = hn::Mul(hn::Abs(x), larger);  // max(x, 0) - x t without a difference
    return {hn::Add(hinge, hn::Log1p(d, decay)), hn::IfThenElse(positive, slope, hn::Neg(slope))};
  }

  template <class D, class V>
  static HWY_INLINE ValueSlope<V> FromProbability(D d, V p, V t) {
    const V zero = hn::Zero(d), one = C(d, 1.0);
    const V no = hn::Sub(one, t);
    const auto any_yes = hn::Ne(t, zero);
    const auto any_no = hn::Ne(no, zero);
    const V yes_value = hn::IfThenElseZero(any_yes, hn::Mul(t, LogOf(d, p)));
    const V no_value = hn::IfThenElseZero(any_no, hn::Mul(no, LogOfComplement(d, p)));
    const V yes_slope = hn::IfThenElseZero(any_yes, hn::Div(t, p));
    const V no_slope = hn::IfThenElseZero(any_no, hn::Div(no, hn::Sub(one, p)));
    return {hn::Sub(zero, hn::Add(yes_value, no_value)), hn::Sub(no_slope, yes_slope)};
  }

  template <class D, class V>
  static HWY_INLINE ValueSlope<V> FromProbabilityLogClamp(D d, V p, V t) {
    const V one = C(d, 1.0), floor = C(d, -100.0);
    const V yes_value = hn::Mul(t, hn::Max(LogOf(d, p), floor));
    const V no_value = hn::Mul(hn::Sub(one, t), hn::Max(LogOfComplement(d, p), floor));
    const V spread = hn::Max(hn::Mul(p, hn::Sub(one, p)), C(d, 1e-12));
    return {hn::Sub(hn::Zero(d), hn::Add(yes_value, no_value)), hn::Div(hn::Sub(p, t), spread)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_CLASSIFICATION_BINARY_CROSSENTROPY_INL_H_
