// Jensen-Shannon divergence: how far two distributions are from their mixture; symmetric and bounded.
//
//   m           = beta t + (1 - beta) p
//   J           = (beta sum_c t_c ln(t_c/m_c) + (1 - beta) sum_c p_c ln(p_c/m_c)) / ln(base)
//               = (beta sum deviance(t_c, m_c) + (1 - beta) sum deviance(p_c, m_c)) / ln(base)      every term >= 0
//   dJ/dp       = (1 - beta) ln(p_c/m_c) / ln(base)
//   dJ/dt       = beta ln(t_c/m_c) / ln(base)
//   value       = J, or its root: slope / (2 sqrt J), 0 at J = 0; the curvatures of both at Curve
//
// t - m = (1 - beta)(t - p) and p - m = beta (p - t) are formed before the rounding of m.
// Source: Lin 1991, Divergence Measures Based on the Shannon Entropy, IEEE Trans. Inf. Theory 37(1).

#if defined(LOSSD_CORE_LOSSES_DIVERGENCE_JS_DIVERGENCE_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_DIVERGENCE_JS_DIVERGENCE_INL_H_
#undef LOSSD_CORE_LOSSES_DIVERGENCE_JS_DIVERGENCE_INL_H_
#else
#define LOSSD_CORE_LOSSES_DIVERGENCE_JS_DIVERGENCE_INL_H_
#endif

#include <cmath>

