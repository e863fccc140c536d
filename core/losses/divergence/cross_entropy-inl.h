// Cross-entropy as in the books: no normalisation, no clip.
//
//   value       = -sum_c t_c ln p_c
//   slope of p  = -t_c / p_c                 of ln p: -t_c
//   curvature   = t_c / p_c^2                of ln p: 0
//   slope of t  = -ln p_c
//
// 0 ln 0 = 0: a class with t_c = 0 adds nothing, wherever its prediction lies.
// Source: Cover and Thomas 2006, Elements of Information Theory, section 2.3 (entropy plus divergence).

#if defined(LOSSD_CORE_LOSSES_DIVERGENCE_CROSS_ENTROPY_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_DIVERGENCE_CROSS_ENTROPY_INL_H_
#undef LOSSD_CORE_LOSSES_DIVERGENCE_CROSS_ENTROPY_INL_H_
#else
#define LOSSD_CORE_LOSSES_DIVERGENCE_CROSS_ENTROPY_INL_H_
#endif

#include "core/simd/divergence_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct CrossEntropy {
  static constexpr Contract kContract = {
      .name = "cross_entropy",
      .family = Family::kRow,
      .aliases = {{"plain_cross_entropy"}},
      .summary = "-sum t ln p as it stands: no normalisation, no clip",
      .use = "Rows that are distributions already. For scores of a classifier use categorical_crossentropy.",
      .formula = "-sum_c t_c ln p_c",
      .gradient = "y_pred: -t_c/p_c (LOG_PROBABILITIES: -t_c); y_true: -ln p_c",
      .tex = "-\\sum_c t_c \\ln p_c",
      .source = "Cover and Thomas 2006, Elements of Information Theory, section 2.3",
      .notes =
          "Natural logarithm; 0 ln 0 = 0: a class with t_c = 0 has slope 0 for y_pred, even at p_c = 0. The slope for "
          "y_true is +inf at p_c = 0.",
      .peers =
          "Keras's CategoricalCrossentropy divides p by its sum and clips it; PyTorch's CrossEntropyLoss and optax "
          "take logits: all three are categorical_crossentropy here.",
      .forms = {{InputKind::kProbabilities, ClipPolicy::kNone, kNonNegative}, {InputKind::kLogProbabilities}},
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true",
                  .shape = "... C",
                  .differentiable = true,
                  .domain = kNonNegative,
                  .summary = "probabilities of the classes"}},
      .target = kNonNegative,
      .examples = {{.origin = "by hand: -0.5 ln 0.25 - 0.5 ln 0.75",
                    .target = {.5, .5},
                    .prediction = {.25, .75},
                    .value = .83698822,
                    .gradient = {-2, -.66666667},
                    .form = {InputKind::kProbabilities}}},
      .smoothing = Smoothing::kClasses,
      .class_weights = true,
      .curvature = true,
  };

  HWY_INLINE double operator()(const Item& x) const {
    return x.form().input_kind == InputKind::kLogProbabilities ? Of<true>(x) : Of<false>(x);
  }

 private:
  template <bool kLog>
  static HWY_INLINE double Of(const Item& x) {
    const Tag<double> d;
    using V = hn::Vec<Tag<double>>;
    const V zero = hn::Zero(d);
    const bool curves = x.curvature() != nullptr;
    LaneSum value;
    EachVector<2, 3>(
        x.width(), {x.in(0), x.in(1)}, {0.0, 0.0}, {x.slope(0), x.slope(1), x.curvature()},
        [&](size_t at, const std::array<V, 2>& in) HWY_ATTR -> std::array<V, 3> {
          const V p = in[0], t = in[1];
          const V cost = hn::Neg(kLog ? p : LogOf(d, p));
          value.Add(at, Times(d, t, cost));
          if constexpr (kLog) return {hn::Neg(t), cost, zero};
          const auto nothing = hn::Eq(t, zero);
          const V slope = hn::IfThenZeroElse(nothing, hn::Div(t, p));
          return {hn::Neg(slope), cost, curves ? hn::IfThenZeroElse(nothing, hn::Div(slope, hn::Abs(p))) : zero};
        });
    return value.Total();
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_DIVERGENCE_CROSS_ENTROPY_INL_H_
