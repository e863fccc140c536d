// SimPO: the preferred completion must be likelier than the rejected one by a margin; no reference model.
//
//   z = beta (w - l) - gamma, w and l the mean log-probabilities of a token of each completion
//   value     = -ln sigmoid(z) = max(-z, 0) + ln(1 + exp(-|z|))
//   slope     = -beta sigmoid(-z) for w, beta sigmoid(-z) for l
//   curvature = beta^2 sigmoid(z) sigmoid(-z)
//
// Source: Meng, Xia and Chen 2024, SimPO: Simple Preference Optimization with a Reference-Free Reward, equation 6.

#if defined(LOSSD_CORE_LOSSES_PREFERENCE_SIMPO_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_PREFERENCE_SIMPO_INL_H_
#undef LOSSD_CORE_LOSSES_PREFERENCE_SIMPO_INL_H_
#else
#define LOSSD_CORE_LOSSES_PREFERENCE_SIMPO_INL_H_
#endif

#include "core/simd/preference_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Simpo {
  static constexpr Contract kContract = {
      .name = "simpo",
      .aliases = {{"SimPOLoss"}, {"simple_preference_optimization"}},
      .summary = "the preferred completion must be likelier than the rejected one by a margin; no reference model",
      .use = "Training a language model on pairs of completions without keeping a reference model in memory.",
      .formula = "-log sigmoid(beta (y_pred - policy_rejected) - gamma)",
      .gradient = "y_pred: -beta sigmoid(gamma - beta (y_pred - policy_rejected)); policy_rejected: minus that",
      .tex = "-\\ln\\sigma\\left(\\beta\\,(\\pi_w - \\pi_l) - \\gamma\\right)",
      .source =
          "Meng, Xia and Chen 2024, SimPO: Simple Preference Optimization with a Reference-Free Reward, NeurIPS, "
          "equation 6",
      .notes =
          "Inputs are log-probabilities divided by the length of the completion, by the caller. gamma is the margin "
          "itself, not its ratio to beta.",
      .peers =
          "Neither Keras nor PyTorch nor optax has it. trl: CPOTrainer, loss_type simpo, simpo_gamma 0.5, beta 0.1.",
      .params = {{"beta", 2, kPositive, "scale of the difference"},
                 {"gamma", .5, kReal, "margin of the scaled difference"}},
      .inputs = {{.name = "y_pred", .differentiable = true, .summary = "policy, preferred completion, per token"},
                 {.name = "policy_rejected",
                  .differentiable = true,
                  .summary = "policy, rejected completion, per token"}},
      .examples = {{.origin = "by hand: ln 2, slope -2/2; z = 1: ln(1 + 1/e), slope -2/(1 + e)",
                    .target = {},
                    .prediction = {-1, -1},
                    .value = 1.006408868,
                    .gradient = {-1, -.537882843},
                    .others = {{-1.25, -1.75}}}},
      .curvature = true,
  };
  double beta, gamma;

  template <class D, class V>
  HWY_INLINE Local<V, 2> operator()(D d, V w, V l) const {
    const V zero = hn::Zero(d), scale = C(d, beta);
    const Twofold<V> gain = Scaled(d, scale, Difference(d, w, l));
    const Twofold<V> z = Difference(d, gain, Twofold<V>{C(d, gamma), zero});
    const Logistic<V> at = LogisticOf(d, z);
    const auto right = hn::Ge(z.hi, zero);
    const V slope = hn::Mul(scale, hn::IfThenElse(right, at.smaller, at.larger));
    const V bend = hn::Mul(hn::Mul(scale, at.larger), hn::Mul(scale, at.smaller));
    return {hn::Add(hn::IfThenZeroElse(right, at.distance), at.log_one_up), {hn::Neg(slope), slope}, bend};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_PREFERENCE_SIMPO_INL_H_
