// Adaptive log-softmax: cross-entropy over a vocabulary whose rare words live in smaller tail clusters.
//
// The head scores the shortlist of frequent classes and then the tails; tail k scores its own classes from a
// projection:
//   y in the shortlist: value = -log softmax(head)_y
//   y in tail k:        value = -log softmax(head)_(shortlist + k) - log softmax(tail_k)_(y - first_k)
//   head = head_weight x + head_bias,   tail_k = output_k (projection_k x)
//   d^2 / dx_j^2: the variance of the classes' weights for x_j under each softmax that takes part
// Classes are numbered through: the shortlist, then tail 1, 2, 3. The sizes say where each begins.
//
// Source: Grave et al. 2017, Efficient softmax approximation for GPUs, section 4.

#if defined(LOSSD_CORE_LOSSES_CLASSIFICATION_ADAPTIVE_LOG_SOFTMAX_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_CLASSIFICATION_ADAPTIVE_LOG_SOFTMAX_INL_H_
#undef LOSSD_CORE_LOSSES_CLASSIFICATION_ADAPTIVE_LOG_SOFTMAX_INL_H_
#else
#define LOSSD_CORE_LOSSES_CLASSIFICATION_ADAPTIVE_LOG_SOFTMAX_INL_H_
#endif

#include <algorithm>
#include <limits>
#include <string_view>

#include "core/simd/share_variance-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// Size of an axis, 0 where the tail is absent.
inline size_t SizeOfTail(const Dims& dims, char letter) { return dims[letter] == Dims::kUnbound ? 0 : dims[letter]; }

// Of the shortlist and the tails.
inline size_t AdaptiveClasses(const Dims& dims) {
  size_t classes = SizeOfTail(dims, 'S');
  for (const char tail : {'A', 'B', 'E'}) classes += SizeOfTail(dims, tail) - (SizeOfTail(dims, tail) > 0);
  return classes;
}

struct AdaptiveLogSoftmax {
  static constexpr Contract kContract = {
      .name = "adaptive_log_softmax",
      .family = Family::kBatch,
      .aliases = {{"AdaptiveLogSoftmaxWithLoss"}, {"adaptive_softmax"}},
      .summary = "cross-entropy over a vocabulary whose rare words live in smaller tail clusters",
      .use =
          "Very many classes sorted by frequency: a row pays for the shortlist and for at most one tail, which is "
          "scored from fewer features.",
      .formula =
          "y in the shortlist: -log softmax(head)_y; y in tail k: -log softmax(head)_(shortlist + k) - log "
          "softmax(tail_k)_(y - first_k), head = head_weight x + head_bias, tail_k = output_k (projection_k x)",
      .gradient = "softmax - [c = y] of the head and of the tail that y is in, carried back through their layers",
      .tex = R"(-\ln\operatorname{softmax}(W_0x+b_0)_{h(y)}-[y\ge c_1]\,\ln\operatorname{softmax}(V_kU_kx)_{y-c_k})",
      .source = "Grave et al. 2017, Efficient softmax approximation for GPUs, section 4",
      .notes =
          "The shortlist has as many classes as head_weight has rows, less one for each tail. Tails come in order: "
          "tail2 without tail1, or one of its tensors alone, answers NaN.",
      .peers =
          "PyTorch AdaptiveLogSoftmaxWithLoss: the same layout (head, then tail.i.0 and tail.i.1), cutoffs given as a "
          "list; returns the log-probabilities and the mean loss. Its default has no head bias. Keras and Optax have "
          "no such loss.",
      .inputs =
          {{.name = "y_pred", .shape = "N H", .differentiable = true, .summary = "features"},
           {.name = "y_true",
            .shape = "N",
            .content = Content::kIndex,
            .bound = 'S',
            .summary = "class indices",
            .bound_of = &AdaptiveClasses},
           {.name = "head_weight", .shape = "S H", .differentiable = true, .summary = "shortlist, then tails"},
           {.name = "head_bias", .shape = "S", .differentiable = true, .optional = true, .summary = "of the head"},
           {.name = "tail1_projection",
            .shape = "P H",
            .differentiable = true,
            .optional = true,
            .summary = "first layer of tail 1"},
           {.name = "tail1_output",
            .shape = "A P",
            .differentiable = true,
            .optional = true,
            .summary = "second layer of tail 1: its classes"},
           {.name = "tail2_projection",
            .shape = "Q H",
            .differentiable = true,
            .optional = true,
            .summary = "first layer of tail 2"},
           {.name = "tail2_output",
            .shape = "B Q",
            .differentiable = true,
            .optional = true,
            .summary = "second layer of tail 2: its classes"},
           {.name = "tail3_projection",
            .shape = "R H",
            .differentiable = true,
            .optional = true,
            .summary = "first layer of tail 3"},
           {.name = "tail3_output",
            .shape = "E R",
            .differentiable = true,
            .optional = true,
            .summary = "second layer of tail 3: its classes"}},
      .examples = {{.origin = "by hand: log 2, no tail",
                    .target = {0},
                    .prediction = {1, 2},
                    .value = .69314718,
                    .gradient = {-.5, .25},
                    .others = {{1, 0, 0, .5}},
                    .shape = {1, 2}}},
      .f64 = {4, 256},
      .tolerance_note =
          "F64: the scores are sums of products, each rounded: their error is that of the sum, which exp makes "
          "relative.",
      .conventions = {{.convention = Convention::kTorch}},
      .curvature = true,
      .checks_nan_itself = true,
  };

