// Multi margin: every wrong class is to stay a margin behind the right one.
//
//   z_c   = margin - s_y + s_c for c != y, C classes
//   value = 1/C sum_{c != y} max(z_c, 0)^p
//   slope = h_c/C with h_c = p max(z_c, 0)^(p - 1); for y minus the sum of the others
//   curvature = p (p - 1) max(z_c, 0)^(p - 2)/C; for y the sum of the others
//
// Source: Weston and Watkins 1999, Support Vector Machines for Multi-Class Pattern Recognition.

#if defined(LOSSD_CORE_LOSSES_MARGIN_MULTI_MARGIN_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_MARGIN_MULTI_MARGIN_INL_H_
#undef LOSSD_CORE_LOSSES_MARGIN_MULTI_MARGIN_INL_H_
#else
#define LOSSD_CORE_LOSSES_MARGIN_MULTI_MARGIN_INL_H_
#endif

#include "core/simd/multiclass_margin-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct MultiMargin {
  static constexpr Contract kContract = {
      .name = "multi_margin",
      .family = Family::kRow,
      .aliases = {{"MultiMarginLoss"}, {"weston_watkins"}},
      .summary = "every wrong class is to stay a margin behind the right one",
      .use =
          "Classification by scores, with labels, where all the wrong classes are pushed down and not the best alone.",
      .formula = "1/C sum_{c != y} max(margin - s_y + s_c, 0)^p",
      .gradient = "h_c/C with h_c = p max(margin - s_y + s_c, 0)^(p - 1); for the label minus the sum of the others",
      .tex = R"(\frac1C \sum_{c \ne y} \max(m - s_y + s_c,\ 0)^p)",
      .source = "Weston and Watkins 1999, Support Vector Machines for Multi-Class Pattern Recognition",
      .notes =
          "The divisor is the number of classes C, not C - 1. class_weight multiplies the item by the weight of its "
          "label.",
      .peers = "PyTorch MultiMarginLoss: p is 1 or 2, the slope at the margin is 0.",
      .kinks_note = "for p = 1 at s_c = s_y - margin: 0 by default, what kink_policy says otherwise",
      .params = {{"p", 1, {1, 2}, "power of each term, 1 or 2 or between"},
                 {"margin", 1, kReal, "distance to be kept"}},
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true", .content = Content::kIndex}},
      .examples = {{.origin = "PyTorch documentation of MultiMarginLoss",
                    .target = {3},
                    .prediction = {.1, .2, .4, .8},
                    .value = .325,
                    .gradient = {.25, .25, .25, -.75}},
                   {.origin = "by hand: (0.5^2 + 1.5^2)/3",
                    .target = {0},
                    .prediction = {1, .5, 1.5},
                    .value = .8333333,
                    .gradient = {-1.3333333, .3333333, 1},
                    .params = {2, 1}}},
      .f64 = {24, 24},
      .tolerance_note =
          "for 1 < p < 2 in F64: the power goes through a logarithm, some 20 units in the last place at "
          "terms beyond e^20",
      .conventions = {{.convention = Convention::kTorch, .kink_policy = KinkPolicy::kLeastNorm}},
      .class_weights = true,
      .has_kinks = true,
      .curvature = true,
  };
  double p, margin;
  double kink;

  HWY_INLINE double operator()(const Item& x) const {
    const double* const s = x.in(0);
    double *const slope = x.slope(0), *const curvature = x.curvature();
    const size_t classes = x.width();
    const auto count = static_cast<double>(classes);
    const auto label = static_cast<size_t>(x.index(1)[0]);
    CarefulSum value, pull, bend;
    for (size_t c = 0; c < classes; ++c) {
      if (c == label) continue;
      const double z = Shortfall(margin, s[label], s[c]);
      const TwoParts term = Power(z);
      value.Add(term.sum);
      if (curvature != nullptr) {
        const double bent = Bend(z);
        bend.Add(bent);
        curvature[c] = bent / count;
      }
      if (slope == nullptr) continue;
      pull.Add(term.error);
      slope[c] = term.error / count;
    }
    if (slope != nullptr) slope[label] = -pull.Total() / count;
    if (curvature != nullptr) curvature[label] = bend.Total() / count;
    return value.Total() / count;
  }

 private:
  // max(z, 0)^p and its derivative.
  HWY_INLINE TwoParts Power(double z) const {
    if (z != z) return {z, z};
    if (p == 1) return {z > 0 ? z : 0, StepAt(z, kink)};
    if (z <= 0) return {0, 0};
    if (p == 2) return {z * z, 2 * z};
    return {Raised(z, p), p * Raised(z, p - 1)};
  }
  // Its second derivative; 0 at z = 0.
  HWY_INLINE double Bend(double z) const {
    if (z != z) return z;
    if (p == 1 || z <= 0) return 0;
    return p == 2 ? 2 : p * (p - 1) * Raised(z, p - 2);
  }
  static HWY_INLINE double Raised(double z, double exponent) {
    return Scalar(z,
                  [exponent](auto d, auto v) HWY_ATTR { return hn::Exp(d, hn::Mul(C(d, exponent), hn::Log(d, v))); });
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_MARGIN_MULTI_MARGIN_INL_H_
