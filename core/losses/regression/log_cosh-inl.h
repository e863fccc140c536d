// Log-cosh: r^2/2 near zero, |r| - log 2 far away, smooth in between.
//
//   r     = prediction - target
//   value = log(cosh(r))
//   slope = tanh(r)
//   curvature = 1 / cosh(r)^2                4 e/(1 + e)^2, e = exp(-2 |r|)
//
// Two forms of the value, each accurate to the last places where it is used:
//   |r| <  1   log1p(cosh(r) - 1), cosh(r) - 1 by its Taylor series, or in float r^2 times a polynomial; the peers'
//   form
//              log(2 cosh) - log 2 loses every digit below |r| = 1e-4 in float
//   |r| >= 1   |r| - log 2 + log1p(exp(-2 |r|)), which cannot overflow
// Source: Green 1990, IEEE Trans. Med. Imaging 9(1), equation 9.

#if defined(LOSSD_CORE_LOSSES_REGRESSION_LOG_COSH_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_REGRESSION_LOG_COSH_INL_H_
#undef LOSSD_CORE_LOSSES_REGRESSION_LOG_COSH_INL_H_
#else
#define LOSSD_CORE_LOSSES_REGRESSION_LOG_COSH_INL_H_
#endif

#include "core/simd/elementwise-inl.h"
#include "core/simd/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct LogCosh {
  static constexpr Contract kContract = {
      .name = "log_cosh",
      .summary = "r^2/2 near zero, |r| - log 2 far away, smooth in between",
      .use = "Regression with outliers where huber's joints disturb: twice differentiable everywhere, nothing to set.",
      .formula = "log(cosh(r)), r = y_pred - y_true",
      .gradient = "tanh(r)",
      .tex = R"(\ln \cosh(\hat y - y))",
      .source = "Green 1990, IEEE Trans. Med. Imaging 9(1), equation 9",
      .notes = "|r| - log 2 far away; the peers' form loses every digit for small r, this one none.",
      .peers =
          "Keras (LogCosh, averages the last axis) and optax (log_cosh) return 0 at r = 1e-4 in float, where 5e-9 is "
          "right, and are 5 % off at 1e-3. PyTorch has none.",
      .examples = {{.origin = "Keras docstring of LogCosh, to more digits",
                    .target = {0, 1, 0, 0},
                    .prediction = {1, 1, 0, 0},
                    .value = .43378083,
                    .gradient = {.76159416, 0, 0, 0},
                    .digits = 7}},
      .f32 = {.value_ulp = 3, .slope_ulp = 4},
      .f64 = {.value_ulp = 3, .slope_ulp = 4},
      .tolerance_note = "a logarithm and a difference, each rounded",
      .conventions = {{.convention = Convention::kKeras}, {.convention = Convention::kOptax}},
      .curvature = true,
  };
  static constexpr bool kNative = true;
  static constexpr bool kPassesNan = true;

  // In float e^-2|r|, 1 - e^-2|r| and the value where |r| < 1.
  template <class D, class V>
  HWY_INLINE auto Prepare(D d, V prediction, V target) const {
    if constexpr (kIsFloat<D>) {
      // log(cosh(x)) / x^2 in x^2 to 2^-27: Remez exchange in 40 digits.
      static constexpr double kNear[] = {0.499999996612,   -0.0833329924957,   0.0222165749651,  -0.00671043808903,
                                         0.00207734739875, -0.000556226091908, 8.65711219403e-05};
      const V distance = hn::Abs(hn::Sub(prediction, target));
      const auto [decay, rest] = SplitDecay(d, hn::Add(distance, distance));
      const V square = hn::Mul(distance, distance);
      return std::array<V, 3>{decay, rest, hn::Mul(square, Polynomial(d, square, kNear))};
    } else {
      return std::array<V, 0>();
    }
  }
  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, const std::array<V, 3>& prepared, V prediction, V target) const {
    const auto [decay, rest, inside] = prepared;
    // log(1 + u) = u + u^2 Q(u) for u <= e^-2, to 2^-30 of the value that it is a part of: Remez exchange in 40 digits.
    static constexpr double kFar[] = {-0.499992383472, 0.3329536709, -0.243261222803, 0.147655121517};
    const V log1p = hn::MulAdd(hn::Mul(decay, decay), Polynomial(d, decay, kFar), decay);
    return From(d, prediction, target, inside, log1p, TanhOfRest(d, rest));
  }
  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V prediction, V target) const {
    const V one = C(d, 1.0), distance = hn::Abs(hn::Sub(prediction, target));
    const V series = CoshMinusOne(d, hn::Min(distance, one));
    const V decay = hn::Exp(d, hn::Neg(hn::Add(distance, distance)));
    const V log1p = Log1pOfUnit(d, hn::IfThenElse(hn::Lt(distance, one), series, decay));
    const V tanh = hn::IfThenElse(hn::IsNaN(distance), distance, hn::Tanh(d, distance));
    return From(d, prediction, target, log1p, log1p, tanh);
  }

 private:
  // `inside`: the value where |r| < 1; log1p: of e^-2|r| elsewhere; tanh: of |r|.
  template <class D, class V>
  static HWY_INLINE ValueSlope<V> From(D d, V prediction, V target, V inside, V log1p, V tanh) {
    const V one = C(d, 1.0);
    const V r = hn::Sub(prediction, target);
    const V distance = hn::Abs(r);
    // log 2 in two parts: the first has few bits, so that distance - kLog2High is exact where it matters.
    const V far = hn::Add(hn::Sub(distance, C(d, kLog2High)), hn::Sub(log1p, C(d, kLog2Low)));
    const V slope = hn::CopySign(tanh, r);
    const V decay = ExpOfNegative(d, hn::Neg(hn::Add(distance, distance)));
    const V above = hn::Add(one, decay);
    const V bell = hn::Mul(C(d, 4.0), hn::Div(hn::Div(decay, above), above));
    // exp makes a relative error of an absolute one: what the rounding of r left out comes back by d sech^2 = -2 sech^2
    // tanh dr.
    const V back = hn::Sub(r, prediction);
    const V left = hn::Sub(hn::Sub(prediction, hn::Sub(r, back)), hn::Add(target, back));
    const V rest = hn::IfThenElseZero(hn::IsFinite(r), hn::Mul(hn::Add(left, left), slope));
    const V curvature = hn::NegMulAdd(rest, bell, bell);
    return {hn::IfThenElse(hn::Lt(distance, one), inside, far), {slope}, curvature};
  }

  static constexpr double kLog2High = 0.693145751953125;         // 0x1.62e4p-1, 14 bits
  static constexpr double kLog2Low = 1.42860682030941723212e-6;  // log 2 - kLog2High

  // cosh(x) - 1 for 0 <= x <= 1: x^2/2 (1 + x^2/12 (1 + x^2/30 (1 + ...))). Relative to the sum, the first term left
  // out is 2/(2k+4)! after k factors: 2^-60 for eight.
  template <class D, class V>
  static HWY_INLINE V CoshMinusOne(D d, V x) {
    constexpr int kFactors = 8;
    const V one = C(d, 1.0);
    const V square = hn::Mul(x, x);
    V sum = one;
    for (int k = kFactors; k >= 1; --k) {
      sum = hn::MulAdd(hn::Mul(square, C(d, 1.0 / ((2 * k + 1) * (2 * k + 2)))), sum, one);
    }
    return hn::Mul(hn::Mul(square, C(d, 0.5)), sum);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_REGRESSION_LOG_COSH_INL_H_
