// Poly-1 cross-entropy: categorical cross-entropy plus epsilon times the probability that is missed.
//
//   value = sum_c t_c (-log s_c + epsilon (1 - s_c)),   s = softmax(y_pred)
//   slope, curvature: core/simd/softmax-inl.h, with s phi' = -(1 - s) - (1 + epsilon) s and s (s phi')' = -epsilon s
//
// Source: Leng et al. 2022, PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions, equation 6.

#if defined(LOSSD_CORE_LOSSES_CLASSIFICATION_POLY1_CROSS_ENTROPY_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_CLASSIFICATION_POLY1_CROSS_ENTROPY_INL_H_
#undef LOSSD_CORE_LOSSES_CLASSIFICATION_POLY1_CROSS_ENTROPY_INL_H_
#else
#define LOSSD_CORE_LOSSES_CLASSIFICATION_POLY1_CROSS_ENTROPY_INL_H_
#endif

#include "core/simd/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Poly1CrossEntropy {
  static constexpr Contract kContract = {
      .name = "poly1_cross_entropy",
      .family = Family::kRow,
      .aliases = {{"poly_loss_cross_entropy"}, {"poly1"}, {"poly_loss"}},
      .summary = "categorical cross-entropy plus epsilon times the probability that is missed",
      .use = "Classification; the one number epsilon tunes how much confident rows still count.",
      .formula = "sum_c t_c (logsumexp(x) - x_c + epsilon (1 - s_c)), s = softmax(x)",
      .gradient = "s_c sum_j w_j - w_c, w_c = t_c (1 + epsilon s_c)",
      .tex = R"(\sum_c t_c\,\bigl(-\ln s_c+\epsilon\,(1-s_c)\bigr))",
      .source =
          "Leng et al. 2022, PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions, equation 6",
      .notes =
          "epsilon = 2 suits classification, -1 detection; 0 is categorical_crossentropy. 0 log 0 = 0. A row with a "
          "NaN or no finite maximum answers NaN.",
      .peers = "Optax: poly_loss_cross_entropy(epsilon=2.0), the same formula. Keras and PyTorch have no such loss.",
      .params = {{"epsilon", 2.0, kReal, "weight of the missed probability"}},
      .forms = {{InputKind::kLogits}},
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true", .shape = "... C", .summary = "probabilities of the classes"}},
      .target = kNonNegative,
      .examples = {{.origin = "by hand: log 2 + 1",
                    .target = {1, 0},
                    .prediction = {0, 0},
                    .value = 1.69314718,
                    .gradient = {-1, 1},
                    .form = {InputKind::kLogits}},
                   {.origin = "by hand: log 2 - 1/2",
                    .target = {.25, .75},
                    .prediction = {3, 3},
                    .value = .19314718,
                    .gradient = {.125, -.125},
                    .form = {InputKind::kLogits},
                    .params = {-1}}},
      .f64 = {4, 128},
      .tolerance_note =
          "F64: a second derivative is a difference; near its zero the error is that of its terms (73 ulp measured).",
      .soft_targets_cancel = true,
      .conventions = {{.convention = Convention::kOptax}},
      .smoothing = Smoothing::kClasses,
      .class_weights = true,
      .class_mask = true,
      .curvature = true,
  };
  double epsilon;

  static size_t Scratch(const Dims&, size_t width) { return SharesScratch(width); }

  HWY_INLINE double operator()(const Item& x) const {
    return SumOverShares(x, [&](auto d, auto s, auto r, auto neg_log) HWY_ATTR {
      return ShareTerm<decltype(s)>{hn::MulAdd(C(d, epsilon), r, neg_log), hn::Neg(hn::MulAdd(C(d, 1 + epsilon), s, r)),
                                    hn::Mul(C(d, -epsilon), s)};
    });
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_CLASSIFICATION_POLY1_CROSS_ENTROPY_INL_H_
