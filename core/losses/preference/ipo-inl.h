// IPO: the gain of the preferred completion over the rejected one is pulled to a fixed margin.
//
//   h = (w - rw) - (l - rl) - 1/(2 beta), w and l the log-probabilities of the preferred and the rejected completion
//   value     = h^2
//   slope     = 2 h for w, -2 h for l
//   curvature = 2
//
// Source: Azar et al. 2024, A General Theoretical Paradigm to Understand Learning from Human Preferences, equation 17.

#if defined(LOSSD_CORE_LOSSES_PREFERENCE_IPO_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_PREFERENCE_IPO_INL_H_
#undef LOSSD_CORE_LOSSES_PREFERENCE_IPO_INL_H_
#else
#define LOSSD_CORE_LOSSES_PREFERENCE_IPO_INL_H_
#endif

#include "core/simd/preference_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Ipo {
  static constexpr Contract kContract = {
      .name = "ipo",
      .aliases = {{"IPOLoss"}, {"identity_preference_optimization"}},
      .summary = "the gain of the preferred completion over the rejected one is pulled to a fixed margin",
      .use = "Training a language model on pairs of completions, where dpo would overfit to preferences without noise.",
      .formula = "h^2, h = (y_pred - reference_chosen) - (policy_rejected - reference_rejected) - 1/(2 beta)",
      .gradient = "y_pred: 2 h; policy_rejected: -2 h",
      .tex = "\\left((\\pi_w - \\rho_w) - (\\pi_l - \\rho_l) - \\frac{1}{2\\beta}\\right)^2",
      .source =
          "Azar et al. 2024, A General Theoretical Paradigm to Understand Learning from Human Preferences, AISTATS, "
          "equation 17",
      .notes =
          "beta is the tau of the paper. Sums of log-probabilities over tokens or their means: the caller decides.",
      .peers =
          "Neither Keras nor PyTorch nor optax has it. trl: DPOTrainer, loss_type ipo, with means over the tokens.",
      .params = {{"beta", .1, kPositive, "how strongly the policy is held to the reference; the margin is 1/(2 beta)"}},
      .inputs = {{.name = "y_pred", .differentiable = true, .summary = "policy, preferred completion"},
                 {.name = "policy_rejected", .differentiable = true, .summary = "policy, rejected completion"},
                 {.name = "reference_chosen", .summary = "reference model, preferred completion"},
                 {.name = "reference_rejected", .summary = "reference model, rejected completion"}},
      .examples = {{.origin = "by hand: (0 - 5)^2, (10 - 5)^2",
                    .target = {},
                    .prediction = {-3, -10},
                    .value = 50,
                    .gradient = {-10, 10},
                    .others = {{-3, -25}, {-5, -15}, {-5, -20}}}},
      .curvature = true,
  };
  double beta;

  template <class D, class V>
  HWY_INLINE Local<V, 2> operator()(D d, V w, V l, V rw, V rl) const {
    const Twofold<V> gain = Difference(d, Difference(d, w, rw), Difference(d, l, rl));
    const Twofold<V> h = Difference(d, gain, Inverse(d, C(d, 2 * beta)));
    const V gap = hn::Add(h.hi, h.lo);
    const V slope = hn::Add(gap, gap);
    return {hn::Mul(gap, gap), {slope, hn::Neg(slope)}, C(d, 2.0)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_PREFERENCE_IPO_INL_H_
