// Categorical hinge: the best of the wrong classes is to stay a margin of 1 behind the right one.
//
//   rival   = max_c (1 - t_c) p_c        the true class of a one-hot row counts as a rival of score 0
//   z       = rival - sum_c t_c p_c + 1
//   value   = max(z, 0)
//   slope_c = [z > 0] ((1 - t_c)/ties [c is the rival] - t_c)
//
// Source: Weston and Watkins 1999, Support Vector Machines for Multi-Class Pattern Recognition; as in Keras.

#if defined(LOSSD_CORE_LOSSES_MARGIN_CATEGORICAL_HINGE_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_MARGIN_CATEGORICAL_HINGE_INL_H_
#undef LOSSD_CORE_LOSSES_MARGIN_CATEGORICAL_HINGE_INL_H_
#else
#define LOSSD_CORE_LOSSES_MARGIN_CATEGORICAL_HINGE_INL_H_
#endif

#include <limits>

#include "core/simd/answer-inl.h"
#include "core/simd/careful_sum-inl.h"
#include "core/simd/item-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct CategoricalHinge {
  static constexpr Contract kContract = {
      .name = "categorical_hinge",
      .family = Family::kRow,
      .aliases = {{"categorical_hinge_loss"}},
      .summary = "the best of the wrong classes is to stay a margin of 1 behind the right one",
      .use = "Classification by scores that need not be probabilities, with targets as one-hot rows.",
      .formula = "max(max_c (1 - t_c) p_c - sum_c t_c p_c + 1, 0)",
      .gradient =
          "where the value is positive: (1 - t_c) for the class of the largest (1 - t_c) p_c, minus t_c for all",
      .tex = R"(\max\bigl(\max_c (1 - t_c)\,p_c - \sum_c t_c\,p_c + 1,\ 0\bigr))",
      .source = "Weston and Watkins 1999, Support Vector Machines for Multi-Class Pattern Recognition; as in Keras",
      .notes =
          "The slot of the true class takes part in the maximum with the score 0: a row whose wrong scores are all "
          "negative is compared with 0. The formula is applied as it stands to soft targets and to -1 and 1. 0 "
          "times an infinite score is 0. multiclass_hinge is the loss without that slot.",
      .peers =
          "Keras CategoricalHinge. At a tie of the largest TensorFlow, JAX and PyTorch's amax split the slope "
          "evenly, as here.",
      .kinks_note =
          "where the value turns 0: 0 by default, what kink_policy says otherwise; a tie of the largest splits "
          "its slope evenly",
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true", .shape = "... C", .summary = "one-hot"}},
      .target = kUnit,
      .examples = {{.origin = "Keras docstring of CategoricalHinge, first row: 0.6 - 0.4 + 1",
                    .target = {0, 1},
                    .prediction = {.6, .4},
                    .value = 1.2,
                    .gradient = {1, -1}},
                   {.origin = "Keras docstring of CategoricalHinge, second row: 0.6 - 0 + 1",
                    .target = {0, 0},
                    .prediction = {.4, .6},
                    .value = 1.6,
                    .gradient = {0, 1}},
                   {.origin = "by hand: 0 - 2 + 1 < 0",
                    .target = {0, 1, 0},
                    .prediction = {-5, 2, -1},
                    .value = 0,
                    .gradient = {0, 0, 0}}},
      .conventions = {{.convention = Convention::kKeras}},
      .has_kinks = true,
      .curvature = true,
  };
  double kink;

  HWY_INLINE double operator()(const Item& x) const {
    const double *const p = x.in(0), *const t = x.in(1);
    const size_t classes = x.width();
    const auto rivalry = [&](size_t c) { return t[c] == 1 ? 0 : (1 - t[c]) * p[c]; };
    double rival = -std::numeric_limits<double>::infinity();
    size_t ties = 0;
    CarefulSum z;
    for (size_t c = 0; c < classes; ++c) {
      const double r = rivalry(c);
      if (r >= rival) {
        ties = r > rival ? 1 : ties + 1;
        rival = r;
      }
      if (t[c] != 0) z.Add(-t[c] * p[c]);
    }
    z.Add(rival);
    z.Add(1);
    const double shortfall = z.Total();
    const double active = shortfall == shortfall ? StepAt(shortfall, kink) : shortfall;
    if (double* const slope = x.slope(0)) {
      for (size_t c = 0; c < classes; ++c) {
        const double mine = rivalry(c) == rival ? (1 - t[c]) / static_cast<double>(ties) : 0;
        slope[c] = active * (mine - t[c]);
      }
    }
    return Linear(x, shortfall > 0 ? shortfall : shortfall == shortfall ? 0 : shortfall);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_MARGIN_CATEGORICAL_HINGE_INL_H_
