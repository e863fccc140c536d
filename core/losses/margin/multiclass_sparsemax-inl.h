// Multiclass sparsemax: a softmax cross-entropy that is exactly 0 from a margin on.
//
//   p     = the projection of s onto the simplex (core/simd/simplex-inl.h)
//   value = sum_c p_c (s_c - s_y) + (1 - sum p^2)/2
//         = (q^2 + sum_{c != y} p_c^2)/2 + (how far s_y lies below the support), q = sum_{c != y} p_c
//   slope = p - onehot(y), -q for y
//   curvature_c = 1 - 1/n for the n classes with p_c > 0
//
// The second form of the value is a sum of terms >= 0.
// Source: Martins and Astudillo 2016, From Softmax to Sparsemax, ICML.

#if defined(LOSSD_CORE_LOSSES_MARGIN_MULTICLASS_SPARSEMAX_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_MARGIN_MULTICLASS_SPARSEMAX_INL_H_
#undef LOSSD_CORE_LOSSES_MARGIN_MULTICLASS_SPARSEMAX_INL_H_
#else
#define LOSSD_CORE_LOSSES_MARGIN_MULTICLASS_SPARSEMAX_INL_H_
#endif

#include <algorithm>

#include "core/simd/answer-inl.h"
#include "core/simd/item-inl.h"
#include "core/simd/simplex-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct MulticlassSparsemax {
  static constexpr Contract kContract = {
      .name = "multiclass_sparsemax",
      .family = Family::kRow,
      .aliases = {{"multiclass_sparsemax_loss"}},
      .summary = "a softmax cross-entropy that is exactly 0 from a margin on",
      .use = "Classification by logits, with probabilities of which many are exactly 0.",
      .formula = "sum_c p_c (s_c - s_y) + (1 - sum p^2)/2, p = sparsemax(s)",
      .gradient = "sparsemax(s) - onehot(y)",
      .tex = R"(\sum_c p_c (s_c - s_y) + \tfrac12 \bigl(1 - \lVert p \rVert^2\bigr),\ p = \operatorname{sparsemax}(s))",
      .source = "Martins and Astudillo 2016, From Softmax to Sparsemax, ICML",
      .peers =
          "optax multiclass_sparsemax_loss; TensorFlow Addons SparsemaxLoss, which takes one-hot targets (that name is "
          "the binary sparsemax of optax here).",
      .kinks_note = "none in the gradient; its derivative jumps where a class enters the support",
      .forms = {{InputKind::kLogits}},
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true", .content = Content::kIndex}},
      .examples = {{.origin = "by hand: p = (0.25, 0.75), value (0.75^2 + 0.75^2)/2",
                    .target = {0},
                    .prediction = {0, .5},
                    .value = .5625,
                    .gradient = {-.75, .75},
                    .form = {InputKind::kLogits}},
                   {.origin = "test of optax: a large score for the label",
                    .target = {1},
                    .prediction = {0, 1e5, 0},
                    .value = 0,
                    .gradient = {0, 0, 0},
                    .form = {InputKind::kLogits}}},
      .conventions = {{.convention = Convention::kOptax}},
      .class_weights = true,
      .curvature = true,
  };

  static size_t Scratch(const Dims&, size_t width) { return width; }

  HWY_INLINE double operator()(const Item& x) const {
    const double* const s = x.in(0);
    double* const slope = x.slope(0);
    const size_t classes = x.width();
    const auto label = static_cast<size_t>(x.index(1)[0]);
    const Simplex p(s, classes, x.scratch());
    if (!p.sound()) return Refuse(x);
    CarefulSum others, squares;
    for (size_t c = 0; c < classes; ++c) {
      const double share = c == label ? 0 : p(s[c]);
      others.Add(share);
      squares.Add(share * share);
      if (slope != nullptr) slope[c] = share;
      if (x.curvature() != nullptr) x.curvature()[c] = p.Slope(s[c]);
    }
    const double q = others.Total();
    if (slope != nullptr) slope[label] = -q;
    return (q * q + squares.Total()) / 2 + p.Below(s[label]);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_MARGIN_MULTICLASS_SPARSEMAX_INL_H_
