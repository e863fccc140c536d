// Multiclass perceptron: how far the best class is above the right one.
//
//   value = max_j s_j - s_y
//   slope = onehot(argmax_j) - onehot(y)
//
// Source: Collins 2002, Discriminative Training Methods for Hidden Markov Models, EMNLP.

#if defined(LOSSD_CORE_LOSSES_MARGIN_MULTICLASS_PERCEPTRON_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_MARGIN_MULTICLASS_PERCEPTRON_INL_H_
#undef LOSSD_CORE_LOSSES_MARGIN_MULTICLASS_PERCEPTRON_INL_H_
#else
#define LOSSD_CORE_LOSSES_MARGIN_MULTICLASS_PERCEPTRON_INL_H_
#endif

#include "core/simd/multiclass_margin-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct MulticlassPerceptron {
  static constexpr Contract kContract = {
      .name = "multiclass_perceptron",
      .family = Family::kRow,
      .aliases = {{"multiclass_perceptron_loss"}},
      .summary = "how far the best class is above the right one",
      .use = "Classification by scores, with labels, without a margin: structured prediction, online learning.",
      .formula = "max_j s_j - s_y",
      .gradient = "1 for the class of the largest, -1 for the label; 0 where they are the same",
      .tex = R"(\max_j s_j - s_y)",
      .source = "Collins 2002, Discriminative Training Methods for Hidden Markov Models, EMNLP",
      .peers = "optax multiclass_perceptron_loss, which splits the slope of tied classes evenly, as here.",
      .kinks_note = "where classes tie for the largest their slope is split evenly; the label may be one of them",
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true", .content = Content::kIndex}},
      .examples = {{.origin = "by hand: 10 - 3, as in the test of optax",
                    .target = {1},
                    .prediction = {10, 3},
                    .value = 7,
                    .gradient = {1, -1}},
                   {.origin = "all tie: a third for each, less 1 for the label",
                    .target = {2},
                    .prediction = {0, 0, 0},
                    .value = 0,
                    .gradient = {.3333333, .3333333, -.6666667}}},
      .conventions = {{.convention = Convention::kOptax}},
      .class_weights = true,
      .curvature = true,
  };

  HWY_INLINE double operator()(const Item& x) const { return MulticlassMargin(x, 0); }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_MARGIN_MULTICLASS_PERCEPTRON_INL_H_