#include "core/simd/divergence_common-inl.h"
#include "core/simd/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct JsDivergence {
  static constexpr Contract kContract = {
      .name = "js_divergence",
      .family = Family::kRow,
      .aliases = {{"jensen_shannon_divergence"}, {"jensen_shannon"}, {"jsd"}},
      .summary = "how far two distributions are from their mixture: symmetric, bounded, finite",
      .use = "Comparing distributions that may not overlap, heatmaps, distillation between KL and reverse KL.",
      .formula = "(beta KL(t||m) + (1 - beta) KL(p||m)) / ln(base), m = beta t + (1 - beta) p; sqrt: its root",
      .gradient = "y_pred: (1 - beta) ln(p_c/m_c) / ln(base); y_true: beta ln(t_c/m_c) / ln(base); sqrt: over 2 value",
      .tex = "\\beta\\,\\mathrm{KL}(t\\|m) + (1-\\beta)\\,\\mathrm{KL}(p\\|m),\\ m = \\beta t + (1-\\beta) p",
      .source = "Lin 1991, Divergence Measures Based on the Shannon Entropy, IEEE Trans. Inf. Theory 37(1)",
      .notes =
          "beta = 1/2 is the classic. At most ln 2 / ln(base) then. The slope is -inf where its own row is 0 and the "
          "other "
          "is not, its limit, and 0 where both are 0: a class that takes no part. With sqrt the slope at p = t is 0.",
      .peers =
          "Not in Keras, PyTorch or optax. SciPy's jensenshannon is the square root; its base is base here. Some "
          "libraries clamp the mixture at 1e-7.",
      .kinks_note = "with sqrt at p = t, where 0 is returned",
      .params = {{"beta", .5, kOpenUnit, "weight of the target in the mixture"},
                 {"base", 2.718281828459045, {1, kInf, true, true}, "base of the logarithm; 2 bounds the value by 1"},
                 Flag("sqrt", false, "the root, which is a metric")},
      .forms = {{InputKind::kProbabilities, ClipPolicy::kNone, kNonNegative}},
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true",
                  .shape = "... C",
                  .differentiable = true,
                  .domain = kNonNegative,
                  .summary = "probabilities of the classes"}},
      .target = kNonNegative,
      .examples = {{.origin = "by hand: 1/2 ln(4/3) + 1/4 ln(2/3) + 1/4 ln 2",
                    .target = {1, 0},
                    .prediction = {.5, .5},
                    .value = 0.21576155,
                    .gradient = {-.20273255, .34657359},
                    .form = {InputKind::kProbabilities}},
                   {.origin = "SciPy docstring of jensenshannon, a root: 0.46450140402245893",
                    .target = {1, 0},
                    .prediction = {.5, .5},
                    .value = .46450140,
                    .gradient = {-0.21822599, 0.37305979},
                    .form = {InputKind::kProbabilities},
                    .params = {.5, 2.718281828459045, 1}}},
      .f64 = {.curvature_ulp = 512},
      .tolerance_note =
          "the second derivative of the root, where the rows agree in all classes but one: its two terms cancel, the "
          "more the nearer they are; without sqrt it keeps to 4",
      .curvature = true,
  };
  double beta, base, sqrt;

  HWY_INLINE double operator()(const Item& x) const {
    const Tag<double> d;
    using V = hn::Vec<Tag<double>>;
    const double scale = 1 / LogScalar1(base);
    const V of_t = C(d, beta), of_p = C(d, 1 - beta);
    LaneSum value;
    const V slope_t = C(d, beta * scale), slope_p = C(d, (1 - beta) * scale);
    EachVector<2, 2>(x.width(), {x.in(0), x.in(1)}, {0.0, 0.0}, {x.slope(0), x.slope(1)},
                     [&](size_t at, const std::array<V, 2>& in) HWY_ATTR -> std::array<V, 2> {
                       const V p = in[0], t = in[1];
                       const V m = hn::MulAdd(of_t, t, hn::Mul(of_p, p));
                       const V gap = hn::Sub(p, t);
                       const auto from_t = Compare(d, t, m, hn::Neg(hn::Mul(of_p, gap)), FarLogRatio(d, t, m));
                       const auto from_p = Compare(d, p, m, hn::Mul(of_t, gap), FarLogRatio(d, p, m));
                       value.Add(at, hn::MulAdd(of_t, from_t.deviance, hn::Mul(of_p, from_p.deviance)));
                       return {hn::Mul(slope_p, from_p.log_ratio), hn::Mul(slope_t, from_t.log_ratio)};
                     });
    const double divergence = value.Total() * scale;
    if (x.curvature() != nullptr) Curve(x, scale);
    if (sqrt == 0) return divergence;
    const double root = std::sqrt(divergence);
    const double factor = root == 0 ? 0 : .5 / root;
    for (size_t i = 0; i < 2; ++i) {
      for (size_t c = 0; x.slope(i) != nullptr && c < x.width(); ++c) {
        x.slope(i)[c] = factor == 0 ? 0 : x.slope(i)[c] * factor;
      }
    }
    return root;
  }

 private:
  // From the parts J_c of the divergence J and their derivatives:
  //   J_c'' = beta (1 - beta) t_c / (p_c m_c)
  //   of the root: (2 J_c'' (J - J_c) + (2 J_c J_c'' - J_c'^2)) / (4 J^(3/2))
  HWY_NOINLINE void Curve(const Item& x, double scale) const {
    const Tag<double> d;
    using V = hn::Vec<Tag<double>>;
    const V of_t = C(d, beta), of_p = C(d, 1 - beta), unit = C(d, scale), zero = hn::Zero(d);
    double* const out = x.curvature();
    const auto mixed = [&](V p, V t) HWY_ATTR { return hn::MulAdd(of_t, t, hn::Mul(of_p, p)); };
    const auto bend = [&](V p, V t) HWY_ATTR {
      const V share = hn::Div(hn::Mul(hn::Mul(of_t, of_p), t), mixed(p, t));
      return hn::IfThenZeroElse(hn::Eq(t, zero), hn::Mul(unit, hn::Div(share, p)));
    };
    if (sqrt == 0) {
      EachVector<2, 1>(x.width(), {x.in(0), x.in(1)}, {1.0, 1.0}, {out},
                       [&](size_t, const std::array<V, 2>& in)
                           HWY_ATTR -> std::array<V, 1> { return {bend(in[0], in[1])}; });
      return;
    }
    const auto from_p = [&](V p, V t, V m)
                            HWY_ATTR { return Compare(d, p, m, hn::Mul(of_t, hn::Sub(p, t)), FarLogRatio(d, p, m)); };
    const auto part = [&](V p, V t) HWY_ATTR {
      const V m = mixed(p, t);
      const auto from_t = Compare(d, t, m, hn::Mul(of_p, hn::Sub(t, p)), FarLogRatio(d, t, m));
      return hn::Mul(unit, hn::MulAdd(of_t, from_t.deviance, hn::Mul(of_p, from_p(p, t, m).deviance)));
    };
    EachVector<2, 1>(x.width(), {x.in(0), x.in(1)}, {0.0, 0.0}, {out},
                     [&](size_t, const std::array<V, 2>& in)
                         HWY_ATTR -> std::array<V, 1> { return {part(in[0], in[1])}; });
    const SumOfOthers sum(out, x.width());
    if (!(sum.total() > 0)) {
      std::fill_n(out, x.width(), 0.0);
      return;
    }
    for (size_t c = 0; c < x.width(); ++c) out[c] = sum.without(c, out[c]) / sum.total();
    const V total = C(d, sum.total()), factor = C(d, .25 / std::sqrt(sum.total())), two = C(d, 2.0);
    EachVector<3, 1>(x.width(), {x.in(0), x.in(1), out}, {1.0, 1.0, 0.0}, {out},
                     [&](size_t, const std::array<V, 3>& in) HWY_ATTR -> std::array<V, 1> {
                       const V p = in[0], t = in[1], h = bend(p, t);
                       const V g = hn::Mul(hn::Mul(of_p, unit), from_p(p, t, mixed(p, t)).log_ratio);
                       const V own =
                           hn::Sub(hn::Mul(hn::Mul(two, h), hn::Div(part(p, t), total)), hn::Mul(g, hn::Div(g, total)));
                       const V curvature = hn::Mul(factor, hn::MulAdd(hn::Mul(two, h), in[2], own));
                       return {hn::IfThenElse(hn::Eq(h, hn::Inf(d)), h, curvature)};
                     });
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_DIVERGENCE_JS_DIVERGENCE_INL_H_
