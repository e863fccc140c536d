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
  static constexpr bool PassesNan(const Form& form) { return form.clip_policy != ClipPolicy::kTorchLogClamp; }

  // From a logit: e^-|x|, which is in (0, 1] and cannot overflow.
  template <Form kForm, class D, class V, class... W>
  HWY_INLINE std::array<V, 1> Prepare(D d, V prediction, V, W...) const
      requires(kForm.input_kind == InputKind::kLogits) {
    return {Decay(d, hn::Abs(prediction))};
  }
  // From a probability p: log p, log(1 - p) and 1/(1 - p).
  template <Form kForm, class D, class V, class... W>
  HWY_INLINE std::array<V, 3> Prepare(D d, V prediction, V, W...) const
      requires(kForm.input_kind == InputKind::kProbabilities && kForm.clip_policy != ClipPolicy::kTorchLogClamp) {
    const V p = Clipped<kForm>(d, prediction), one = C(d, 1.0);
    const V inverse = hn::Div(one, hn::Sub(one, p));
    if (HWY_LIKELY(hn::AllTrue(hn::RebindToUnsigned<D>(), Within(d, p, kTiny, 1)))) {
      return {LogOfNormal(d, p), LogOfOneLess(d, p), inverse};
    }
    return {LogOf(d, p), LogOfComplement(d, p), inverse};
  }

  template <Form kForm, class D, class V>
  HWY_INLINE Local<V> Of(D d, const std::array<V, kForm.input_kind == InputKind::kLogits ? 1 : 3>& prepared,
                         V prediction, V target, V pos_weight) const {
    const V no = hn::Sub(C(d, 1.0), target), yes = hn::Mul(pos_weight, target);
    if constexpr (kForm.input_kind == InputKind::kLogits) {
      const V all = hn::Add(no, yes);  // exactly 1 where the weight is 1
      const LogitParts<V> parts = FromLogit(d, prepared[0], prediction, yes, no);
      return {hn::MulAdd(all, parts.log1p, parts.hinge), {parts.slope}, hn::Mul(all, parts.bell)};
    } else {
      return FromProbability<kForm, /*kWeighted=*/true>(d, prepared, prediction, target, yes, no);
    }
  }
  template <Form kForm, class D, class V>
  HWY_INLINE Local<V> Of(D d, const std::array<V, kForm.input_kind == InputKind::kLogits ? 1 : 3>& prepared,
                         V prediction, V target) const {
    const V no = hn::Sub(C(d, 1.0), target);
    if constexpr (kForm.input_kind == InputKind::kLogits) {
      const LogitParts<V> parts = FromLogit(d, prepared[0], prediction, target, no);
      return {hn::Add(parts.log1p, parts.hinge), {parts.slope}, parts.bell};
    } else {
      return FromProbability<kForm, /*kWeighted=*/false>(d, prepared, prediction, target, target, no);
    }
  }
  template <Form kForm, class D, class V>
  HWY_INLINE Local<V> Of(D d, V prediction, V target, V pos_weight) const {
    return FromProbabilityLogClamp(d, prediction, target, hn::Mul(pos_weight, target), hn::Sub(C(d, 1.0), target));
  }

 private:
  static constexpr double kTiny = 0x1p-126;  // the smallest normal float

  // The hinge is (1 - t) max(x, 0) + w t max(-x, 0), the bell s(x) s(-x).
  template <class V>
  struct LogitParts {
    V log1p, hinge, slope, bell;
  };
  // yes = w t, no = 1 - t.
  template <class D, class V>
  static HWY_INLINE LogitParts<V> FromLogit(D d, V decay, V x, V yes, V no) {
    x = hn::Add(x, hn::Zero(d));  // of -0 some instruction sets see the sign and others do not
    // s(x) and s(-x) are 1/(1 + decay) and decay/(1 + decay), whichever way round x is.
    const V larger = hn::IfNegativeThenElse(x, yes, no);
    const V smaller = hn::IfNegativeThenElse(x, no, yes);
    const V whole = hn::Add(C(d, 1.0), decay);
    const V slope = hn::Div(hn::NegMulAdd(smaller, decay, larger), whole);
    return {Log1pOfUnit(d, decay), hn::Mul(hn::Abs(x), larger), hn::Xor(slope, hn::And(hn::SignBit(d), x)),
            hn::Div(hn::Div(decay, whole), whole)};
  }

  template <Form kForm, class D, class V>
  static HWY_INLINE V Clipped(D d, V prediction) {
    if constexpr (kForm.clip_policy == ClipPolicy::kKeras) return hn::Clamp(prediction, ClipLow(d), ClipHigh(d));
    return hn::Abs(prediction);  // -0 is the probability 0
  }
  // lo <= x < hi for 0 < lo, by the bits, of which those of NaN and of what is negative are larger.
  template <class D, class V>
  static HWY_INLINE auto Within(D d, V x, double lo, double hi) {
    const hn::RebindToUnsigned<D> du;
    const auto least = hn::BitCast(du, C(d, lo)), end = hn::BitCast(du, C(d, hi));
    return hn::Lt(hn::Sub(hn::BitCast(du, x), least), hn::Sub(end, least));
  }
  // Not in [0, 1].
  template <class D, class V>
  static HWY_INLINE hn::Mask<D> OutsideUnit(D d, V x) {
    return hn::Not(hn::And(hn::Ge(x, hn::Zero(d)), hn::Le(x, C(d, 1.0))));
  }

  template <Form kForm, bool kWeighted, class D, class V>
  static HWY_INLINE Local<V> FromProbability(D d, const std::array<V, 3>& prepared, V prediction, V target, V yes,
                                             V no) {
    constexpr bool kClips = kForm.clip_policy == ClipPolicy::kKeras;
    const V zero = hn::Zero(d), one = C(d, 1.0);
    const V p = Clipped<kForm>(d, prediction), q = hn::Sub(one, p);
    V yes_log = prepared[0], no_log = prepared[1], inverse = prepared[2], yes_slope = hn::Div(yes, p), value, slope;
    const auto finish = [&]() HWY_ATTR {
      value = hn::Sub(zero, hn::MulAdd(yes, yes_log, hn::Mul(no, no_log)));
      slope = hn::MulSub(no, inverse, yes_slope);
      if constexpr (kClips) slope = hn::IfThenElseZero(hn::Eq(p, prediction), slope);
    };
    V bend = Bend(d, p, q, yes, no);
    if constexpr (kClips) bend = hn::IfThenElseZero(hn::Eq(p, prediction), bend);

    // Where neither logarithm is infinite nothing has to be selected: the same bits with fewer operations.
    const hn::RebindToUnsigned<D> du;
    auto usual =
        hn::And(Within(d, prediction, kTiny, 1), hn::Not(hn::Gt(hn::BitCast(du, target), hn::BitCast(du, one))));
    if constexpr (kWeighted && kClips) usual = hn::And(usual, hn::RebindMask(du, hn::Eq(yes, yes)));  // no NaN to lose
    if (HWY_LIKELY(hn::AllTrue(du, usual))) {
      finish();
      return {value, {slope}, bend};
    }
    const auto any_yes = hn::Ne(yes, zero), any_no = hn::Ne(no, zero);
    yes_log = hn::IfThenElseZero(any_yes, yes_log);
    no_log = hn::IfThenElseZero(any_no, no_log);
    yes_slope = hn::IfThenElseZero(any_yes, yes_slope);
    inverse = hn::IfThenElseZero(any_no, inverse);
    finish();
    const auto poisoned = hn::Or(OutsideUnit(d, prediction), hn::IsNaN(yes));
    const auto sound = [&](V v) HWY_ATTR { return hn::IfThenElse(poisoned, hn::NaN(d), v); };
    return {sound(value), {sound(slope)}, sound(bend)};
  }
  // The second derivative.
  template <class D, class V>
  static HWY_INLINE V Bend(D d, V p, V q, V yes, V no) {
    const V zero = hn::Zero(d);
    const V of_yes = hn::IfThenElseZero(hn::Ne(yes, zero), hn::Div(hn::Div(yes, p), p));
    const V of_no = hn::IfThenElseZero(hn::Ne(no, zero), hn::Div(hn::Mul(no, hn::Div(C(d, 1.0), q)), q));
    return hn::Add(of_no, of_yes);
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
