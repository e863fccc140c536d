// Multilabel soft margin: the mean over the classes of their binary cross-entropies.
//
//   value   = 1/C sum_c w_c (max(x_c, 0) - x_c t_c + log1p(exp(-|x_c|)))
//   slope_c = w_c ((1 - t_c) s(x_c) - t_c s(-x_c))/C        s = sigmoid
//   curvature_c = w_c s(x_c) s(-x_c)/C
//
// Source: as in PyTorch, MultiLabelSoftMarginLoss.

#if defined(LOSSD_CORE_LOSSES_MARGIN_MULTILABEL_SOFT_MARGIN_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_MARGIN_MULTILABEL_SOFT_MARGIN_INL_H_
#undef LOSSD_CORE_LOSSES_MARGIN_MULTILABEL_SOFT_MARGIN_INL_H_
#else
#define LOSSD_CORE_LOSSES_MARGIN_MULTILABEL_SOFT_MARGIN_INL_H_
#endif

#include "core/simd/careful_sum-inl.h"
#include "core/simd/elementwise-inl.h"
#include "core/simd/item-inl.h"
#include "core/simd/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct MultilabelSoftMargin {
  static constexpr Contract kContract = {
      .name = "multilabel_soft_margin",
      .family = Family::kRow,
      .aliases = {{"MultiLabelSoftMarginLoss"}},
      .summary = "the mean over the classes of their binary cross-entropies",
      .use = "Classification by logits where an item has several labels, one value for each item.",
      .formula = "-1/C sum_c w_c (t_c log sigmoid(x_c) + (1 - t_c) log sigmoid(-x_c))",
      .gradient = "w_c (sigmoid(x_c) - t_c)/C",
      .tex = R"(-\frac1C \sum_c w_c \bigl(t_c \ln\sigma(x_c) + (1 - t_c) \ln\sigma(-x_c)\bigr))",
      .source = "Bishop 2006, Pattern Recognition and Machine Learning, equation 4.90; as in PyTorch",
      .notes = "The divisor is the number of classes, whatever their weights.",
      .peers =
          "PyTorch MultiLabelSoftMarginLoss, with weight as class_weight. binary_crossentropy of logits with last_axis "
          "= MEAN has the same values.",
      .forms = {{InputKind::kLogits}},
      .inputs =
          {{.name = "y_pred", .shape = "... C", .differentiable = true},
           {.name = "y_true", .shape = "... C", .domain = kUnit, .summary = "1 for the classes of the item"},
           {.name = "class_weight", .shape = "C", .optional = true, .fallback = 1, .summary = "factor of each class"}},
      .target = kUnit,
      .examples = {{.origin = "by hand: (log 2 + log(1 + e))/2",
                    .target = {1, 0},
                    .prediction = {0, 1},
                    .value = 1.00320443,
                    .gradient = {-.25, .365529289},
                    .form = {InputKind::kLogits}}},
      .soft_targets_cancel = true,
      .conventions = {{.convention = Convention::kTorch}},
      .smoothing = Smoothing::kBinary,
      .curvature = true,
  };

  static size_t Scratch(const Dims&, size_t width) { return width; }

  HWY_INLINE double operator()(const Item& x) const {
    const double *const p = x.in(0), *const t = x.in(1), *const weight = x.in(2);
    double *const slope = x.slope(0), *const terms = x.scratch();
    const size_t classes = x.width();
    const auto count = static_cast<double>(classes);
    Walk(p, 0.0, t, classes, terms, [](size_t, auto v, auto vt) HWY_ATTR { return Term(Tag<double>(), v, vt).value; });
    CarefulSum value;
    for (size_t c = 0; c < classes; ++c) {
      const double w = weight == nullptr ? 1 : weight[c];
      if (w != 0) value.Add(w * terms[c]);
    }
    if (slope != nullptr) {
      Walk(p, 0.0, t, classes, slope,
           [](size_t, auto v, auto vt) HWY_ATTR { return Term(Tag<double>(), v, vt).slope[0]; });
      for (size_t c = 0; c < classes; ++c) slope[c] *= (weight == nullptr ? 1 : weight[c]) / count;
    }
    if (double* const curvature = x.curvature()) {
      Walk(p, 0.0, t, classes, curvature,
           [](size_t, auto v, auto vt) HWY_ATTR { return Term(Tag<double>(), v, vt).curvature; });
      for (size_t c = 0; c < classes; ++c) curvature[c] *= (weight == nullptr ? 1 : weight[c]) / count;
    }
    return value.Total() / count;
  }

 private:
  template <class D, class V>
  static HWY_INLINE ValueSlope<V> Term(D d, V x, V t) {
    const V one = C(d, 1.0);
    const V decay = hn::Exp(d, hn::Neg(hn::Abs(x)));
    const auto positive = hn::Ge(x, hn::Zero(d));
    const V no = hn::Sub(one, t);
    const V larger = hn::IfThenElse(positive, no, t);  // of the sigmoid that is above 1/2
    const V smaller = hn::IfThenElse(positive, t, no);
    const V slope = hn::Div(hn::NegMulAdd(smaller, decay, larger), hn::Add(one, decay));
    const V hinge = hn::IfThenZeroElse(hn::Eq(larger, hn::Zero(d)), hn::Mul(hn::Abs(x), larger));
    const V all = hn::Add(one, decay);
    return {hn::Add(hinge, hn::Log1p(d, decay)),
            {hn::IfThenElse(positive, slope, hn::Neg(slope))},
            hn::Div(hn::Div(decay, all), all)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_MARGIN_MULTILABEL_SOFT_MARGIN_INL_H_
