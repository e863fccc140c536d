// Categorical focal cross-entropy: categorical cross-entropy that forgets the rows it already has right.
//
//   value = alpha sum_c t_c (1 - s_c)^gamma (-log s_c),   s = softmax(y_pred) or y_pred / sum y_pred
//   slope, curvature: core/simd/softmax-inl.h, with phi(s) = (1 - s)^gamma (-log s) and r = 1 - s:
//   s phi'        = -r^gamma (1 + gamma (-s log s)/r)
//   s (s phi')'   = gamma r^(gamma - 1) ((gamma - 1) s (-s log s)/r + s log s + 2 s)
// r is known to full precision in a confident row, where (-s log s)/r goes to 1.
//
// Source: Lin, Goyal, Girshick, He, Dollar 2017, Focal Loss for Dense Object Detection; several classes as in Keras.

#if defined(LOSSD_CORE_LOSSES_CLASSIFICATION_CATEGORICAL_FOCAL_CROSSENTROPY_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_CLASSIFICATION_CATEGORICAL_FOCAL_CROSSENTROPY_INL_H_
#undef LOSSD_CORE_LOSSES_CLASSIFICATION_CATEGORICAL_FOCAL_CROSSENTROPY_INL_H_
#else
#define LOSSD_CORE_LOSSES_CLASSIFICATION_CATEGORICAL_FOCAL_CROSSENTROPY_INL_H_
#endif

#include "core/simd/focal-inl.h"
#include "core/simd/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct CategoricalFocalCrossentropy {
  static constexpr Contract kContract = {
      .name = "categorical_focal_crossentropy",
      .family = Family::kRow,
      .aliases = {{"softmax_focal_loss", InputKind::kLogits}},
      .summary = "categorical cross-entropy that forgets the rows it already has right",
      .use = "Classification where most rows are easy or one class is rare.",
      .formula = "alpha sum_c t_c (1 - s_c)^gamma (-log s_c), LOGITS: s = softmax(x); PROBABILITIES: s = p / sum p",
      .gradient =
          "with h_c = alpha t_c (gamma (1 - s_c)^(gamma - 1) log s_c - (1 - s_c)^gamma / s_c): LOGITS: h_c s_c - s_c "
          "sum_j h_j s_j; PROBABILITIES: (h_c - sum_j h_j s_j) / sum p",
      .tex = R"(-\alpha\sum_c t_c\,(1-s_c)^{\gamma}\ln s_c)",
      .source = "Lin, Goyal, Girshick, He, Dollar 2017, Focal Loss for Dense Object Detection, section 3",
      .notes =
          "Keras's list of alphas is alpha = 1 with class_weight. gamma = 0 is alpha times categorical_crossentropy. "
          "0 log 0 = 0. KERAS_CLIP clips s to [1e-7, 1 - 1e-7], in the factor too; clipped classes leave the "
          "gradient. A row with a NaN, a negative probability, no finite maximum or the sum 0 answers NaN.",
      .peers =
          "Keras: probabilities, clipped; from_logits takes the softmax and clips all the same. PyTorch and Optax "
          "have no such loss.",
      .kinks_note =
          "none inside the domain; with KERAS_CLIP the gradient jumps where a class meets the edge of the clip",
      .params = {{"alpha", 0.25, kNonNegative, "weight of all classes"},
                 {"gamma", 2.0, kNonNegative, "how fast what is right is forgotten"}},
      .forms = {{InputKind::kLogits},
                {InputKind::kProbabilities, ClipPolicy::kNone, kNonNegative},
                {InputKind::kProbabilities, ClipPolicy::kKeras, kNonNegative}},
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true", .shape = "... C", .summary = "probabilities of the classes"}},
      .target = kNonNegative,
      .examples = {{.origin = "Keras docstring of CategoricalFocalCrossentropy, second row",
                    .target = {0, 0, 1},
                    .prediction = {.1, .8, .1},
                    .value = .46627346,
                    .gradient = {.306116, .306116, -2.755047},
                    .form = {InputKind::kProbabilities, ClipPolicy::kKeras}},
                   {.origin = "by hand: log 2 / 16; (2 log 2 / 2 + 1/2) / 16",
                    .target = {1, 0},
                    .prediction = {0, 0},
                    .value = .04332170,
                    .gradient = {-.07457170, .07457170},
                    .form = {InputKind::kLogits}}},
      .f64 = {8, 128},
      .tolerance_note =
          "F64: a power and a logarithm multiply their errors (3 ulp measured); where soft targets let the terms of a "
          "slope or a second derivative cancel, the error is that of the terms.",
      .soft_targets_cancel = true,
      .conventions = {{.convention = Convention::kKeras}},
      .smoothing = Smoothing::kClasses,
      .class_weights = true,
      .class_mask = true,
      .curvature = true,
  };
  static constexpr bool kClips = true;
  double alpha, gamma;
  double clip_low, clip_high;

  static size_t Scratch(const Dims&, size_t width) { return SharesScratch(width); }

  HWY_INLINE double operator()(const Item& x) const {
    const bool clips = x.form().clip_policy == ClipPolicy::kKeras;
    const double below = clips ? alpha * Phi(clip_low) : 0, above = clips ? alpha * Phi(clip_high) : 0;
    return SumOverShares(x, [&](auto d, auto s, auto r, auto neg_log) HWY_ATTR {
      using V = decltype(s);
      const V zero = hn::Zero(d), one = C(d, 1.0), a = C(d, alpha), g = C(d, gamma);
      const auto any = hn::Gt(r, zero);
      const V entropy = hn::IfThenElseZero(hn::Gt(s, zero), hn::Mul(s, neg_log));
      const V odds = hn::IfThenElse(any, hn::Div(entropy, r), one);
      const V power = hn::Mul(a, Power(d, r, gamma));
      const V lower = hn::IfThenElseZero(any, hn::Div(power, r));
      const V bend = hn::MulAdd(C(d, gamma - 1), hn::Mul(s, odds), hn::MulAdd(C(d, 2.0), s, hn::Neg(entropy)));
      ShareTerm<V> term{hn::Mul(power, neg_log), hn::Neg(hn::Mul(power, hn::MulAdd(g, odds, one))),
                        hn::Mul(hn::Mul(g, lower), bend)};
      if (!clips) return term;
      const auto low = hn::Lt(s, C(d, clip_low)), high = hn::Gt(s, C(d, clip_high));
      term.value = hn::IfThenElse(low, C(d, below), hn::IfThenElse(high, C(d, above), term.value));
      term.once = hn::IfThenZeroElse(hn::Or(low, high), term.once);
      term.twice = hn::IfThenZeroElse(hn::Or(low, high), term.twice);
      return term;
    });
  }

 private:
  double Phi(double s) const {
    return -Scalar(1 - s, [&](auto d, auto v) HWY_ATTR { return Power(d, v, gamma); }) * LogScalar(s);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_CLASSIFICATION_CATEGORICAL_FOCAL_CROSSENTROPY_INL_H_
