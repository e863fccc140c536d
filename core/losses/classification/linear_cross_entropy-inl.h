// Linear cross-entropy: a linear layer and the cross-entropy of its outputs in one, for many classes.
//
//   z_n     = W x_n + b                     [N, C], kept for a few rows at a time
//   value_n = logsumexp(z_n) - z_n[y_n]
//   With g_n = upstream_n (softmax(z_n) - [c = y_n]):
//   d x_n = W^T g_n,   d W = sum_n g_n x_n^T,   d b = sum_n g_n
//   d^2 x_nj        the variance of W_cj under softmax(z_n)
//
// Source: Wijmans et al. 2024, Cut Your Losses in Large-Vocabulary Language Models, section 3.

#if defined(LOSSD_CORE_LOSSES_CLASSIFICATION_LINEAR_CROSS_ENTROPY_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_CLASSIFICATION_LINEAR_CROSS_ENTROPY_INL_H_
#undef LOSSD_CORE_LOSSES_CLASSIFICATION_LINEAR_CROSS_ENTROPY_INL_H_
#else
#define LOSSD_CORE_LOSSES_CLASSIFICATION_LINEAR_CROSS_ENTROPY_INL_H_
#endif

#include <algorithm>

#include "core/simd/share_variance-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct LinearCrossEntropy {
  static constexpr Contract kContract = {
      .name = "linear_cross_entropy",
      .family = Family::kBatch,
      .aliases = {{"LinearCrossEntropyLoss"}, {"fused_linear_cross_entropy"}},
      .summary = "a linear layer and the cross-entropy of its outputs in one, for many classes",
      .use =
          "The last layer of a language model: the logits of all rows, N times C, never exist at once, and one call "
          "answers the gradients of features, weight and bias.",
      .formula = "logsumexp(z_n) - z_n[y_n], z_n = weight x_n + bias",
      .gradient = "with g = softmax(z_n) - [c = y_n]: d x_n = weight^T g, d weight = g x_n^T, d bias = g",
      .tex = R"(\ln\sum_c e^{z_{nc}}-z_{n y_n},\quad z_n=W x_n+b)",
      .source = "Wijmans et al. 2024, Cut Your Losses in Large-Vocabulary Language Models, section 3",
      .notes =
          "Natural logarithm. Labels are range-checked. A row whose logits have a NaN, or no finite maximum, answers "
          "NaN: that row alone.",
      .peers =
          "PyTorch: linear_cross_entropy and LinearCrossEntropyLoss, the weight [C, H] as in Linear; the mean divides "
          "by the sum of the label weights. Keras and Optax have no such loss.",
      .forms = {{InputKind::kUnspecified}},
      .inputs = {{.name = "y_pred", .shape = "N H", .differentiable = true, .summary = "features"},
                 {.name = "y_true", .shape = "N", .content = Content::kIndex, .summary = "class indices"},
                 {.name = "weight", .shape = "C H", .differentiable = true, .summary = "of the linear layer"},
                 {.name = "bias", .shape = "C", .differentiable = true, .optional = true, .summary = "of the same"}},
      .examples = {{.origin = "by hand: log 2",
                    .target = {0},
                    .prediction = {1, 2},
                    .value = .69314718,
                    .gradient = {-.5, .25},
                    .others = {{1, 0, 0, .5}},
                    .shape = {1, 2}}},
      .f64 = {32, 4096},
      .tolerance_note =
          "F64: the logits are sums of H products, each rounded: their error is that of the sum, which exp makes "
          "relative. Gradients are sums over classes and rows, and where those cancel they have the error of their "
          "terms (13 and 2216 ulp measured).",
      .conventions = {{.convention = Convention::kTorch, .divisor = Divisor::kWeightSum}},
      .class_weights = true,
      .curvature = true,
      .checks_nan_itself = true,
  };
  static constexpr size_t kRows = 4;  // read a class's weights once for so many rows

  static size_t Scratch(const Dims& dims, size_t) {
    return kRows * dims['C'] + dims['C'] + ShareVarianceScratch(dims['H']);
  }

  HWY_INLINE void operator()(const Item& x) const {
    const size_t rows = x.dim('N'), classes = x.dim('C'), features = x.dim('H');
    const double *const input = x.in(0), *const weight = x.in(2), *const bias = x.in(3);
    const bool wants = x.wants_slopes();
    double* const curvature = x.curvature();
    if (curvature != nullptr) std::fill_n(curvature, rows * features, 0.0);
    const auto difference = [&](size_t c, size_t top, double* to) HWY_ATTR {
      for (size_t j = 0; j < features; ++j) to[j] = weight[c * features + j] - weight[top * features + j];
    };
    for (const size_t i : {0, 2, 3}) {
      if (x.slope(i) != nullptr) std::fill_n(x.slope(i), x.size(i), 0.0);
    }
    for (size_t first = 0; first < rows && !x.cancelled(); first += kRows) {
      const size_t count = std::min(kRows, rows - first);
      const auto logits = [&](size_t row) { return x.scratch() + row * classes; };
      for (size_t c = 0; c < classes; ++c) {
        for (size_t row = 0; row < count; ++row) {
          logits(row)[c] = Dot(input + (first + row) * features, weight + c * features, features) +
                           (bias == nullptr ? 0.0 : bias[c]);
        }
      }
      for (size_t row = 0; row < count; ++row) {
        const size_t n = first + row, label = static_cast<size_t>(x.index(1)[n]);
        const double upstream = wants ? x.upstream()[n] : 0.0;
        if (curvature != nullptr) {
          double* const masses = logits(kRows);
          std::copy_n(logits(row), classes, masses);
          AddShareVariance(masses, classes, features, difference, masses + classes, curvature + n * features);
        }
        x.value()[n] = LabelCrossentropy(logits(row), classes, label, upstream, wants ? logits(row) : nullptr);
        if (upstream == 0) std::fill_n(logits(row), classes, 0.0);  // left out: not even its NaN counts
      }
      if (!wants) continue;
      for (size_t c = 0; c < classes; ++c) {
        for (size_t row = 0; row < count; ++row) {
          const double g = logits(row)[c];
          const size_t at = (first + row) * features;
          if (x.slope(0) != nullptr) AddTimes(g, weight + c * features, features, x.slope(0) + at);
          if (x.slope(2) != nullptr) AddTimes(g, input + at, features, x.slope(2) + c * features);
          if (x.slope(3) != nullptr) x.slope(3)[c] += g;
        }
      }
    }
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_CLASSIFICATION_LINEAR_CROSS_ENTROPY_INL_H_
