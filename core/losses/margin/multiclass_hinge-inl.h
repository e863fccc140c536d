// Multiclass hinge: the best of the wrong classes is to stay a margin of 1 behind the right one.
//
//   z     = max_{j != y} s_j + 1 - s_y
//   value = max(z, 0)
//   slope = onehot(argmax_j) - onehot(y) where z > 0, else 0
//
// Source: Crammer and Singer 2001, On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines,
// JMLR 2.

#if defined(LOSSD_CORE_LOSSES_MARGIN_MULTICLASS_HINGE_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_MARGIN_MULTICLASS_HINGE_INL_H_
#undef LOSSD_CORE_LOSSES_MARGIN_MULTICLASS_HINGE_INL_H_
#else
#define LOSSD_CORE_LOSSES_MARGIN_MULTICLASS_HINGE_INL_H_
#endif

#include "core/simd/multiclass_margin-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct MulticlassHinge {
  static constexpr Contract kContract = {
      .name = "multiclass_hinge",
      .family = Family::kRow,
      .aliases = {{"multiclass_hinge_loss"}, {"crammer_singer"}},
      .summary = "the best of the wrong classes is to stay a margin of 1 behind the right one",
      .use = "Classification by scores, with labels: the multiclass support vector machine.",
      .formula = "max_j (s_j + [j != y]) - s_y",
      .gradient = "1 for the class of the largest, -1 for the label; 0 where they are the same",
      .tex = R"(\max_j\,(s_j + [j \ne y]) - s_y)",
      .source =
          "Crammer and Singer 2001, On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines, JMLR "
          "2",
      .notes = "categorical_hinge compares with 0 too.",
      .peers = "optax multiclass_hinge_loss, which splits the slope of tied classes evenly, as here.",
      .kinks_note =
          "where classes tie for the largest their slope is split evenly; the label is one of them where the "
          "value turns 0",
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true", .content = Content::kIndex}},
      .examples = {{.origin = "by hand: 10 + 1 - 3, as in the test of optax",
                    .target = {1},
                    .prediction = {10, 3},
                    .value = 8,
                    .gradient = {1, -1}},
                   {.origin = "by hand: two tie, 2 + 1 - 2.5",
                    .target = {0},
                    .prediction = {2.5, 2, 2},
                    .value = .5,
                    .gradient = {-1, .5, .5}}},
      .conventions = {{.convention = Convention::kOptax}},
      .class_weights = true,
      .curvature = true,
  };

  HWY_INLINE double operator()(const Item& x) const { return MulticlassMargin(x, 1); }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_MARGIN_MULTICLASS_HINGE_INL_H_
