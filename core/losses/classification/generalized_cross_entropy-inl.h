// Generalized cross-entropy: between cross-entropy (q to 0) and absolute error (q = 1), for labels that may be wrong.
//
//   value     = (1 - p_y^q) / q = -expm1(q log p_y) / q
//   slope     = -p_y^(q - 1)         at c = y, 0 elsewhere
//   curvature = (1 - q) p_y^(q - 2)
// expm1 keeps the digits of a confident row.
//
// Source: Zhang, Sabuncu 2018, Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels,
// eq. 6.

#if defined(LOSSD_CORE_LOSSES_CLASSIFICATION_GENERALIZED_CROSS_ENTROPY_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_CLASSIFICATION_GENERALIZED_CROSS_ENTROPY_INL_H_
#undef LOSSD_CORE_LOSSES_CLASSIFICATION_GENERALIZED_CROSS_ENTROPY_INL_H_
#else
#define LOSSD_CORE_LOSSES_CLASSIFICATION_GENERALIZED_CROSS_ENTROPY_INL_H_
#endif

#include <algorithm>
#include <cmath>

#include "core/simd/focal-inl.h"
#include "core/simd/item-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct GeneralizedCrossEntropy {
  static constexpr Contract kContract = {
      .name = "generalized_cross_entropy",
      .family = Family::kRow,
      .aliases = {{"CategoricalGeneralizedCrossEntropy"}, {"gce"}},
      .summary = "between cross-entropy and absolute error, for labels that may be wrong",
      .use = "Classification with noisy labels: a larger q trusts the labels less.",
      .formula = "(1 - p_y^q) / q",
      .gradient = "-p_y^(q - 1) at c = y, 0 elsewhere",
      .tex = R"(\frac{1-p_y^{\,q}}{q})",
      .source =
          "Zhang, Sabuncu 2018, Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels, "
          "equation 6",
      .notes =
          "Probabilities are taken as they are, not divided by their sum: only p_y has a gradient. At p_y = 0 the "
          "value is 1/q and the gradient -inf.",
      .peers =
          "Keras exports the class CategoricalGeneralizedCrossEntropy(q = 0.5) but does not know its name as a "
          "string; same formula. PyTorch and Optax have no such loss.",
      .params = {{"q", 0.5, kOpenUnit, "0: cross-entropy, 1: absolute error"}},
      .forms = {{InputKind::kProbabilities, ClipPolicy::kNone, kNonNegative}},
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true", .content = Content::kIndex, .summary = "class indices"}},
      .examples = {{.origin = "by hand: 2 (1 - 1/2), 1/sqrt(1/4)",
                    .target = {0},
                    .prediction = {.25, .75},
                    .value = 1,
                    .gradient = {-2, 0},
                    .form = {InputKind::kProbabilities}},
                   {.origin = "by hand: no mass on the label",
                    .target = {1},
                    .prediction = {1, .0625},
                    .value = 1.5,
                    .gradient = {0, -4},
                    .form = {InputKind::kProbabilities}}},
      .f64 = {2, 16},
      .tolerance_note =
          "F64: a power multiplies the error of its logarithm (13 ulp measured for the second derivative).",
      .conventions = {{.convention = Convention::kKeras}},
      .class_weights = true,
      .curvature = true,
  };
  double q;

  HWY_INLINE double operator()(const Item& x) const {
    const size_t label = static_cast<size_t>(x.index(1)[0]);
    const double p = std::abs(x.in(0)[label]);  // -0 is the probability 0
    const auto power = [p](double exponent) HWY_ATTR {
      return Scalar(p, [exponent](auto d, auto v) HWY_ATTR { return Power(d, v, exponent); });
    };
    if (double* const slope = x.slope(0)) {
      std::fill_n(slope, x.width(), 0.0);
      slope[label] = -power(q - 1);
    }
    if (double* const curvature = x.curvature()) {
      std::fill_n(curvature, x.width(), 0.0);
      curvature[label] = (1 - q) * power(q - 2);
    }
    // Above exp(-1/q) expm1 is small; below, p^q keeps more digits than q log p.
    if (p == 0) return 1 / q;
    const double exponent = q * Scalar(p, [](auto d, auto v) HWY_ATTR { return hn::Log(d, v); });
    if (exponent < -1) return (1 - power(q)) / q;
    return -Scalar(exponent, [](auto d, auto v) HWY_ATTR { return hn::Expm1(d, v); }) / q;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_CLASSIFICATION_GENERALIZED_CROSS_ENTROPY_INL_H_
