// Lovasz hinge: a convex surrogate of the Jaccard loss of a mask, from signed scores.
//
//   e_i   = 1 - (2 t_i - 1) x_i
//   value = sum_i max(e_i, 0) w_i            w: core/simd/lovasz-inl.h
//   slope = -(2 t_i - 1) w_i [e_i > 0]
//
// Source: Yu and Blaschko 2015, Learning Submodular Losses with the Lovasz Hinge, ICML; Berman, Triki and Blaschko
// 2018.

#if defined(LOSSD_CORE_LOSSES_SEGMENTATION_LOVASZ_HINGE_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_SEGMENTATION_LOVASZ_HINGE_INL_H_
#undef LOSSD_CORE_LOSSES_SEGMENTATION_LOVASZ_HINGE_INL_H_
#else
#define LOSSD_CORE_LOSSES_SEGMENTATION_LOVASZ_HINGE_INL_H_
#endif

#include "core/simd/lovasz-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct LovaszHinge {
  static constexpr Contract kContract = {
      .name = "lovasz_hinge",
      .family = Family::kRegion,
      .aliases = {{"lovasz_hinge_loss"}},
      .summary = "a convex surrogate of the Jaccard loss of a mask, from signed scores",
      .use = "Binary segmentation that is judged by intersection over union.",
      .formula =
          "sum_i max(e_i, 0) w_i, e_i = 1 - (2 t_i - 1) x_i, w_i what the Jaccard loss gains with i when mistakes are "
          "added from the largest e down",
      .gradient = "-(2 t_i - 1) w_i where e_i > 0",
      .tex = R"(\overline{\Delta_{J}}\bigl(\max(1 - (2t - 1)\,x,\ 0)\bigr))",
      .source = "Yu and Blaschko 2015, Learning Submodular Losses with the Lovasz Hinge, ICML",
      .notes =
          "An item is everything but the first axis unless item_axes says otherwise. Equal errors are taken in the "
          "order "
          "of their indices: the value does not depend on it. An empty mask has the value of its largest error.",
      .peers = "Berman's own code does the same per image; Keras, PyTorch and optax do not have it.",
      .kinks_note =
          "at e = 0: 0 by default, what kink_policy says otherwise; where errors tie their weights are those of one "
          "order",
      .forms = {{InputKind::kLogits}},
      .inputs = {{.name = "y_pred", .shape = "... R", .differentiable = true, .summary = "signed scores"},
                 {.name = "y_true", .shape = "... R", .domain = kUnit, .summary = "mask of 0 and 1"}},
      .target = kUnit,
      .examples = {{.origin = "by hand: errors 2, 1.5, 0.5 with weights 1/2, 1/6, 1/3",
                    .target = {1, 0, 1},
                    .prediction = {-1, .5, .5},
                    .value = 1.4166667,
                    .gradient = {-.5, .1666667, -.3333333},
                    .form = {InputKind::kLogits},
                    .shape = {1, 3}}},
      .has_kinks = true,
      .curvature = true,
  };
  double kink;

  static size_t Scratch(const Dims&, size_t width) { return 2 * width; }

  HWY_INLINE double operator()(const Item& x) const {
    const double *const s = x.in(0), *const t = x.in(1);
    const size_t n = x.width();
    double* const key = x.scratch();  // -(2 t - 1) x
    for (size_t i = 0; i < n; ++i) key[i] = (1 - 2 * t[i]) * s[i];
    CarefulSum value;
    LovaszWeights(
        key, n, key + n, [t](size_t i) { return t[i]; },
        [&](size_t i, double weight) {
          const double error = 1 + key[i];
          if (error > 0) value.Add(error * weight);
          if (x.slope(0) != nullptr) x.slope(0)[i] = (1 - 2 * t[i]) * weight * StepAt(error, kink);
        });
    return Linear(x, value.Total());
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_SEGMENTATION_LOVASZ_HINGE_INL_H_
