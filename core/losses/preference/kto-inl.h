// KTO: completions judged one by one, good or bad; a loss felt like a person feels gains and losses.
//
//   r = p - reference, u = beta (r - kl) where desirable (t = 1), else beta (kl - r); weight c of its kind
//   value     = c sigmoid(-u)                                c (1 - sigmoid(u)) without its cancellation
//   slope     = -+ c beta sigmoid(u) sigmoid(-u)             - where desirable
//   curvature = c beta^2 sigmoid(u) sigmoid(-u) tanh(u/2)
//
// Source: Ethayarajh et al. 2024, KTO: Model Alignment as Prospect Theoretic Optimization, equation 8.

#if defined(LOSSD_CORE_LOSSES_PREFERENCE_KTO_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_PREFERENCE_KTO_INL_H_
#undef LOSSD_CORE_LOSSES_PREFERENCE_KTO_INL_H_
#else
#define LOSSD_CORE_LOSSES_PREFERENCE_KTO_INL_H_
#endif

#include "core/simd/preference_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Kto {
  static constexpr Contract kContract = {
      .name = "kto",
      .aliases = {{"KTOLoss"}, {"kahneman_tversky_optimization"}},
      .summary = "completions judged one by one, good or bad, and felt as gains and losses are",
      .use = "Training a language model where there are thumbs up and thumbs down, but no pairs.",
      .formula =
          "y_true = 1: desirable_weight (1 - sigmoid(beta (r - kl))); 0: undesirable_weight (1 - sigmoid(beta (kl - "
          "r))); r = y_pred - reference",
      .gradient =
          "y_true = 1: -desirable_weight beta s (1 - s), s = sigmoid(beta (r - kl)); 0: undesirable_weight beta s "
          "(1 - s)",
      .tex = "\\lambda_D\\,(1 - \\sigma(\\beta(r - z_0)))\\ \\text{or}\\ \\lambda_U\\,(1 - \\sigma(\\beta(z_0 - r)))",
      .source = "Ethayarajh et al. 2024, KTO: Model Alignment as Prospect Theoretic Optimization, ICML, equation 8",
      .notes =
          "kl is the caller's estimate of the divergence of policy and reference over the batch, kept >= 0 by the "
          "caller, and has no gradient, as in the paper. A y_true that is neither 0 nor 1 answers NaN.",
      .peers = "Neither Keras nor PyTorch nor optax has it. trl: KTOTrainer, beta 0.1, weights 1.",
      .params = {{"beta", .1, kPositive, "how strongly the policy is held to the reference"},
                 {"desirable_weight", 1, kNonNegative, "weight of the desirable completions"},
                 {"undesirable_weight", 1, kNonNegative, "weight of the others"}},
      .inputs = {{.name = "y_pred", .differentiable = true, .summary = "policy, completion"},
                 {.name = "reference", .summary = "reference model, the same completion"},
                 {.name = "y_true", .domain = kUnit, .summary = "1 desirable, 0 not"},
                 {.name = "kl", .summary = "estimate of the divergence of policy and reference"}},
      .target = kUnit,
      .examples = {{.origin = "by hand: 1/2 of each; slopes -+0.1/4",
                    .target = {1, 0},
                    .prediction = {-8, -8},
                    .value = 1,
                    .gradient = {-.025, .025},
                    .others = {{-10, -10}, {2, 2}}},
                   {.origin = "by hand: u = 1: 2/(1 + e); slope -2 (0.5) e/(1 + e)^2",
                    .target = {1},
                    .prediction = {-6},
                    .value = .537882843,
                    .gradient = {-.196611933},
                    .params = {.5, 2, 1},
                    .others = {{-10}, {2}}}},
      .curvature = true,
  };
  double beta, desirable_weight, undesirable_weight;

  template <class D, class V>
  HWY_INLINE Local<V> operator()(D d, V p, V reference, V t, V kl) const {
    const V zero = hn::Zero(d), one = C(d, 1.0), scale = C(d, beta);
    const auto desirable = hn::Eq(t, one);
    const auto judged = hn::Or(desirable, hn::Eq(t, zero));
    const V weight = hn::IfThenElse(desirable, C(d, desirable_weight), C(d, undesirable_weight));
    const V c = hn::IfThenElse(judged, weight, hn::NaN(d));
    const Twofold<V> gain = Difference(d, Difference(d, p, reference), Twofold<V>{kl, zero});
    const Twofold<V> u = Scaled(d, hn::IfThenElse(desirable, scale, hn::Neg(scale)), gain);
    const Logistic<V> at = LogisticOf(d, u);
    const V right = hn::IfThenElse(hn::Ge(u.hi, zero), at.smaller, at.larger);
    const V spread = hn::Mul(hn::Mul(c, scale), hn::Mul(at.larger, at.smaller));
    const V tanh = hn::Tanh(d, hn::Mul(C(d, 0.5), u.hi));
    return {
        hn::Mul(c, right), {hn::IfThenElse(desirable, hn::Neg(spread), spread)}, hn::Mul(hn::Mul(scale, spread), tanh)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_PREFERENCE_KTO_INL_H_
