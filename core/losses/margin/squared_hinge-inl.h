// Squared hinge: the hinge without its corner.
//
//   z         = max(1 - t p, 0)          t = -1 or 1
//   value     = z^2
//   slope     = -2 t z
//   curvature = 2 t^2 [z > 0]
//
// Source: Chang, Hsieh and Lin 2008, Coordinate Descent Method for Large-scale L2-loss Linear SVM, JMLR 9.

#if defined(LOSSD_CORE_LOSSES_MARGIN_SQUARED_HINGE_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_MARGIN_SQUARED_HINGE_INL_H_
#undef LOSSD_CORE_LOSSES_MARGIN_SQUARED_HINGE_INL_H_
#else
#define LOSSD_CORE_LOSSES_MARGIN_SQUARED_HINGE_INL_H_
#endif

#include "core/simd/elementwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct SquaredHinge {
  static constexpr Contract kContract = {
      .name = "squared_hinge",
      .aliases = {{"l2_hinge"}, {"squared_hinge_loss"}},
      .summary = "the hinge without its corner",
      .use = "Binary classification by a signed score where a smooth loss is wanted; far misses count more.",
      .formula = "max(1 - y_true y_pred, 0)^2",
      .gradient = "-2 y_true max(1 - y_true y_pred, 0)",
      .tex = R"(\max(1 - t\,p,\ 0)^2)",
      .source = "Chang, Hsieh and Lin 2008, Coordinate Descent Method for Large-scale L2-loss Linear SVM, JMLR 9",
      .notes = "Labels as for hinge.",
      .peers = "Keras averages the last axis and reads labels by the rule auto. PyTorch and optax do not have it.",
      .kinks_note = "none in the gradient; the second derivative jumps at y_true y_pred = 1, where it is 0",
      .params = {Choice("label_encoding", {"signed", "binary", "auto"}, 0, "what the labels are")},
      .target = {-1, 1},
      .examples = {{.origin = "by hand: 0.7^2 + 0.8^2 + 0.9^2 + 0",
                    .target = {-1, 1, -1, 1},
                    .prediction = {-.3, .2, -.1, 1.6},
                    .value = 1.94,
                    .gradient = {1.4, -1.6, 1.8, 0}}},
      .conventions = {{.convention = Convention::kKeras, .params = {{"label_encoding", 2}}}},
      .curvature = true,
      .label_encoding = "label_encoding",
  };
  static constexpr bool kNative = true;
  static constexpr bool kPassesNan = true;
  double label_encoding;  // the targets come signed

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V p, V t) const {
    const V zero = hn::Zero(d), two = C(d, 2.0);
    const V z = Positive(d, hn::NegMulAdd(t, p, C(d, 1.0)));
    const V steepness = hn::IfThenElseZero(hn::Gt(z, zero), hn::Mul(two, hn::Mul(t, t)));
    return {hn::Mul(z, z), {hn::Neg(hn::Mul(t, hn::Add(z, z)))}, steepness};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_MARGIN_SQUARED_HINGE_INL_H_
