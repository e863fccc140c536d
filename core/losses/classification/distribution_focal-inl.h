// Distribution focal loss: cross-entropy of the two bins around a real position, each by its nearness.
//
//   l = floor(y), u = l + 1, t_l = u - y, t_u = y - l,   s = softmax(x)
//   value     = t_l (-log s_l) + t_u (-log s_u)
//   slope_c   = s_c (1 - t_c) - t_c (1 - s_c)        s_c - t_c without cancellation at a confident row
//   curvature = s_c (1 - s_c)
//
// Source: Li et al. 2020, Generalized Focal Loss: Learning Qualified and Distributed Bounding Boxes, equation 6.

#if defined(LOSSD_CORE_LOSSES_CLASSIFICATION_DISTRIBUTION_FOCAL_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_CLASSIFICATION_DISTRIBUTION_FOCAL_INL_H_
#undef LOSSD_CORE_LOSSES_CLASSIFICATION_DISTRIBUTION_FOCAL_INL_H_
#else
#define LOSSD_CORE_LOSSES_CLASSIFICATION_DISTRIBUTION_FOCAL_INL_H_
#endif

#include <algorithm>
#include <cmath>

#include "core/simd/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct DistributionFocal {
  static constexpr Contract kContract = {
      .name = "distribution_focal",
      .family = Family::kRow,
      .aliases = {{"dfl"}, {"DistributionFocalLoss"}},
      .summary = "cross-entropy of the two bins around a real position, each by its nearness",
      .use =
          "Box edges, or any number, predicted as a distribution over bins 0, 1, ..., C - 1 whose mean is the number.",
      .formula = "(l + 1 - y)(logsumexp(x) - x_l) + (y - l)(logsumexp(x) - x_(l + 1)), l = floor(y)",
      .gradient = "softmax(x)_c - t_c, t the weights of the two bins",
      .tex = R"(-(l+1-y)\ln s_l-(y-l)\ln s_{l+1},\quad l=\lfloor y\rfloor)",
      .source =
          "Li et al. 2020, Generalized Focal Loss: Learning Qualified and Distributed Bounding Boxes for Dense Object "
          "Detection, equation 6",
      .notes =
          "y_true is a position in [0, C - 1], in bins; outside it the row answers NaN. At y = C - 1 only the last "
          "bin counts.",
      .peers =
          "mmdetection: the same; its position C - 1 reads behind the row, so callers clamp it to C - 1.01. Keras, "
          "PyTorch and Optax have no such loss.",
      .forms = {{InputKind::kLogits}},
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true", .domain = {0, kInf, false, true}, .summary = "positions in [0, C - 1]"}},
      .target = kNonNegative,
      .examples = {{.origin = "by hand: log 2",
                    .target = {.25},
                    .prediction = {0, 0},
                    .value = .69314718,
                    .gradient = {-.25, .25},
                    .form = {InputKind::kLogits}},
                   {.origin = "by hand: log 3 at the last bin",
                    .target = {2},
                    .prediction = {1, 1, 1},
                    .value = 1.09861229,
                    .gradient = {.33333333, .33333333, -.66666667},
                    .form = {InputKind::kLogits}}},
      .f64 = {3, 16},
      .tolerance_note = "F64: a slope near its zero has the error of its terms (11 ulp measured).",
      .soft_targets_cancel = true,
      .curvature = true,
  };

  static size_t Scratch(const Dims&, size_t width) { return width; }

  HWY_INLINE double operator()(const Item& x) const {
    const size_t n = x.width();
    const double y = x.in(1)[0];
    double* const e = x.scratch();
    const Softmax row = y <= static_cast<double>(n - 1) ? SoftmaxOf(x.in(0), n, e) : Softmax{};
    if (!row.sound) {
      constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
      if (x.slope(0) != nullptr) std::fill_n(x.slope(0), n, kNan);
      if (x.curvature() != nullptr) std::fill_n(x.curvature(), n, kNan);
      return kNan;
    }
    const double floor = std::floor(y);
    const size_t lower = static_cast<size_t>(floor), upper = std::min(lower + 1, n - 1);
    const double near = (floor + 1) - y, far = y - floor;
    if (double* const slope = x.slope(0)) {
      for (size_t c = 0; c < n; ++c) slope[c] = row.share(e[c]);
      const double s_upper = slope[upper], r_upper = row.rest(e[upper]);
      slope[lower] = slope[lower] * far - near * row.rest(e[lower]);
      if (far > 0) slope[upper] = s_upper * near - far * r_upper;
    }
    if (double* const curvature = x.curvature()) {
      for (size_t c = 0; c < n; ++c) curvature[c] = row.share(e[c]) * row.rest(e[c]);
    }
    const double value = near * row.neg_log(x.in(0)[lower]);
    return far > 0 ? value + far * row.neg_log(x.in(0)[upper]) : value;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_CLASSIFICATION_DISTRIBUTION_FOCAL_INL_H_
