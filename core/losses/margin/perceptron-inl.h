// Perceptron: the size of a score of the wrong sign.
//
//   z     = -t p                         t = -1 or 1
//   value = max(z, 0)
//   slope = -t [z > 0]
//
// Source: Rosenblatt 1958, The Perceptron, Psychological Review 65(6).

#if defined(LOSSD_CORE_LOSSES_MARGIN_PERCEPTRON_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_MARGIN_PERCEPTRON_INL_H_
#undef LOSSD_CORE_LOSSES_MARGIN_PERCEPTRON_INL_H_
#else
#define LOSSD_CORE_LOSSES_MARGIN_PERCEPTRON_INL_H_
#endif

#include "core/simd/elementwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Perceptron {
  static constexpr Contract kContract = {
      .name = "perceptron",
      .aliases = {{"perceptron_loss"}},
      .summary = "the size of a score of the wrong sign",
      .use = "Binary classification by the sign of a score, online learning.",
      .formula = "max(-y_true y_pred, 0)",
      .gradient = "-y_true where y_true y_pred < 0, else 0",
      .tex = R"(\max(-t\,p,\ 0))",
      .source = "Rosenblatt 1958, The Perceptron, Psychological Review 65(6)",
      .notes =
          "Labels as for hinge. A model that starts at score 0 gets slope 0 under the default kink policy and never "
          "moves: set kink_policy to AVERAGE or ACTIVE there.",
      .peers = "optax expects signed labels; at y_pred = 0 its gradient is -y_true/2 (AVERAGE). scikit-learn's is 0.",
      .kinks_note = "at y_pred = 0: 0 by default, what kink_policy says otherwise",
      .params = {Choice("label_encoding", {"signed", "binary", "auto"}, 0, "what the labels are")},
      .target = {-1, 1},
      .examples = {{.origin = "by hand: 20 for the second alone, as in the test of optax",
                    .target = {1, -1},
                    .prediction = {10, 20},
                    .value = 20,
                    .gradient = {0, 1}}},
      .conventions = {{.convention = Convention::kOptax}},
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
    const V z = hn::Neg(hn::Mul(t, p));
    return {Positive(d, z), {hn::Neg(hn::Mul(t, Step(d, z, kink)))}, hn::Zero(d)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_MARGIN_PERCEPTRON_INL_H_
