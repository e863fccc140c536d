// Focal Tversky: a power of the Tversky loss, which turns the weight to masks that fit badly or well.
//
//   v     = max(tversky, 0)
//   value = v^gamma
//   slope = gamma v^(gamma - 1) (slope of tversky); 0 where v = 0
//   curvature = gamma v^(gamma - 1) (that of tversky + (gamma - 1) (slope of tversky)^2/v)
//
// Source: Abraham and Khan 2019, A Novel Focal Tversky Loss Function with Improved Attention U-Net, ISBI.

#if defined(LOSSD_CORE_LOSSES_SEGMENTATION_FOCAL_TVERSKY_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_SEGMENTATION_FOCAL_TVERSKY_INL_H_
#undef LOSSD_CORE_LOSSES_SEGMENTATION_FOCAL_TVERSKY_INL_H_
#else
#define LOSSD_CORE_LOSSES_SEGMENTATION_FOCAL_TVERSKY_INL_H_
#endif

#include <cmath>

#include "core/simd/overlap-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct FocalTversky {
  static constexpr Contract kContract = {
      .name = "focal_tversky",
      .family = Family::kRegion,
      .aliases = {{"focal_tversky_loss"}},
      .summary = "a power of the Tversky loss, which turns the weight to masks that fit badly or well",
      .use = "Segmentation of small objects beside easy ones.",
      .formula = "max(1 - TI, 0)^gamma, TI = (I + smooth_numerator)/(I + alpha FP + beta FN + smooth_denominator)",
      .gradient = "gamma (1 - TI)^(gamma - 1) times the gradient of tversky; 0 where TI >= 1",
      .tex = R"(\left(1 - \frac{I + s_n}{I + \alpha\,FP + \beta\,FN + s_d}\right)^{\gamma})",
      .source = "Abraham and Khan 2019, A Novel Focal Tversky Loss Function with Improved Attention U-Net, ISBI",
      .notes =
          "gamma is the exponent itself; the paper writes 1/gamma with gamma = 4/3. Items, alpha, beta and empty masks "
          "as "
          "for tversky.",
      .peers = "Keras, PyTorch and optax do not have it.",
      .kinks_note = "where the masks agree exactly: 0, the slope beside it is infinite for gamma < 1",
      .params = {{"alpha", .5, kNonNegative, "weight of false positives"},
                 {"beta", .5, kNonNegative, "weight of false negatives"},
                 {"gamma", .75, kPositive, "exponent of the Tversky loss"},
                 {"smooth_numerator", 0, kNonNegative, "added to the overlap"},
                 {"smooth_denominator", 1e-7, kNonNegative, "added to the denominator"}},
      .inputs = {{.name = "y_pred", .shape = "... R", .differentiable = true, .summary = "probabilities"},
                 {.name = "y_true", .shape = "... R", .summary = "mask"}},
      .target = kUnit,
      .examples = {{.origin = "by hand: (1/2)^2, slope 2 1/2 that of tversky",
                    .target = {1, 0},
                    .prediction = {.5, .5},
                    .value = .25,
                    .gradient = {-.85, .15},
                    .params = {.3, .7, 2, 0, 0},
                    .shape = {1, 2}}},
      .f64 = {.value_ulp = 16, .slope_ulp = 24, .curvature_ulp = 4194304},
      .tolerance_note =
          "a power of a quotient of sums over the region; the two terms of its second derivative cancel where that "
          "changes sign, and the golden file has a case within 1e-6 of there",
      .soft_targets_cancel = true,
      .curvature = true,
  };
  double alpha, beta, gamma, smooth_numerator, smooth_denominator;

  HWY_INLINE double operator()(const Item& x) const {
    const TverskyRatio ratio{alpha, beta, smooth_numerator, smooth_denominator};
    const Overlap overlap = ratio(x.in(0), x.in(1), x.width());
    const double v = std::max(overlap.loss, 0.0);
    const double power = v > 0 ? PowerOf(v, gamma) : 0;
    const double factor = v > 0 ? gamma * (power / v) : 0;
    if (x.curvature() != nullptr) {
      const double bend = v > 0 ? factor / v * (gamma - 1) : 0;
      ratio.Curvature(x.in(0), x.in(1), x.width(), overlap, factor, bend, x.curvature());
    }
    if (x.slope(0) != nullptr) {
      ratio.Slopes(x.in(0), x.in(1), x.width(), overlap, factor, x.slope(0));
    }
    return power;
  }

 private:
  static HWY_INLINE double PowerOf(double v, double exponent) {
    if (exponent == 1) return v;
    if (exponent == 2) return v * v;
    return Scalar(v,
                  [exponent](auto d, auto x) HWY_ATTR { return hn::Exp(d, hn::Mul(C(d, exponent), hn::Log(d, x))); });
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_SEGMENTATION_FOCAL_TVERSKY_INL_H_
