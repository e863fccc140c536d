// Binary cross-entropy: the log-likelihood of yes-or-no outcomes, hard or soft.
//
// From a logit x (t the target, s = sigmoid), w = pos_weight:
//   value     = (1 - t) softplus(x) + w t softplus(-x)     w = 1: max(x, 0) - x t + log1p(exp(-|x|))
//   slope     = (1 - t) s(x) - w t s(-x)                   s(x) - t without its cancellation at confident predictions
//   curvature = (1 - t + w t) s(x) s(-x)
// From a probability p:
//   value = -(w t log p + (1 - t) log(1 - p))     0 log 0 = 0
//   slope = (1 - t)/(1 - p) - w t/p,   curvature = (1 - t)/(1 - p)^2 + w t/p^2
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
#include "core/simd/exp-inl.h"
#include "core/simd/probability-inl.h"
#include "core/simd/softplus-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct BinaryCrossentropy {
  static constexpr Contract kContract = {
      .name = "binary_crossentropy",
      .aliases = {{"bce"},
                  {"BCELoss", InputKind::kProbabilities},
                  {"BCEWithLogitsLoss", InputKind::kLogits},
                  {"bce_with_logits", InputKind::kLogits},
                  {"binary_cross_entropy_with_logits", InputKind::kLogits},
                  {"sigmoid_cross_entropy", InputKind::kLogits},
                  {"sigmoid_binary_cross_entropy", InputKind::kLogits}},
      .summary = "the log-likelihood of yes-or-no outcomes, hard or soft",
      .use =
          "Two classes, or any number of labels that hold independently of each other. Prefer logits: they cannot "
          "saturate.",
      .formula = "LOGITS: max(x, 0) - x t + log(1 + exp(-|x|)); PROBABILITIES: -(t log p + (1 - t) log(1 - p))",
      .gradient = "LOGITS: sigmoid(x) - t; PROBABILITIES: (1 - t)/(1 - p) - t/p",
      .tex = R"(-w\,t\ln p-(1-t)\ln(1-p),\quad p=\sigma(x))",
      .source = "Goodfellow, Bengio, Courville 2016, Deep Learning, section 6.2.2.2",
      .notes =
          "Natural logarithm. KERAS_CLIP clips p to [1e-7, 1 - 1e-7] in the dtype of y_pred and gives gradient 0 "
          "outside; TORCH_LOG_CLAMP clamps the logarithm at -100 and divides the gradient by max(p (1 - p), 1e-12). "
          "An item whose probability is outside [0, 1] is NaN, clipped or not. pos_weight multiplies the term of t.",
      .peers =
          "Keras: probabilities by default, clipped; averages over the last axis; its NumPy backend takes the sigmoid "
          "and clips even from logits. PyTorch: BCELoss clamps the logarithm at -100 and refuses probabilities "
          "outside [0, 1]; BCEWithLogitsLoss has pos_weight; the mean is over elements, weighted or not. Optax: "
          "logits only, one value per element.",
      .kinks_note = "none inside the domain; with KERAS_CLIP the gradient jumps to 0 outside the closed clip interval",
      .forms = {{InputKind::kLogits},
                {InputKind::kProbabilities, ClipPolicy::kNone, kUnit},
                {InputKind::kProbabilities, ClipPolicy::kKeras, kUnit},
                {InputKind::kProbabilities, ClipPolicy::kTorchLogClamp, kUnit}},
      .inputs = {{.name = "y_pred", .differentiable = true},
                 {.name = "y_true"},
                 {.name = "pos_weight",
                  .shape = "C",
                  .optional = true,
                  .fallback = 1,
                  .summary =
                      "multiplies the term of t, by class or one for all; BCEWithLogitsLoss has it, BCELoss does not"}},
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
      .conventions = {{.convention = Convention::kKeras},
                      {.convention = Convention::kTorch,
                       .input_kind = InputKind::kProbabilities,
                       .clip_policy = ClipPolicy::kTorchLogClamp},
                      {.convention = Convention::kOptax, .input_kind = InputKind::kLogits}},
      .smoothing = Smoothing::kBinary,
      .class_weights = true,
      .curvature = true,
  };
  static constexpr bool kNative = true;
  static constexpr bool PassesNan(const Form& form) { return form.input_kind == InputKind::kLogits; }

  template <Form kForm, class D, class V>
  HWY_INLINE Local<V> Of(D d, V prediction, V target, V pos_weight) const {
    const V yes = hn::Mul(pos_weight, target), no = hn::Sub(C(d, 1.0), target);
    if constexpr (kForm.input_kind == InputKind::kLogits) {
      return FromLogit(d, prediction, yes, no);
    } else if constexpr (kForm.clip_policy == ClipPolicy::kKeras) {
      const V clipped = hn::Clamp(prediction, ClipLow(d), ClipHigh(d));
      const Local<V> inside = FromProbability(d, clipped, yes, no);
      const auto live = hn::Eq(clipped, prediction);
      return {inside.value, {hn::IfThenElseZero(live, inside.slope[0])}, hn::IfThenElseZero(live, inside.curvature)};
    } else if constexpr (kForm.clip_policy == ClipPolicy::kTorchLogClamp) {
      return FromProbabilityLogClamp(d, prediction, target, yes, no);
    } else {
      return FromProbability(d, hn::Abs(prediction), yes, no);  // Abs: -0 is the probability 0
    }
  }

 private:
  // yes = w t and no = 1 - t, which add up to exactly 1 where w is 1.
  template <class D, class V>
  static HWY_INLINE Local<V> FromLogit(D d, V x, V yes, V no) {
    const V one = C(d, 1.0);
    const V decay = Decay(d, hn::Abs(x));  // (0, 1]: cannot overflow
    // s(x) and s(-x) are 1/(1 + decay) and decay/(1 + decay), whichever way round x is.
    const auto positive = hn::Ge(x, hn::Zero(d));
    const V larger = hn::IfThenElse(positive, no, yes);
    const V smaller = hn::IfThenElse(positive, yes, no);
    const V all = hn::Add(no, yes), whole = hn::Add(one, decay);
    const V slope = hn::Div(hn::NegMulAdd(smaller, decay, larger), whole);
    const V hinge = hn::Mul(hn::Abs(x), larger);  // max(x, 0) - x t without a difference
    return {hn::MulAdd(all, Log1pOfUnit(d, decay), hinge),
            {hn::IfThenElse(positive, slope, hn::Neg(slope))},
            hn::Div(hn::Div(hn::Mul(all, decay), whole), whole)};
  }

  template <class D, class V>
  static HWY_INLINE Local<V> FromProbability(D d, V p, V yes, V no) {
    const V zero = hn::Zero(d), one = C(d, 1.0);
    const auto any_yes = hn::Ne(yes, zero);
    const auto any_no = hn::Ne(no, zero);
    const V yes_value = hn::IfThenElseZero(any_yes, hn::Mul(yes, LogOf(d, p)));
    const V no_value = hn::IfThenElseZero(any_no, hn::Mul(no, LogOfComplement(d, p)));
    const V yes_slope = hn::IfThenElseZero(any_yes, hn::Div(yes, p));
    const V no_slope = hn::IfThenElseZero(any_no, hn::Mul(no, hn::Div(one, hn::Sub(one, p))));
    const V yes_bend = hn::IfThenElseZero(any_yes, hn::Div(yes_slope, p));
    const V no_bend = hn::IfThenElseZero(any_no, hn::Div(no_slope, hn::Sub(one, p)));
    return {hn::Sub(zero, hn::Add(yes_value, no_value)), {hn::Sub(no_slope, yes_slope)}, hn::Add(no_bend, yes_bend)};
  }

  template <class D, class V>
  static HWY_INLINE Local<V> FromProbabilityLogClamp(D d, V p, V t, V yes, V no) {
    const V one = C(d, 1.0), floor = C(d, -100.0);
    const V yes_value = hn::Mul(yes, hn::Max(LogOf(d, p), floor));
    const V no_value = hn::Mul(no, hn::Max(LogOfComplement(d, p), floor));
    const V q = hn::Sub(one, p);
    const V product = hn::Mul(p, q), floor_of_product = C(d, 1e-12);
    const V spread = hn::Max(product, floor_of_product);
    const V weighted = hn::Sub(hn::Mul(no, p), hn::Mul(yes, q));  // p - t where pos_weight is 1
    const V pull = hn::IfThenElse(hn::Eq(yes, t), hn::Sub(p, t), weighted);
    // The derivative of the slope: that of the numerator alone on the floor.
    const V bend = hn::Add(hn::Div(hn::Div(yes, p), p), hn::Div(hn::Div(no, q), q));
    const V bend_on_floor = hn::Div(hn::Add(no, yes), spread);
    return {hn::Sub(hn::Zero(d), hn::Add(yes_value, no_value)),
            {hn::Div(pull, spread)},
            hn::IfThenElse(hn::Lt(product, floor_of_product), bend_on_floor, bend)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_CLASSIFICATION_BINARY_CROSSENTROPY_INL_H_
