// Hinge: linear while the score is short of the margin, nothing beyond it.
//
//   z     = 1 - t p                      t = -1 or 1
//   value = max(z, 0)
//   slope = -t [z > 0]
//
// Source: Cortes and Vapnik 1995, Support-Vector Networks, Machine Learning 20.

#if defined(LOSSD_CORE_LOSSES_MARGIN_HINGE_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_MARGIN_HINGE_INL_H_
#undef LOSSD_CORE_LOSSES_MARGIN_HINGE_INL_H_
#else
#define LOSSD_CORE_LOSSES_MARGIN_HINGE_INL_H_
#endif

#include "core/simd/elementwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Hinge {
  static constexpr Contract kContract = {
      .name = "hinge",
      .aliases = {{"hinge_loss"}},
      .summary = "linear while the score is short of the margin, nothing beyond it",
      .use = "Binary classification by a signed score, as in a support vector machine.",
      .formula = "max(1 - y_true y_pred, 0)",
      .gradient = "-y_true where y_true y_pred < 1, else 0",
      .tex = R"(\max(1 - t\,p,\ 0))",
      .source = "Cortes and Vapnik 1995, Support-Vector Networks, Machine Learning 20",
      .notes =
          "Labels are -1 and 1, or 0 and 1 with label_encoding = binary; auto decides as Keras does, by looking at "
          "every label: BINARY if each of them is 0 or 1.",
      .peers =
          "Keras averages the last axis and uses the rule auto: a single -1 in the batch switches the conversion of "
          "0 off. optax expects signed labels. At y_true y_pred = 1 TensorFlow gives -y_true, JAX and PyTorch half "
          "of that, XGBoost 0.",
      .kinks_note = "at y_true y_pred = 1: 0 by default, what kink_policy says otherwise",
      .params = {Choice("label_encoding", {"signed", "binary", "auto"}, 0, "what the labels are")},
      .target = {-1, 1},
      .examples = {{.origin = "by hand: 0.7 + 0.8 + 0.9 + 0",
                    .target = {-1, 1, -1, 1},
                    .prediction = {-.3, .2, -.1, 1.6},
                    .value = 2.4,
                    .gradient = {1, -1, 1, 0}},
                   {.origin = "by hand: 1 + 0.5", .target = {1}, .prediction = {-.5}, .value = 1.5, .gradient = {-1}}},
      .conventions = {{.convention = Convention::kKeras, .params = {{"label_encoding", 2}}},
                      {.convention = Convention::kOptax}},
      .has_kinks = true,
      .curvature = true,
      .label_encoding = "label_encoding",
  };
  static constexpr bool kNative = true;
  static constexpr bool kPassesNan = true;
  double label_encoding;  // the targets come signed
  double kink;

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V p, V t) const {
    const V z = hn::NegMulAdd(t, p, C(d, 1.0));
    return {Positive(d, z), {hn::Neg(hn::Mul(t, Step(d, z, kink)))}, hn::Zero(d)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_MARGIN_HINGE_INL_H_