  static size_t Scratch(const Dims& dims, size_t) {
    return ScoreScratch(dims) + std::max(dims['S'], Most(dims, "ABE")) + Most(dims, "PQR") +
           ShareVarianceScratch(dims['H']);
  }

  HWY_INLINE void operator()(const Item& x) const {
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    const size_t features = x.dim('H'), head_size = x.dim('S');
    size_t tails = 0;
    while (tails < 3 && x.in(4 + 2 * tails) != nullptr && x.in(5 + 2 * tails) != nullptr) ++tails;
    bool in_order = head_size >= tails;
    for (size_t i = 4 + 2 * tails; i < 10; ++i) in_order &= x.in(i) == nullptr;
    const size_t shortlist = in_order ? head_size - tails : 0;
    const bool wants = x.wants_slopes();
    for (size_t i = 0; i < 10; ++i) {
      if (x.slope(i) != nullptr) std::fill_n(x.slope(i), x.size(i), 0.0);
    }
    double* const head = x.scratch();
    double* const scores = head + head_size;
    double* const more_scratch = head + ScoreScratch(x.dims());
    double* const curvature = x.curvature();
    if (curvature != nullptr) std::fill_n(curvature, x.dim('N') * features, 0.0);
    for (size_t n = 0; n < x.dim('N') && !x.cancelled(); ++n) {
      const double* const row = x.in(0) + n * features;
      double* const row_slope = x.slope(0) == nullptr ? nullptr : x.slope(0) + n * features;
      const double upstream = wants ? x.upstream()[n] : 0.0;
      const bool back = upstream != 0;  // else left out: not even its NaN counts
      // Which cluster the label is in, 0 for the shortlist, and where in it.
      size_t cluster = 0, at = x.index(1)[n] < 0 ? ~size_t{0} : static_cast<size_t>(x.index(1)[n]);
      size_t size = shortlist;
      while (at >= size && cluster < tails) {
        at -= size;
        ++cluster;
        size = Rows(x, 3 + 2 * cluster);
      }
      if (!in_order || at >= size) {
        x.value()[n] = kNan;
        if (back && row_slope != nullptr) std::fill_n(row_slope, features, kNan);
        if (curvature != nullptr) std::fill_n(curvature + n * features, features, kNan);
        continue;
      }
      Apply(x.in(2), row, head_size, features, head);
      for (size_t c = 0; c < head_size && x.in(3) != nullptr; ++c) head[c] += x.in(3)[c];
      const size_t choice = cluster == 0 ? at : shortlist + cluster - 1;
      if (curvature != nullptr) {
        Curve(x.in(2), nullptr, head, head_size, features, features, more_scratch, curvature + n * features);
      }
      double value = LabelCrossentropy(head, head_size, choice, upstream, back ? head : nullptr);
      if (back) {
        Back(x.in(2), row, head, head_size, features, x.slope(2), row_slope);
        for (size_t c = 0; c < head_size && x.slope(3) != nullptr; ++c) x.slope(3)[c] += head[c];
      }
      if (cluster > 0) {
        const size_t projection = 2 + 2 * cluster, output = projection + 1;
        const size_t narrow = x.size(projection) / features;
        double *const projected = scores + size, *const projected_slope = projected + narrow;
        Apply(x.in(projection), row, narrow, features, projected);
        Apply(x.in(output), projected, size, narrow, scores);
        if (curvature != nullptr) {
          Curve(x.in(output), x.in(projection), scores, size, narrow, features, more_scratch, curvature + n * features);
        }
        value += LabelCrossentropy(scores, size, at, upstream, back ? scores : nullptr);
        if (back) {
          std::fill_n(projected_slope, narrow, 0.0);
          Back(x.in(output), projected, scores, size, narrow, x.slope(output), projected_slope);
          Back(x.in(projection), row, projected_slope, narrow, features, x.slope(projection), row_slope);
        }
      }
      x.value()[n] = value;
    }
  }

