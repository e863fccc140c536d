// Lovasz-Softmax: a surrogate of the mean Jaccard loss of the classes, from probabilities.
//
//   e_rc  = |[y_r = c] - p_rc|
//   value = the mean over the classes that occur of sum_r e_rc w_rc          w: core/simd/lovasz-inl.h
//   slope = sign(p_rc - [y_r = c]) w_rc/(classes that occur)
//
// Source: Berman, Triki and Blaschko 2018, The Lovasz-Softmax Loss, CVPR.

#if defined(LOSSD_CORE_LOSSES_SEGMENTATION_LOVASZ_SOFTMAX_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_SEGMENTATION_LOVASZ_SOFTMAX_INL_H_
#undef LOSSD_CORE_LOSSES_SEGMENTATION_LOVASZ_SOFTMAX_INL_H_
#else
#define LOSSD_CORE_LOSSES_SEGMENTATION_LOVASZ_SOFTMAX_INL_H_
#endif

#include "core/simd/lovasz-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct LovaszSoftmax {
  static constexpr Contract kContract = {
      .name = "lovasz_softmax",
      .family = Family::kRegion,
      .aliases = {{"lovasz_softmax_loss"}, {"lovasz"}},
      .summary = "a surrogate of the mean Jaccard loss of the classes, from probabilities",
      .use = "Segmentation into classes that is judged by mean intersection over union.",
      .formula =
          "the mean over classes c that occur of sum_r |[y_r = c] - p_rc| w_rc, w_rc what the Jaccard loss of class c "
          "gains with r when mistakes are added from the largest down",
      .gradient = "w_rc for the classes r is not of and -w_rc for its own, by the number of classes that occur",
      .tex = R"(\frac1{|\mathcal C|} \sum_{c \in \mathcal C})"
             R"( \overline{\Delta_{J_c}}\bigl(\lvert [y = c] - p_c \rvert\bigr))",
      .source = "Berman, Triki and Blaschko 2018, The Lovasz-Softmax Loss, CVPR",
      .notes =
          "The last axis of y_pred holds the classes, y_true their indices. Classes that do not occur in the item take "
          "no "
          "part. Equal errors are taken in the order of their indices: the value does not depend on it.",
      .peers = "Berman's own code with classes = present, per image; Keras, PyTorch and optax do not have it.",
      .kinks_note = "0 where p is exactly the target; where errors tie their weights are those of one order",
      .forms = {{InputKind::kProbabilities, ClipPolicy::kNone, kUnit}},
      .inputs = {{.name = "y_pred", .shape = "... R C", .differentiable = true, .summary = "probabilities"},
                 {.name = "y_true", .shape = "... R", .content = Content::kIndex}},
      .examples = {{.origin = "by hand: class 0 alone occurs, (0.75 + 0.25)/2",
                    .target = {0, 0},
                    .prediction = {.75, .25, .25, .75},
                    .value = .5,
                    .gradient = {-.5, 0, -.5, 0},
                    .form = {InputKind::kProbabilities},
                    .shape = {1, 2, 2}}},
      .curvature = true,
  };

  static size_t Scratch(const Dims& dims, size_t width) { return dims['C'] == 0 ? 0 : 2 * (width / dims['C']); }

  HWY_INLINE double operator()(const Item& x) const {
    const double* const p = x.in(0);
    const int32_t* const labels = x.index(1);
    double* const slope = x.slope(0);
    const size_t classes = x.dim('C');
    if (x.width() == 0) return 0;
    const size_t n = x.width() / classes;
    double* const errors = x.scratch();
    if (slope != nullptr) std::fill_n(slope, x.width(), 0.0);
    CarefulSum value;
    size_t present = 0;
    for (size_t c = 0; c < classes; ++c) {
      const auto is = [labels, c](size_t r) { return labels[r] == static_cast<int32_t>(c) ? 1.0 : 0.0; };
      bool occurs = false;
      for (size_t r = 0; r < n; ++r) {
        occurs = occurs || is(r) != 0;
        errors[r] = std::abs(is(r) - p[r * classes + c]);
      }
      if (!occurs) continue;
      ++present;
      LovaszWeights(errors, n, errors + n, is, [&](size_t r, double weight) {
        value.Add(errors[r] * weight);
        if (slope == nullptr || errors[r] == 0) return;
        slope[r * classes + c] = is(r) != 0 ? -weight : weight;
      });
    }
    const auto count = static_cast<double>(present);
    if (slope != nullptr) {
      for (size_t i = 0; i < x.width(); ++i) slope[i] /= count;
    }
    return Linear(x, value.Total() / count);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_SEGMENTATION_LOVASZ_SOFTMAX_INL_H_
