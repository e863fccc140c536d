// Hellinger distance: the Euclidean distance of the roots of two distributions, between 0 and 1.
//
//   r_c     = sqrt p_c - sqrt t_c = (p_c - t_c) / (sqrt p_c + sqrt t_c)         no cancellation
//   value   = sqrt(1/2 sum_c r_c^2)
//   slope_c = r_c / (4 value sqrt p_c)
//   curvature_c: at Curve
//
// Source: Le Cam and Yang 2000, Asymptotics in Statistics, section 4.2.

#if defined(LOSSD_CORE_LOSSES_DIVERGENCE_HELLINGER_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_DIVERGENCE_HELLINGER_INL_H_
#undef LOSSD_CORE_LOSSES_DIVERGENCE_HELLINGER_INL_H_
#else
#define LOSSD_CORE_LOSSES_DIVERGENCE_HELLINGER_INL_H_
#endif

#include <algorithm>
#include <cmath>

#include "core/simd/divergence_common-inl.h"
#include "core/simd/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Hellinger {
  static constexpr Contract kContract = {
      .name = "hellinger",
      .family = Family::kRow,
      .aliases = {{"hellinger_distance"}},
      .summary = "the distance of the roots of two distributions, between 0 and 1",
      .use = "A bounded metric on distributions that stays finite where they do not overlap.",
      .formula = "sqrt(1/2 sum_c (sqrt p_c - sqrt t_c)^2)",
      .gradient = "(sqrt p_c - sqrt t_c) / (4 value sqrt p_c); 0 at p = t",
      .tex = "\\sqrt{\\tfrac12 \\sum_c (\\sqrt{p_c} - \\sqrt{t_c})^2}",
      .source = "Le Cam and Yang 2000, Asymptotics in Statistics, section 4.2",
      .notes =
          "Rows need not be normalised. The slope is -inf at p_c = 0 < t_c and 1/(4 value) at p_c = t_c = 0, its "
          "limits.",
      .peers = "Not in Keras, PyTorch or optax.",
      .kinks_note = "p = t, where 0 is returned",
      .forms = {{InputKind::kProbabilities, ClipPolicy::kNone, kNonNegative}},
      .inputs =
          {{.name = "y_pred", .shape = "... C", .differentiable = true},
           {.name = "y_true", .shape = "... C", .domain = kNonNegative, .summary = "probabilities of the classes"}},
      .target = kNonNegative,
      .examples = {{.origin = "by hand: sqrt(1/2 (1/4 + 1/4))",
                    .target = {1, .25},
                    .prediction = {.25, 1},
                    .value = .5,
                    .gradient = {-.5, .25},
                    .form = {InputKind::kProbabilities}}},
      .f64 = {.curvature_ulp = 64},
      .tolerance_note = "the two terms of a second derivative may cancel",
      .curvature = true,
  };

  HWY_INLINE double operator()(const Item& x) const {
    const Tag<double> d;
    using V = hn::Vec<Tag<double>>;
    const V zero = hn::Zero(d);
    const auto gap = [&](V p, V t) HWY_ATTR {
      const V e = hn::Sub(p, t);
      return hn::IfThenZeroElse(hn::Eq(e, zero), hn::Div(e, hn::Add(hn::Sqrt(p), hn::Sqrt(t))));
    };
    LaneSum sum;
    EachVector<2, 0>(x.width(), {x.in(0), x.in(1)}, {0.0, 0.0}, {},
                     [&](size_t at, const std::array<V, 2>& in) HWY_ATTR -> std::array<V, 0> {
                       const V r = gap(in[0], in[1]);
                       sum.Add(at, hn::Mul(r, r));
                       return {};
                     });
    const double value = std::sqrt(.5 * sum.Total());
    if (value == 0) return Fill(x, 0);
    if (x.curvature() != nullptr) Curve(x, value, gap);
    if (x.slope(0) == nullptr) return value;
    const V scale = C(d, .25 / value);
    EachVector<2, 1>(x.width(), {x.in(0), x.in(1)}, {1.0, 1.0}, {x.slope(0)},
                     [&](size_t, const std::array<V, 2>& in) HWY_ATTR -> std::array<V, 1> {
                       const V ratio = hn::Div(gap(in[0], in[1]), hn::Sqrt(in[0]));
                       const auto neither = hn::And(hn::Eq(in[0], zero), hn::Eq(in[1], zero));
                       return {hn::Mul(scale, hn::IfThenElse(neither, C(d, 1.0), ratio))};
                     });
    return value;
  }

 private:
  // With r = sqrt(t_c / p_c), u_c = (sqrt p_c - sqrt t_c)^2 and U = sum u:
  //   curvature_c = (r (U - u_c) / p_c - (1 - r)^3) / (16 value^3)
  template <class Gap>
  static HWY_NOINLINE void Curve(const Item& x, double value, const Gap& gap) {
    const Tag<double> d;
    using V = hn::Vec<Tag<double>>;
    const V zero = hn::Zero(d);
    double* const out = x.curvature();
    EachVector<2, 1>(x.width(), {x.in(0), x.in(1)}, {0.0, 0.0}, {out},
                     [&](size_t, const std::array<V, 2>& in) HWY_ATTR -> std::array<V, 1> {
                       const V e = gap(in[0], in[1]);
                       return {hn::Mul(e, e)};
                     });
    const SumOfOthers sum(out, x.width());
    for (size_t c = 0; c < x.width(); ++c) out[c] = sum.without(c, out[c]) / sum.total();
    const V total = C(d, sum.total()), factor = C(d, .125 / value);
    EachVector<3, 1>(x.width(), {x.in(0), x.in(1), out}, {1.0, 1.0, 0.0}, {out},
                     [&](size_t, const std::array<V, 3>& in) HWY_ATTR -> std::array<V, 1> {
                       const V p = in[0], root = hn::Sqrt(p);
                       const auto absent = hn::Eq(p, zero), neither = hn::And(absent, hn::Eq(in[1], zero));
                       const V ratio = hn::IfThenZeroElse(neither, hn::Div(hn::Sqrt(in[1]), root));
                       const V pull = hn::IfThenElse(neither, C(d, 1.0), hn::Div(gap(p, in[1]), root));  // 1 - r
                       const V spread = hn::IfThenZeroElse(neither, hn::Mul(hn::Div(ratio, p), in[2]));
                       const V cube = hn::Div(hn::Mul(hn::Mul(pull, pull), pull), total);
                       const V curvature = hn::Mul(factor, hn::Sub(spread, cube));
                       return {hn::IfThenElse(hn::AndNot(neither, absent), hn::Inf(d), curvature)};
                     });
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_DIVERGENCE_HELLINGER_INL_H_
