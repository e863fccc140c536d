// Fenchel-Young: the loss that a regularised argmax makes.
//
//   W(s)    = max_p (p.s - R(p)) over the simplex, reached by p
//   value   = W(s) - t.s
//   slope   = p - t
//
// entropy: R = sum p log p, W = logsumexp, p = softmax: the softmax cross-entropy of targets that sum to 1.
// gini:    R = (sum p^2 - 1)/2, p = sparsemax.
//
// With the largest score taken out, W(s) = max s + W0 with W0 >= 0 a sum of terms >= 0:
//   value   = W0 + sum_c t_c (max s - s_c) + (1 - sum t) max s
//   slope_c = (1 - t_c) p_c - t_c (1 - p_c)
//   curvature_c = p_c (1 - p_c); gini: 1 - 1/n for the n classes with p_c > 0
// Source: Blondel, Martins and Niculae 2020, Learning with Fenchel-Young Losses, JMLR 21.

#if defined(LOSSD_CORE_LOSSES_MARGIN_FENCHEL_YOUNG_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_MARGIN_FENCHEL_YOUNG_INL_H_
#undef LOSSD_CORE_LOSSES_MARGIN_FENCHEL_YOUNG_INL_H_
#else
#define LOSSD_CORE_LOSSES_MARGIN_FENCHEL_YOUNG_INL_H_
#endif

#include "core/simd/answer-inl.h"
#include "core/simd/categorical-inl.h"
#include "core/simd/item-inl.h"
#include "core/simd/simplex-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct FenchelYoung {
  static constexpr Contract kContract = {
      .name = "fenchel_young",
      .family = Family::kRow,
      .aliases = {{"fenchel_young_loss"}, {"make_fenchel_young_loss"}},
      .summary = "the loss that a regularised argmax makes",
      .use =
          "Classification or structured prediction where the prediction is softmax (entropy) or sparsemax (gini) of "
          "the "
          "scores.",
      .formula = "W(s) - t.s; entropy: W = logsumexp; gini: W = max_p p.s + (1 - sum p^2)/2",
      .gradient = "p - t; entropy: p = softmax(s); gini: p = sparsemax(s)",
      .tex = R"(\Omega^*(s) - \langle t, s \rangle)",
      .source = "Blondel, Martins and Niculae 2020, Learning with Fenchel-Young Losses, JMLR 21",
      .notes =
          "The regulariser of the target itself, a constant, is left out: for a soft target the smallest value is not "
          "0. Targets need not sum to 1. 0 times an infinite score is 0.",
      .peers = "optax make_fenchel_young_loss(max_fun): entropy is max_fun = logsumexp.",
      .kinks_note = "none in the gradient; for gini its derivative jumps where a class enters the support",
      .params = {Choice("regularizer", {"entropy", "gini"}, 0, "entropy: softmax; gini: sparsemax")},
      .forms = {{InputKind::kLogits}},
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true", .shape = "... C", .summary = "probabilities of the classes"}},
      .target = kUnit,
      .examples = {{.origin = "by hand: log 2",
                    .target = {.25, .75},
                    .prediction = {0, 0},
                    .value = .69314718,
                    .gradient = {.25, -.25},
                    .form = {InputKind::kLogits}},
                   {.origin = "by hand: p = (0.25, 0.75), W = 0.375 + (1 - 0.625)/2, less 0.25",
                    .target = {.5, .5},
                    .prediction = {0, .5},
                    .value = .3125,
                    .gradient = {-.25, .25},
                    .form = {InputKind::kLogits},
                    .params = {1}}},
      .f64 = {4, 4},
      .tolerance_note = "a sum over the classes; where (1 - sum t) max s cancels it, in units of the larger",
      .soft_targets_cancel = true,
      .conventions = {{.convention = Convention::kOptax}},
      .smoothing = Smoothing::kClasses,
      .curvature = true,
  };
  double regularizer;

  static size_t Scratch(const Dims&, size_t width) { return width; }

  HWY_INLINE double operator()(const Item& x) const {
    const double *const s = x.in(0), *const t = x.in(1);
    double *const slope = x.slope(0), *const curvature = x.curvature();
    const size_t classes = x.width();
    double top, smooth;  // max s, W0
    if (regularizer == 0) {
      const RowMax<double> max = MaxOf(s, classes, -std::numeric_limits<double>::infinity());
      if (!max.sound) return Refuse(x);
      top = max.max;
      double* const mass = x.scratch();
      const Masses masses = LogitMasses(s, top, nullptr, classes, mass, [](size_t, auto, auto) {});
      smooth = Log1pScalar(masses.rest);
      const double sum = masses.sum();
      for (size_t c = 0; c < classes; ++c) {
        const double others = mass[c] == 1 ? masses.rest : sum - mass[c];
        if (slope != nullptr) slope[c] = ((1 - t[c]) * mass[c] - t[c] * others) / sum;
        if (curvature != nullptr) curvature[c] = (mass[c] / sum) * (others / sum);
      }
    } else {
      const Simplex p(s, classes, x.scratch());
      if (!p.sound()) return Refuse(x);
      top = p.top();
      const auto first = static_cast<size_t>(std::max_element(s, s + classes) - s);
      CarefulSum others, squares;
      for (size_t c = 0; c < classes; ++c) {
        const double share = c == first ? 0 : p(s[c]);
        others.Add(share);
        squares.Add(share * share);
        if (slope != nullptr) slope[c] = (1 - t[c]) * share - t[c] * (1 - share);
        if (curvature != nullptr) curvature[c] = p.Slope(s[c]);
      }
      const double q = others.Total();
      if (slope != nullptr) slope[first] = (1 - t[first]) * p(top) - t[first] * q;
      smooth = (q * q + squares.Total()) / 2;
    }
    CarefulSum value, left;
    left.Add(1);
    for (size_t c = 0; c < classes; ++c) {
      if (t[c] == 0) continue;
      left.Add(-t[c]);
      value.Add(t[c] * (top - s[c]));
    }
    if (left.Total() != 0) value.Add(left.Total() * top);
    value.Add(smooth);
    return value.Total();
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_MARGIN_FENCHEL_YOUNG_INL_H_
