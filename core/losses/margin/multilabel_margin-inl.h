// Multilabel margin: every class of the item is to stay ahead of every other class by 1.
//
//   Y     = the labels of the item, those before the first -1
//   value = 1/C sum_{j in Y} sum_{i not in Y} max(1 - (x_j - x_i), 0)
//   slope = 1/C (number of terms > 0 with i) - 1/C (number of terms > 0 with j)
//
// Source: Crammer and Singer 2003, A Family of Additive Online Algorithms for Category Ranking, JMLR 3; as in PyTorch.

#if defined(LOSSD_CORE_LOSSES_MARGIN_MULTILABEL_MARGIN_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_MARGIN_MULTILABEL_MARGIN_INL_H_
#undef LOSSD_CORE_LOSSES_MARGIN_MULTILABEL_MARGIN_INL_H_
#else
#define LOSSD_CORE_LOSSES_MARGIN_MULTILABEL_MARGIN_INL_H_
#endif

#include <algorithm>

#include "core/simd/multiclass_margin-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct MultilabelMargin {
  static constexpr Contract kContract = {
      .name = "multilabel_margin",
      .family = Family::kRow,
      .aliases = {{"MultiLabelMarginLoss"}},
      .summary = "every class of the item is to stay ahead of every other class by 1",
      .use = "Classification by scores where an item has several labels.",
      .formula = "1/C sum over labels j and classes i that are none of max(1 - (x_j - x_i), 0)",
      .gradient = "1/C for i and -1/C for j, for each positive term",
      .tex = R"(\frac1C \sum_{j \in Y} \sum_{i \notin Y} \max(1 - (x_j - x_i),\ 0))",
      .source = "Crammer and Singer 2003, A Family of Additive Online Algorithms for Category Ranking, JMLR 3",
      .notes =
          "y_true is as wide as y_pred: the labels, then -1; what stands behind the first -1 is not looked at. A label "
          "given twice counts twice. An item without labels, or with all of them, has the value 0.",
      .peers = "PyTorch MultiLabelMarginLoss: the same, slope 0 at the margin.",
      .kinks_note = "where x_j - x_i = 1: 0 by default, what kink_policy says otherwise",
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true", .shape = "... C", .content = Content::kIndexOrPad, .summary = "labels, then -1"}},
      .examples = {{.origin = "PyTorch documentation of MultiLabelMarginLoss",
                    .target = {3, 0, -1, 1},
                    .prediction = {.1, .2, .4, .8},
                    .value = .85,
                    .gradient = {-.5, .5, .5, -.5}}},
      .conventions = {{.convention = Convention::kTorch, .kink_policy = KinkPolicy::kLeastNorm}},
      .has_kinks = true,
      .curvature = true,
  };
  double kink;

  static size_t Scratch(const Dims&, size_t width) { return width; }

  HWY_INLINE double operator()(const Item& x) const {
    const double* const s = x.in(0);
    const int32_t* const labels = x.index(1);
    double *const slope = x.slope(0), *const labelled = x.scratch();
    const size_t classes = x.width();
    const auto count = static_cast<double>(classes);
    const auto num_labels =
        static_cast<size_t>(std::find_if(labels, labels + classes, [](int32_t label) { return label < 0; }) - labels);
    std::fill_n(labelled, classes, 0.0);
    for (size_t k = 0; k < num_labels; ++k) labelled[labels[k]] = 1;
    if (slope != nullptr) std::fill_n(slope, classes, 0.0);
    CarefulSum value;
    for (size_t k = 0; k < num_labels; ++k) {
      const auto j = static_cast<size_t>(labels[k]);
      for (size_t i = 0; i < classes; ++i) {
        if (labelled[i] != 0) continue;
        const double z = Shortfall(1, s[j], s[i]);
        if (z < 0) continue;
        value.Add(z);
        if (slope == nullptr) continue;
        const double active = z == z ? StepAt(z, kink) : z;
        slope[i] += active;
        slope[j] -= active;
      }
    }
    if (slope != nullptr) {
      for (size_t c = 0; c < classes; ++c) slope[c] /= count;
    }
    return Linear(x, value.Total() / count);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_MARGIN_MULTILABEL_MARGIN_INL_H_
