// Margin ranking: the first score is to exceed the second by a margin, or the other way round.
//
//   z            = margin - t (p - o)    t = 1: p first; t = -1: o first
//   value        = max(z, 0)
//   slope of p   = -t [z > 0]
//   slope of o   = t [z > 0]
//
// The rounding error of p - o is made good: it is all that is left where the margin cancels it.
// Source: Herbrich, Graepel and Obermayer 2000, Large Margin Rank Boundaries for Ordinal Regression.

#if defined(LOSSD_CORE_LOSSES_MARGIN_MARGIN_RANKING_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_MARGIN_MARGIN_RANKING_INL_H_
#undef LOSSD_CORE_LOSSES_MARGIN_MARGIN_RANKING_INL_H_
#else
#define LOSSD_CORE_LOSSES_MARGIN_MARGIN_RANKING_INL_H_
#endif

#include "core/simd/elementwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct MarginRanking {
  static constexpr Contract kContract = {
      .name = "margin_ranking",
      .aliases = {{"MarginRankingLoss"}},
      .summary = "the first score is to exceed the second by a margin, or the other way round",
      .use = "Learning to rank from pairs: y_true = 1 where y_pred belongs before other, -1 where behind.",
      .formula = "max(margin - y_true (y_pred - other), 0)",
      .gradient = "-y_true for y_pred and y_true for other where the margin is not reached, else 0",
      .tex = R"(\max(m - t\,(x_1 - x_2),\ 0))",
      .source = "Herbrich, Graepel and Obermayer 2000, Large Margin Rank Boundaries for Ordinal Regression",
      .peers =
          "PyTorch calls the inputs input1 and input2; at the kink its gradient is that of the active side (ACTIVE).",
      .kinks_note = "at y_true (y_pred - other) = margin: 0 by default, what kink_policy says otherwise",
      .params = {{"margin", 0, kReal, "by how much the order is to be kept"}},
      .inputs = {{.name = "y_pred", .differentiable = true, .summary = "the first score"},
                 {.name = "other", .differentiable = true, .summary = "the second score"},
                 {.name = "y_true", .summary = "1: the first is to be larger; -1: the second"}},
      .target = {-1, 1},
      .examples = {{.origin = "by hand: 0.5 - 0.25 + 0 + (0.5 + 2)",
                    .target = {1, 1, -1},
                    .prediction = {.75, 3, 2},
                    .value = 2.75,
                    .gradient = {-1, 0, 1},
                    .params = {.5},
                    .others = {{.5, 1, 0}}}},
      .conventions = {{.convention = Convention::kTorch, .kink_policy = KinkPolicy::kActive}},
      .has_kinks = true,
      .curvature = true,
  };
  static constexpr bool kNative = true;
  static constexpr bool kPassesNan = true;
  double margin;
  double kink;

  template <class D, class V>
  HWY_INLINE Local<V, 2> operator()(D d, V p, V o, V t) const {
    // Knuth 1997, The Art of Computer Programming 2, 4.2.2 theorem B: gap + error = p - o exactly. NaN where the gap is
    // infinite.
    const V gap = hn::Sub(p, o);
    const V part = hn::Sub(gap, p);
    const V error = hn::Sub(hn::Sub(p, hn::Sub(gap, part)), hn::Add(o, part));
    const V fix = hn::IfThenElseZero(hn::Eq(error, error), hn::Mul(t, error));
    const V z = hn::Sub(hn::NegMulAdd(t, gap, C(d, margin)), fix);
    const V pull = hn::Mul(t, Step(d, z, kink));
    return {Positive(d, z), {hn::Neg(pull), pull}, hn::Zero(d)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_MARGIN_MARGIN_RANKING_INL_H_
