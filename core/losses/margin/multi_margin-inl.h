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

#include "core/simd/each_vector-inl.h"
#include "core/simd/elementwise-inl.h"
#include "core/simd/item-inl.h"
#include "core/simd/twofold-inl.h"

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
  static constexpr bool kReadsFloats = true;
  double p, margin;
  double kink;

  template <class T>
  HWY_INLINE double operator()(const ItemOf<T>& x) const {
    if (p == 1) return Of<T, 1>(x);
    if (p == 2) return Of<T, 2>(x);
    return Of<T, 0>(x);
  }

 private:
  // kPower: that of the terms where it is 1 or 2, else 0.
  template <class T, int kPower>
  HWY_NOINLINE double Of(const ItemOf<T>& x) const {
    const Tag<double> d;
    using V = hn::Vec<Tag<double>>;
    const T* const s = x.in(0);
    const size_t classes = x.width();
    const auto count = static_cast<double>(classes);
    const auto label = static_cast<size_t>(x.index(1)[0]);
    const V own = C(d, Read(s + label)), distance = C(d, margin);
    const V share = C(d, 1 / count), end = C(d, count), labelled = C(d, static_cast<double>(label));
    V c = hn::Iota(d, 0);
    LaneSum value, pull, bend;
    EachVector<1, 2, T>(classes, {s}, {0.0}, {x.slope(0), x.curvature()},
                        [&](size_t at, const std::array<V, 1>& in) HWY_ATTR -> std::array<V, 2> {
                          // margin - s_y + s_c, as if rounded once.
                          const Twofold<V> gap = Difference(d, in[0], own);
                          const Twofold<V> sum = Difference(d, gap.hi, hn::Neg(distance));
                          const Local<V> term = Term<kPower>(d, hn::Add(sum.hi, Rest(d, hn::Add(sum.lo, gap.lo))));
                          const auto none = hn::Or(hn::Eq(c, labelled), hn::Ge(c, end));
                          c = hn::Add(c, C(d, static_cast<double>(kLanes<double>)));
                          const V slope = hn::IfThenZeroElse(none, term.slope[0]);
                          const V curvature = hn::IfThenZeroElse(none, term.curvature);
                          value.Add(at, hn::IfThenZeroElse(none, term.value));
                          pull.Add(at, slope);
                          bend.Add(at, curvature);
                          return {hn::Mul(slope, share), hn::Mul(curvature, share)};
                        });
    if (x.slope(0) != nullptr) Write(-pull.Total() / count, x.slope(0) + label);
    if (x.curvature() != nullptr) Write(bend.Total() / count, x.curvature() + label);
    return value.Total() / count;
  }

  // max(z, 0)^p and its derivatives; the second is 0 at z = 0.
  template <int kPower, class D, class V>
  HWY_INLINE Local<V> Term(D d, V z) const {
    const V zero = hn::Zero(d);
    const auto active = hn::Gt(z, zero);
    const auto undefined = hn::IsNaN(z);
    Local<V> term;
    if constexpr (kPower == 1) {
      term = {z, {C(d, 1.0)}, zero};
    } else if constexpr (kPower == 2) {
      term = {hn::Mul(z, z), {hn::Add(z, z)}, C(d, 2.0)};
    } else {
      const V log = hn::Log(d, hn::IfThenElse(active, z, C(d, 1.0)));
      const auto raised = [&](double exponent) HWY_ATTR { return hn::Exp(d, hn::Mul(C(d, exponent), log)); };
      term = {raised(p), {hn::Mul(C(d, p), raised(p - 1))}, hn::Mul(C(d, p * (p - 1)), raised(p - 2))};
    }
    const auto where = [&](V v, V at_zero)
                           HWY_ATTR { return hn::IfThenElse(undefined, z, hn::IfThenElse(active, v, at_zero)); };
    const V step = kPower == 1 ? hn::IfThenElseZero(hn::Eq(z, zero), C(d, kink)) : zero;
    return {where(term.value, zero), {where(term.slope[0], step)}, where(term.curvature, zero)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_MARGIN_MULTI_MARGIN_INL_H_
