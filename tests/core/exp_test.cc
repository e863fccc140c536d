// The functions of core/simd/exp-inl.h in float, and those of double_exp-inl.h and double_log-inl.h, against long
// double, on every instruction set: the bounds are those that the files state.
#include <cmath>
#include <limits>
#include <vector>

#include "core/simd/targets.h"
#include "gtest/gtest.h"
#include "tests/support/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/core/exp_test.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/simd/double_exp-inl.h"
#include "core/simd/double_log-inl.h"
#include "core/simd/exp-inl.h"
#include "core/simd/softplus-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

template <class T, class Fn>
HWY_INLINE void Map(const T* x, size_t n, T* y, const Fn& fn) {
  const hn::CappedTag<T, 4> d;
  for (size_t i = 0; i < n; i += hn::Lanes(d)) hn::StoreU(fn(d, hn::LoadU(d, x + i)), d, y + i);
}
void Exp(const float* x, size_t n, float* y) {
  Map(x, n, y, [](auto d, auto v) HWY_ATTR { return ExpOfNegative(d, v); });
}
void Log1p(const float* x, size_t n, float* y) {
  Map(x, n, y, [](auto d, auto v) HWY_ATTR { return Log1pOfUnit(d, v); });
}
void Log(const float* x, size_t n, float* y) {
  Map(x, n, y, [](auto d, auto v) HWY_ATTR { return LogOfPositive(d, v); });
}
void LogOneLess(const float* x, size_t n, float* y) {
  Map(x, n, y, [](auto d, auto v) HWY_ATTR { return LogOfOneLess(d, v); });
}
void Tanh(const float* x, size_t n, float* y) {
  Map(x, n, y, [](auto d, auto v) HWY_ATTR { return TanhOfRest(d, SplitDecay(d, hn::Add(v, v)).rest); });
}
void DecayOf(const float* x, size_t n, float* y) {
  Map(x, n, y, [](auto d, auto v) HWY_ATTR { return Decay(d, v); });
}
void DecayToNormal(const float* x, size_t n, float* y) {
  Map(x, n, y, [](auto d, auto v) HWY_ATTR { return SplitDecay(d, v).decay; });
}
void NormalLogOf(const float* x, size_t n, float* y) {
  Map(x, n, y, [](auto d, auto v) HWY_ATTR { return LogOfNormal(d, v); });
}
void ExpInDouble(const double* x, size_t n, double* y) {
  Map(x, n, y, [](auto d, auto v) HWY_ATTR {
    const auto [scale, expm1] = NormalExp(d, v);
    return hn::MulAdd(scale, expm1, scale);
  });
}
void LogInDouble(const double* x, size_t n, double* y) {
  Map(x, n, y, [](auto d, auto v) HWY_ATTR { return NormalLog(d, v); });
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {
namespace {

HWY_EXPORT(Exp);
HWY_EXPORT(Log1p);
HWY_EXPORT(Log);
HWY_EXPORT(LogOneLess);
HWY_EXPORT(Tanh);
HWY_EXPORT(DecayOf);
HWY_EXPORT(DecayToNormal);
HWY_EXPORT(NormalLogOf);
HWY_EXPORT(ExpInDouble);
HWY_EXPORT(LogInDouble);

template <class T>
struct Function {
  const char* name;
  void (*run)(const T* x, size_t n, T* y);
  long double (*exact)(long double x);
  T low, high;       // ends of the domain
  double bound_ulp;  // with FMA
};

const Function<float> kFunctions[] = {{"exp",
                                       [](const float* x, size_t n, float* y) {
                                         HWY_DYNAMIC_DISPATCH(Exp)
                                         (x, n, y);
                                       },
                                       std::exp, -110, 0, 1.1},
                                      {"log1p",
                                       [](const float* x, size_t n, float* y) {
                                         HWY_DYNAMIC_DISPATCH(Log1p)
                                         (x, n, y);
                                       },
                                       std::log1p, 0, 1, 1.3},
                                      {"log",
                                       [](const float* x, size_t n, float* y) {
                                         HWY_DYNAMIC_DISPATCH(Log)
                                         (x, n, y);
                                       },
                                       std::log, 1e-45f, 3e38f, 1},
                                      {"log(1 - p)",
                                       [](const float* x, size_t n, float* y) {
                                         HWY_DYNAMIC_DISPATCH(LogOneLess)
                                         (x, n, y);
                                       },
                                       [](long double p) { return std::log1p(-p); }, 0, 0.99999994f, 1.5},
                                      {"tanh",
                                       [](const float* x, size_t n, float* y) {
                                         HWY_DYNAMIC_DISPATCH(Tanh)
                                         (x, n, y);
                                       },
                                       std::tanh, 0, 30, 2.6},
                                      {"e^-a",
                                       [](const float* x, size_t n, float* y) {
                                         HWY_DYNAMIC_DISPATCH(DecayOf)
                                         (x, n, y);
                                       },
                                       [](long double a) { return std::exp(-a); }, 0, 110, 1.1},
                                      {"e^-a down to e^-87",
                                       [](const float* x, size_t n, float* y) {
                                         HWY_DYNAMIC_DISPATCH(DecayToNormal)
                                         (x, n, y);
                                       },
                                       [](long double a) { return std::exp(-a); }, 0, 87, 1.1},
                                      {"log of a normal number",
                                       [](const float* x, size_t n, float* y) {
                                         HWY_DYNAMIC_DISPATCH(NormalLogOf)
                                         (x, n, y);
                                       },
                                       std::log, 1.2e-38f, 3e38f, 1}};

const Function<double> kInDouble[] = {{"exp",
                                       [](const double* x, size_t n, double* y) {
                                         HWY_DYNAMIC_DISPATCH(ExpInDouble)
                                         (x, n, y);
                                       },
                                       std::exp, -708, 708, 1.6},
                                      {"log",
                                       [](const double* x, size_t n, double* y) {
                                         HWY_DYNAMIC_DISPATCH(LogInDouble)
                                         (x, n, y);
                                       },
                                       std::log, 1e-45, 3e38, 2}};

// Numbers of a domain: evenly spaced, and closer and closer to 0 from its far end, down to the smallest float in it.
template <class T>
std::vector<T> Points(const Function<T>& function) {
  std::vector<T> points;
  for (int i = 0; i <= 40000; ++i) {
    points.push_back(function.low + (function.high - function.low) * (static_cast<T>(i) / 40000));
  }
  const T sign = function.high <= 0 ? -1 : 1, growth = static_cast<T>(1.001);
  const T end = std::max(-function.low, function.high) / growth;
  for (T x = std::max(static_cast<T>(1e-45), function.low); x < end;
       x = std::nextafter(x * growth, std::numeric_limits<T>::max())) {
    points.push_back(sign * x);
  }
  while (points.size() % 4 != 0) points.push_back(points.back());
  return points;
}

template <class T>
double ErrorInUlp(T got, long double exact) {
  if (got == static_cast<T>(exact)) return 0.5;
  constexpr int kLeast = std::numeric_limits<T>::min_exponent - 1, kDigits = std::numeric_limits<T>::digits;
  const int exponent = std::max(exact == 0 ? kLeast : std::ilogb(exact), kLeast);
  return static_cast<double>(std::abs(got - exact) / std::ldexp(1.0L, exponent + 1 - kDigits));
}

template <class T>
void Check(const Function<T>& function) {
  const std::vector<T> points = Points(function);
  std::vector<T> fused;  // what the instruction sets with FMA agree on
  for (const int64_t target : testing::SimdTargets()) {
    const testing::OnTarget on(target);
    std::vector<T> got(points.size());
    function.run(points.data(), points.size(), got.data());
    double worst = 0;
    T at = 0;
    for (size_t i = 0; i < points.size(); ++i) {
      const double error = ErrorInUlp(got[i], function.exact(points[i]));
      if (error > worst) worst = error, at = points[i];
    }
    const bool fma = testing::HasFma(target);
    EXPECT_LE(worst, function.bound_ulp + (fma ? 0 : 0.5)) << function.name << " at " << at;
    if (!fma) continue;
    if (!fused.empty()) {
      EXPECT_EQ(got, fused) << function.name;
    }
    fused = got;
  }
}

TEST(Exp, EveryFunctionIsWithinItsBound) {
  for (const auto& function : kFunctions) Check(function);
}

TEST(Exp, EveryFunctionInDoubleIsWithinItsBound) {
  for (const auto& function : kInDouble) Check(function);
}

TEST(Exp, OfMinusInfinityIsNothingWhateverTheRest) {
  const std::vector<float> x(4, -std::numeric_limits<float>::infinity());
  for (const int64_t target : testing::SimdTargets()) {
    const testing::OnTarget on(target);
    std::vector<float> y(4, 1.0f);
    HWY_DYNAMIC_DISPATCH(Exp)(x.data(), 4, y.data());
    EXPECT_EQ(y, std::vector<float>(4, 0.0f));
  }
}

}  // namespace
}  // namespace lossd
#endif  // HWY_ONCE