 private:
  static size_t Most(const Dims& dims, std::string_view letters) {
    size_t most = 0;
    for (const char letter : letters) most = std::max(most, SizeOfTail(dims, letter));
    return most;
  }
  // Of values and slopes.
  static size_t ScoreScratch(const Dims& dims) { return dims['S'] + Most(dims, "ABE") + 2 * Most(dims, "PQR"); }
  static size_t Rows(const Item& x, size_t output) {
    const size_t narrow = x.size(output - 1) / x.dim('H');
    return narrow == 0 ? 0 : x.size(output) / narrow;
  }
  // to = weight from, weight [rows, width]
  static HWY_INLINE void Apply(const double* weight, const double* from, size_t rows, size_t width, double* to) {
    for (size_t i = 0; i < rows; ++i) to[i] = Dot(weight + i * width, from, width);
  }
  // With g [rows] the slopes of weight from: adds g from^T and weight^T g where they are wanted.
  static HWY_INLINE void Back(const double* weight, const double* from, const double* g, size_t rows, size_t width,
                              double* weight_slope, double* from_slope) {
    for (size_t i = 0; i < rows; ++i) {
      if (from_slope != nullptr) AddTimes(g[i], weight + i * width, width, from_slope);
      if (weight_slope != nullptr) AddTimes(g[i], from, width, weight_slope + i * width);
    }
  }
  // Adds the second derivatives for x of the softmax of `logits` [rows] = weight (projection x), weight [rows, width];
  // without a projection, of weight x.
  static HWY_INLINE void Curve(const double* weight, const double* projection, const double* logits, size_t rows,
                               size_t width, size_t features, double* scratch, double* curvature) {
    double *const mass = scratch, *const narrow = mass + rows, *const rest = narrow + (projection ? width : 0);
    std::copy_n(logits, rows, mass);
    const auto difference = [&](size_t c, size_t top, double* to) HWY_ATTR {
      double* const row = projection == nullptr ? to : narrow;
      for (size_t k = 0; k < width; ++k) row[k] = weight[c * width + k] - weight[top * width + k];
      if (projection == nullptr) return;
      std::fill_n(to, features, 0.0);
      for (size_t k = 0; k < width; ++k) AddTimes(narrow[k], projection + k * features, features, to);
    };
    AddShareVariance(mass, rows, features, difference, rest, curvature);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_CLASSIFICATION_ADAPTIVE_LOG_SOFTMAX_INL_H_
