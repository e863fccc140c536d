// Hinge embedding: draws a distance to 0 for the alike, pushes it beyond the margin for the others.
//
//   t = 1:  value = p                    slope = 1
//   t = -1: value = max(margin - p, 0)   slope = -[p < margin]
//   any other t: NaN
//
// Source: PyTorch, HingeEmbeddingLoss; Hadsell, Chopra and LeCun 2006, Dimensionality Reduction by Learning an
// Invariant Mapping.

#if defined(LOSSD_CORE_LOSSES_MARGIN_HINGE_EMBEDDING_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_MARGIN_HINGE_EMBEDDING_INL_H_
#undef LOSSD_CORE_LOSSES_MARGIN_HINGE_EMBEDDING_INL_H_
#else
#define LOSSD_CORE_LOSSES_MARGIN_HINGE_EMBEDDING_INL_H_
#endif

#include "core/simd/elementwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct HingeEmbedding {
  static constexpr Contract kContract = {
      .name = "hinge_embedding",
      .aliases = {{"HingeEmbeddingLoss"}},
      .summary = "draws a distance to 0 for the alike, pushes it beyond the margin for the others",
      .use = "Learning a distance from pairs that are marked alike (1) or different (-1). y_pred is the distance.",
      .formula = "y_pred where y_true = 1; max(margin - y_pred, 0) where y_true = -1",
      .gradient = "1 where y_true = 1; -1 where y_true = -1 and y_pred < margin, else 0",
      .tex = R"(t = 1:\ p \qquad t = -1:\ \max(m - p,\ 0))",
      .source = "Hadsell, Chopra and LeCun 2006, Dimensionality Reduction by Learning an Invariant Mapping",
      .notes = "A label other than -1 and 1 answers NaN.",
      .peers =
          "PyTorch adds both branches where a label is neither 1 nor -1; at y_pred = margin its gradient is -1 "
          "(ACTIVE).",
      .kinks_note = "at y_pred = margin for y_true = -1: 0 by default, what kink_policy says otherwise",
      .params = {{"margin", 1, kReal, "distance beyond which the different cost nothing"}},
      .target = {-1, 1},
      .examples = {{.origin = "by hand: 0.3 + (1 - 0.25) + 0",
                    .target = {1, -1, -1},
                    .prediction = {.3, .25, 2},
                    .value = 1.05,
                    .gradient = {1, -1, 0}}},
      .conventions = {{.convention = Convention::kTorch, .kink_policy = KinkPolicy::kActive}},
      .has_kinks = true,
      .curvature = true,
  };
  static constexpr bool kNative = true;
  static constexpr bool kPassesNan = true;
  double margin;
  double kink;

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V p, V t) const {
    const V one = C(d, 1.0);
    const V z = hn::Sub(C(d, margin), p);
    const auto alike = hn::Eq(t, one);
    const auto labelled = hn::And(hn::Eq(hn::Abs(t), one), hn::Eq(p, p));
    const V value = hn::IfThenElse(alike, p, hn::Max(z, hn::Zero(d)));
    const V slope = hn::IfThenElse(alike, one, hn::Neg(Step(d, z, kink)));
    return {hn::IfThenElse(labelled, value, hn::NaN(d)),
            {hn::IfThenElse(labelled, slope, hn::NaN(d))},
            hn::IfThenElse(labelled, hn::Zero(d), hn::NaN(d))};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_MARGIN_HINGE_EMBEDDING_INL_H_
