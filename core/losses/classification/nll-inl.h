// Negative log-likelihood: minus the log-probability of the right class.
//
//   value = -x_y          x the row of log-probabilities, y the label
//   slope = -[c = y]
//
// Source: Bishop 2006, Pattern Recognition and Machine Learning, section 4.3.4.

#if defined(LOSSD_CORE_LOSSES_CLASSIFICATION_NLL_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_CLASSIFICATION_NLL_INL_H_
#undef LOSSD_CORE_LOSSES_CLASSIFICATION_NLL_INL_H_
#else
#define LOSSD_CORE_LOSSES_CLASSIFICATION_NLL_INL_H_
#endif

#include <algorithm>

#include "core/simd/item-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Nll {
  static constexpr Contract kContract = {
      .name = "nll",
      .family = Family::kRow,
      .aliases = {{"NLLLoss"}, {"negative_log_likelihood"}},
      .summary = "minus the log-probability of the right class",
      .use =
          "Models that end in a log-softmax of their own. From raw scores sparse_categorical_crossentropy is as cheap "
          "and more exact.",
      .formula = "-x_y",
      .gradient = "-[c = y]",
      .tex = R"(-x_y)",
      .source = "Bishop 2006, Pattern Recognition and Machine Learning, section 4.3.4",
      .notes =
          "Log-probabilities are taken as they are: neither normalised nor checked to be at most 0. Labels stay "
          "integers and are range-checked. Under LOSSD the mean divides by the number of rows; DIVISOR_WEIGHT_SUM "
          "divides by the weights of the labels.",
      .peers =
          "PyTorch NLLLoss: classes on axis 1, mean over the sum of the weights of the labels, NaN where all are "
          "ignored. Keras and Optax have no such loss.",
      .forms = {{InputKind::kLogProbabilities}},
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true", .content = Content::kIndex, .summary = "class indices"}},
      .examples = {{.origin = "by hand",
                    .target = {1},
                    .prediction = {-.5, -1.5, -2},
                    .value = 1.5,
                    .gradient = {0, -1, 0},
                    .form = {InputKind::kLogProbabilities}},
                   {.origin = "by hand, two rows",
                    .target = {0, 2},
                    .prediction = {-.25, -1.5, -2, -3, -.5, -1},
                    .value = 1.25,
                    .gradient = {-1, 0, 0, 0, 0, -1},
                    .form = {InputKind::kLogProbabilities},
                    .shape = {2, 3}}},
      .conventions = {{.convention = Convention::kTorch, .divisor = Divisor::kWeightSum, .axis = 1}},
      .class_weights = true,
      .curvature = true,
  };

  HWY_INLINE double operator()(const Item& x) const {
    const size_t label = static_cast<size_t>(x.index(1)[0]);
    if (x.slope(0) != nullptr) {
      std::fill_n(x.slope(0), x.width(), 0.0);
      x.slope(0)[label] = -1;
    }
    if (x.curvature() != nullptr) std::fill_n(x.curvature(), x.width(), 0.0);
    return -x.in(0)[label];
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_CLASSIFICATION_NLL_INL_H_
