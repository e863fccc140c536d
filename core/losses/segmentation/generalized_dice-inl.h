// Generalised Dice: the Dice losses of all classes, the rare ones weighed up.
//
//   omega_c = 1/((sum_r t_rc)^2 + epsilon), from the targets alone
//   v_c     = 1 - (sum p t + s)/((sum p + sum t)/2 + s)    of class c
//   value   = sum_c omega_c v_c/sum omega
//   pooled:   1 - (sum_c omega_c I_c + s)/(sum_c omega_c (P_c + T_c)/2 + s)
//
// Numerators and denominators as in core/simd/overlap-inl.h.
// Source: Sudre et al. 2017, Generalised Dice Overlap as a Deep Learning Loss Function for Highly Unbalanced
// Segmentations, DLMIA (pooled); optax, multiclass_generalized_dice_loss.

#if defined(LOSSD_CORE_LOSSES_SEGMENTATION_GENERALIZED_DICE_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_SEGMENTATION_GENERALIZED_DICE_INL_H_
#undef LOSSD_CORE_LOSSES_SEGMENTATION_GENERALIZED_DICE_INL_H_
#else
#define LOSSD_CORE_LOSSES_SEGMENTATION_GENERALIZED_DICE_INL_H_
#endif

#include <algorithm>

#include "core/simd/overlap-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct GeneralizedDice {
  static constexpr Contract kContract = {
      .name = "generalized_dice",
      .family = Family::kRegion,
      .aliases = {{"generalised_dice"}, {"generalized_dice_loss"}, {"multiclass_generalized_dice_loss"}},
      .summary = "the Dice losses of all classes, the rare ones weighed up",
      .use = "Segmentation into classes of very unequal size.",
      .formula =
          "sum_c omega_c v_c/sum omega, omega_c = 1/((sum t)^2 + epsilon), v_c = 1 - (sum p t + smooth)/((sum p + sum "
          "t)/2 + smooth); pooled: the sums weighed by omega, then one ratio",
      .gradient = "omega_c/sum omega (1 - v_c - 2 t)/(sum p + sum t + 2 smooth); omega is constant",
      .tex = R"(\sum_c \frac{\omega_c}{\sum_k \omega_k})"
             R"( \Bigl(1 - \frac{2 I_c + 2 s}{P_c + T_c + 2 s}\Bigr),\ \omega_c = \frac1{T_c^2 + \epsilon})",
      .source =
          "Sudre et al. 2017, Generalised Dice Overlap as a Deep Learning Loss Function for Highly Unbalanced "
          "Segmentations, DLMIA",
      .notes =
          "The last axis holds the classes; an item is everything between it and the first axis. A class that does not "
          "occur has the weight 1/epsilon and, with the default, outweighs all others: raise epsilon or leave it out.",
      .peers =
          "optax multiclass_generalized_dice_loss takes the weights from the whole batch, here they are the item's "
          "own: "
          "equal for a batch of one. It takes logits by default. Sudre et al. and MONAI pool the sums.",
      .params = {{"epsilon", 1e-7, kPositive, "added to the squared size of a class"},
                 {"smooth", 1, kNonNegative, "added to numerator and denominator"},
                 Flag("pooled", false, "true: one ratio of weighed sums; false: the weighed mean of the ratios")},
      .inputs = {{.name = "y_pred", .shape = "... R C", .differentiable = true, .summary = "probabilities"},
                 {.name = "y_true", .shape = "... R C", .summary = "one-hot"}},
      .target = kUnit,
      .examples = {{.origin = "by hand: omega 1/4, 1; v = 1 - 2.5/2.75, 1 - 1.5/2; (0.0909091/4 + 0.25)/1.25",
                    .target = {1, 0, 1, 0, 0, 1},
                    .prediction = {1, 0, .5, .5, 0, .5},
                    .value = .2181818,
                    .gradient = {-.0396694, .15, -.0396694, .15, .0330579, -.25},
                    .digits = 5,
                    .shape = {1, 3, 2}}},
      .f64 = {4, 8},
      .tolerance_note = "a quotient of sums over the region",
      .soft_targets_cancel = true,
      .conventions = {{.convention = Convention::kOptax}},
      .curvature = true,
  };
  double epsilon, smooth, pooled;

  static size_t Scratch(const Dims& dims, size_t) { return 3 * dims['C']; }

  HWY_INLINE double operator()(const Item& x) const {
    const double *const p = x.in(0), *const t = x.in(1);
    const size_t classes = x.dim('C'), n = x.width();
    double *const common = x.scratch(), *const apart = common + classes, *const weight = apart + classes;
    std::fill_n(common, 3 * classes, 0.0);
    for (size_t i = 0; i < n; i += classes) {
      for (size_t c = 0; c < classes; ++c) {
        const double vp = p[i + c], vt = t[i + c];
        common[c] += vp * vt;
        apart[c] += .5 * (vt * (1 - vp) + vp * (1 - vt));
        weight[c] += vt;
      }
    }
    double all = 0, all_common = 0, all_apart = 0;
    for (size_t c = 0; c < classes; ++c) {
      weight[c] = 1 / (weight[c] * weight[c] + epsilon);
      all += weight[c];
      all_common += weight[c] * common[c];
      all_apart += weight[c] * apart[c];
    }
    const Overlap pool = Overlap::Of(all_common, all_apart, smooth, smooth);
    double value = 0;
    for (size_t c = 0; c < classes; ++c) {
      const Overlap overlap = pooled != 0 ? pool : Overlap::Of(common[c], apart[c], smooth, smooth);
      const double share = pooled != 0 ? weight[c] : weight[c] / all;
      value += share * overlap.loss;
      const double scale = overlap.size == 0 ? 0 : share / overlap.size;
      // The curvature is -2 times the slope times the share of the element in the denominator.
      const double bend = overlap.size == 0 ? 0 : -(pooled != 0 ? weight[c] : 1) / overlap.size;
      for (size_t i = c; i < n; i += classes) {
        const double slope = scale * (overlap.share * (.5 - t[i]) - overlap.loss * t[i]);
        if (x.slope(0) != nullptr) x.slope(0)[i] = slope;
        if (x.curvature() != nullptr) x.curvature()[i] = bend * slope;
      }
    }
    return pooled != 0 ? pool.loss : value;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_SEGMENTATION_GENERALIZED_DICE_INL_H_
