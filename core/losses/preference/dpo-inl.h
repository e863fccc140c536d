// DPO: the preferred completion must gain more over the reference model than the rejected one.
//
//   z = beta ((w - rw) - (l - rl)), w and l the log-probabilities of the preferred and the rejected completion
//   value     = -(1 - eps) ln sigmoid(z) - eps ln sigmoid(-z)
//             = ln(1 + exp(-|z|)) + (1 - eps) max(-z, 0) + eps max(z, 0)
//   slope     = beta ((eps - (1 - eps) exp(-z)) / (1 + exp(-z)))       for w; for l the same with the other sign
//   curvature = beta^2 sigmoid(z) sigmoid(-z)
//
// Source: Rafailov et al. 2023, Direct Preference Optimization, equation 7; label smoothing: Mitchell 2023, A Note on
// DPO with Noisy Preferences.

#if defined(LOSSD_CORE_LOSSES_PREFERENCE_DPO_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_PREFERENCE_DPO_INL_H_
#undef LOSSD_CORE_LOSSES_PREFERENCE_DPO_INL_H_
#else
#define LOSSD_CORE_LOSSES_PREFERENCE_DPO_INL_H_
#endif

#include "core/simd/preference_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Dpo {
  static constexpr Contract kContract = {
      .name = "dpo",
      .aliases = {{"DPOLoss"}, {"direct_preference_optimization"}, {"cdpo"}},
      .summary = "the preferred completion must gain more over the reference model than the rejected one",
      .use = "Training a language model on pairs of completions, one preferred, without a reward model.",
      .formula =
          "-(1 - eps) log sigmoid(z) - eps log sigmoid(-z), z = beta ((y_pred - reference_chosen) - "
          "(policy_rejected - reference_rejected)), eps = label_smoothing",
      .gradient = "y_pred: beta (eps sigmoid(z) - (1 - eps) sigmoid(-z)); policy_rejected: minus that",
      .tex =
          "-(1-\\epsilon)\\ln\\sigma(z) - \\epsilon\\ln\\sigma(-z),\\quad z = "
          "\\beta\\left[(\\pi_w - \\rho_w) - (\\pi_l - \\rho_l)\\right]",
      .source =
          "Rafailov et al. 2023, Direct Preference Optimization, equation 7; Mitchell 2023, A Note on DPO with Noisy "
          "Preferences (label smoothing)",
      .notes =
          "Inputs are log-probabilities of completions, summed over their tokens by the caller. label_smoothing is "
          "the probability that a preference is the wrong way round; it is a parameter of this loss, not the option. "
          "The values keep the rounding of the differences, so that log-probabilities of -1e4 lose nothing.",
      .peers =
          "Neither Keras nor PyTorch nor optax has it. trl: DPOTrainer, loss_type sigmoid, beta 0.1, label_smoothing "
          "0; the same value.",
      .params = {{"beta", .1, kPositive, "how strongly the policy is held to the reference"},
                 {"label_smoothing", 0, {0, .5}, "probability that a preference is the wrong way round"}},
      .inputs = {{.name = "y_pred", .differentiable = true, .summary = "policy, preferred completion"},
                 {.name = "policy_rejected", .differentiable = true, .summary = "policy, rejected completion"},
                 {.name = "reference_chosen", .summary = "reference model, preferred completion"},
                 {.name = "reference_rejected", .summary = "reference model, rejected completion"}},
      .examples = {{.origin = "by hand: ln 2, slope -0.1/2; z = 1: ln(1 + 1/e), slope -0.1/(1 + e)",
                    .target = {},
                    .prediction = {-3, -10},
                    .value = 1.006408868,
                    .gradient = {-.05, -.026894142},
                    .others = {{-3, -25}, {-5, -15}, {-5, -20}}}},
      .curvature = true,
  };
  double beta, label_smoothing;

  template <class D, class V>
  HWY_INLINE Local<V, 2> operator()(D d, V w, V l, V rw, V rl) const {
    const V yes = C(d, 1 - label_smoothing), no = C(d, label_smoothing), scale = C(d, beta);
    const Twofold<V> z = Scaled(d, scale, Difference(d, Difference(d, w, rw), Difference(d, l, rl)));
    const Logistic<V> at = LogisticOf(d, z);
    const auto right = hn::Ge(z.hi, hn::Zero(d));
    const V larger = hn::IfThenElse(right, no, yes), smaller = hn::IfThenElse(right, yes, no);
    const V wrong = hn::IfThenZeroElse(hn::Eq(larger, hn::Zero(d)), hn::Mul(larger, at.distance));
    const V pull = hn::Mul(hn::NegMulAdd(smaller, at.decay, larger), at.larger);
    const V slope = hn::Mul(scale, hn::IfThenElse(right, pull, hn::Neg(pull)));
    const V bend = hn::Mul(hn::Mul(scale, at.larger), hn::Mul(scale, at.smaller));
    return {hn::Add(wrong, at.log_one_up), {slope, hn::Neg(slope)}, bend};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_PREFERENCE_DPO_INL_H_
