// Balanced L1: the absolute error whose pull near zero is raised, so that small errors are not outvoted by large ones.
//
//   d     = |prediction - target|
//   b     = exp(gamma/alpha) - 1
//   v     = b d / beta
//   value = (alpha/b) (b d + 1) log(1 + v) - alpha d                          if d < beta
//           gamma d + gamma/b - alpha beta                                    else
//   slope = sign(r) alpha (log(1 + v) + (1 - beta)/(b d + beta))              if d < beta;  sign(r) gamma  else
//
// In the value, (alpha/b) ((1 - beta) log(1 + v) + beta ((1 + v) log(1 + v) - v)): with s = v/(2 + v), log(1 + v) is
// 2 atanh(s), and the last bracket s v (1 + (1 + s) (s/3 + s^3/5 + ...)), without a difference.
// Source: Pang et al. 2019, Libra R-CNN: Towards Balanced Learning for Object Detection, equations 7 to 9 (beta = 1).

#if defined(LOSSD_CORE_LOSSES_REGRESSION_BALANCED_L1_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_REGRESSION_BALANCED_L1_INL_H_
#undef LOSSD_CORE_LOSSES_REGRESSION_BALANCED_L1_INL_H_
#else
#define LOSSD_CORE_LOSSES_REGRESSION_BALANCED_L1_INL_H_
#endif

#include "core/simd/residual-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct BalancedL1 {
  static constexpr Contract kContract = {
      .name = "balanced_l1",
      .aliases = {{"BalancedL1Loss"}},
      .summary = "the absolute error with a raised pull near zero",
      .use =
          "Box regression in detectors, where easy samples with small errors should count for more against outliers "
          "than under smooth_l1.",
      .formula =
          "d = |y_pred - y_true|, b = exp(gamma/alpha) - 1: (alpha/b) (b d + 1) log(b d/beta + 1) - alpha d if d < "
          "beta else gamma d + gamma/b - alpha beta",
      .gradient = "sign(r) alpha (log(b d/beta + 1) + (1 - beta)/(b d + beta)) if d < beta else sign(r) gamma",
      .tex = R"(\begin{cases} \frac{\alpha}{b} (b d + 1) \ln(b d / \beta + 1) - \alpha d & d < \beta \\ )"
             R"(\gamma d + \gamma / b - \alpha \beta & d \ge \beta \end{cases},\ b = e^{\gamma/\alpha} - 1)",
      .source = "Pang et al. 2019, Libra R-CNN: Towards Balanced Learning for Object Detection, equations 7 to 9",
      .notes =
          "The paper has beta = 1. With another beta the value stays continuous, the gradient jumps at d = beta and "
          "at d = 0. gamma/alpha below 700, or b is infinite.",
      .peers = "mmdetection has it (BalancedL1Loss, the same defaults); Keras, PyTorch and optax do not.",
      .kinks_note =
          "beta = 1: none in the gradient, whose own derivative jumps at d = beta. Else d = 0, where the gradient is "
          "0, and d = beta, where it is the smaller of the two sides",
      .params = {{"alpha", 0.5, kPositive, "less raises the pull of small errors"},
                 {"gamma", 1.5, kPositive, "pull of large errors"},
                 {"beta", 1.0, kPositive, "distance at which the loss turns linear"}},
      .examples = {{.origin = "by hand: 1.5 + 1.5/(e^3 - 1) - 0.5, and 1.5 more",
                    .target = {0, 0},
                    .prediction = {1, -2},
                    .value = 3.6571871,
                    .gradient = {1.5, -1.5}},
                   {.origin = "by hand: alpha = gamma, so that b d = 1; (2 log 2 - 1)/(e - 1), log 2",
                    .target = {0},
                    .prediction = {.5819767068693265},
                    .value = .22481432,
                    .gradient = {.69314718},
                    .params = {1, 1, 1}}},
      .kinks = {-1, 0, 1},
      .f64 = {.value_ulp = 40, .slope_ulp = 40},
      .tolerance_note =
          "f64: with beta > 1 value and slope change sign, and around that place are differences; 8 ulp with beta <= 1",
      .curvature = true,
  };
  double alpha, gamma, beta;
  double b = Scalar(gamma / alpha, [](auto d, auto x) HWY_ATTR { return hn::Expm1(d, x); });

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V prediction, V target) const {
    const V one = C(d, 1.0), edge = C(d, beta), rest = C(d, 1.0 - beta), raise = C(d, alpha);
    const V r = hn::Sub(prediction, target);
    const V distance = hn::Abs(r);
    const V x = hn::Mul(C(d, b), hn::Min(distance, edge));  // b d
    const V v = hn::Div(x, edge);
    const V s = hn::Div(v, hn::Add(C(d, 2.0), v));
    const V log = hn::Log1p(d, v);
    const V series = hn::Mul(hn::Mul(s, v), hn::MulAdd(hn::Mul(hn::Add(one, s), s), AtanhTail(d, Small(d, s)), one));
    const V direct = hn::Sub(hn::Mul(hn::Add(one, v), log), v);
    const V bracket = hn::IfThenElse(hn::Lt(v, one), series, direct);
    const V near = hn::Mul(C(d, alpha / b), hn::MulAdd(rest, log, hn::Mul(edge, bracket)));
    const V far = hn::Add(hn::Mul(C(d, gamma), distance), C(d, gamma / b - alpha * beta));

    const V bend = hn::Add(x, edge);  // b d + beta
    const V pull = hn::Mul(raise, hn::Add(log, hn::Div(rest, bend)));
    const V inner = hn::Mul(C(d, alpha * b), hn::Div(hn::Div(hn::Add(x, C(d, 2.0 * beta - 1.0)), bend), bend));
    const V outer = C(d, gamma);
    const auto inside = hn::Lt(distance, edge);
    const V at_edge = hn::IfThenElse(hn::Eq(distance, edge), hn::Max(hn::Min(pull, outer), hn::Zero(d)), outer);
    const V size = hn::IfThenElse(inside, pull, at_edge);
    return Defined(r,
                   {hn::IfThenElse(inside, near, far), {hn::Mul(Sign(d, r), size)}, hn::IfThenElseZero(inside, inner)});
  }

 private:
  // s^2 where the series is in use, s < 1/3.
  template <class D, class V>
  static HWY_INLINE V Small(D d, V s) {
    const V near = hn::Min(s, C(d, 1.0 / 3));
    return hn::Mul(near, near);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_REGRESSION_BALANCED_L1_INL_H_
