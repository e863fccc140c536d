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

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V prediction, V target) const {
    const V one = C(d, 1.0);
    const V r = hn::Sub(prediction, target);
    const V distance = hn::Abs(r);
    const auto [decay, tanh] = TanhOfPositive(d, distance);
    const auto near = hn::Lt(distance, one);
    V inside, log1p;  // the latter of decay, where distance >= 1
    if constexpr (kIsFloat<D>) {
      // log(cosh(x)) / x^2 in x^2, and log(1 + u) = u + u^2 Q(u) for u <= e^-2, both to 2^-29: by interpolation at the
      // Chebyshev nodes, in 50 digits.
      static constexpr double kNear[] = {0.499999999723,   -0.0833332977588,  0.0222214644524,   -0.00673979923828,
                                         0.00216129114052, -0.00067940871003, 0.000176197686054, -2.56170153565e-05};
      static constexpr double kFar[] = {-0.49999999045, 0.333329796948, -0.249788387549, 0.195501661915,
                                        -0.126319276973};
      const V square = hn::Mul(distance, distance);
      inside = hn::Mul(square, Polynomial(d, square, kNear));
      log1p = hn::MulAdd(hn::Mul(decay, decay), Polynomial(d, decay, kFar), decay);
    } else {
      const V series = CoshMinusOne(d, hn::Min(distance, one));
      inside = log1p = Log1pOfUnit(d, hn::IfThenElse(near, series, decay));
    }
    // log 2 in two parts: the first has few bits, so that distance - kLog2High is exact where it matters.
    const V far = hn::Add(hn::Sub(distance, C(d, kLog2High)), hn::Sub(log1p, C(d, kLog2Low)));
    const V slope = hn::IfThenElse(hn::IsNaN(r), r, hn::CopySign(tanh, r));
    const V above = hn::Add(one, decay);
    const V bell = hn::Mul(C(d, 4.0), hn::Div(hn::Div(decay, above), above));
    // exp makes a relative error of an absolute one: what the rounding of r left out comes back by d sech^2 = -2 sech^2
    // tanh dr.
    const V back = hn::Sub(r, prediction);
    const V left = hn::Sub(hn::Sub(prediction, hn::Sub(r, back)), hn::Add(target, back));
    const V rest = hn::IfThenElseZero(hn::IsFinite(r), hn::Mul(hn::Add(left, left), slope));
    const V curvature = hn::NegMulAdd(rest, bell, bell);
    return {hn::IfThenElse(near, inside, far), {slope}, curvature};
  }

 private:
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
