// Total variation: half the absolute difference of two distributions, the largest difference they give to any event.
//
//   value   = 1/2 sum_c |p_c - t_c|
//   slope_c = 1/2 sign(p_c - t_c)
//
// Source: Levin, Peres and Wilmer 2009, Markov Chains and Mixing Times, proposition 4.2.

#if defined(LOSSD_CORE_LOSSES_DIVERGENCE_TOTAL_VARIATION_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_DIVERGENCE_TOTAL_VARIATION_INL_H_
#undef LOSSD_CORE_LOSSES_DIVERGENCE_TOTAL_VARIATION_INL_H_
#else
#define LOSSD_CORE_LOSSES_DIVERGENCE_TOTAL_VARIATION_INL_H_
#endif

#include "core/simd/divergence_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct TotalVariation {
  static constexpr Contract kContract = {
      .name = "total_variation",
      .family = Family::kRow,
      .aliases = {{"total_variation_distance"}, {"tvd"}},
      .summary = "half the absolute difference of two distributions",
      .use = "A bounded, robust distance between distributions; distillation of language models.",
      .formula = "1/2 sum_c |p_c - t_c|",
      .gradient = "1/2 sign(p_c - t_c)",
      .tex = "\\tfrac12 \\sum_c |p_c - t_c|",
      .source = "Levin, Peres and Wilmer 2009, Markov Chains and Mixing Times, proposition 4.2",
      .notes = "Rows need not be normalised.",
      .peers = "Not in Keras, PyTorch or optax.",
      .kinks_note = "p_c = t_c, where 0 is returned",
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true", .shape = "... C", .summary = "probabilities of the classes"}},
      .examples = {{.origin = "by hand",
                    .target = {.5, .25, .25},
                    .prediction = {.25, .5, .25},
                    .value = .25,
                    .gradient = {-.5, .5, 0}}},
      .kinks = {0},
      .curvature = true,
  };

  HWY_INLINE double operator()(const Item& x) const {
    const Tag<double> d;
    using V = hn::Vec<Tag<double>>;
    LaneSum value;
    const V half = C(d, .5);
    EachVector<2, 1>(x.width(), {x.in(0), x.in(1)}, {0.0, 0.0}, {x.slope(0)},
                     [&](size_t at, const std::array<V, 2>& in) HWY_ATTR -> std::array<V, 1> {
                       const V e = hn::Sub(in[0], in[1]);
                       value.Add(at, hn::Abs(hn::Mul(half, e)));
                       return {hn::IfThenZeroElse(hn::Eq(e, hn::Zero(d)), hn::CopySign(half, e))};
                     });
    return Linear(x, value.Total());
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_DIVERGENCE_TOTAL_VARIATION_INL_H_
