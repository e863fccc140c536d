// Distances of two embeddings, with their derivatives.
//
//   x = a - b + epsilon                                   the same epsilon in every element
//   lp        (sum |x_i|^p)^(1/p)                         d / d a_i = sign(x_i) (|x_i| / distance)^(p - 1)
//   squared   sum (a_i - b_i)^2                           2 (a_i - b_i)
//   cosine    1 - cos(a, b), each norm at least epsilon   core/simd/cosine_common-inl.h
//
// lp has d2 / d a_i^2 = (p - 1) (|x_i| / distance)^(p - 2) (1 - (|x_i| / distance)^p) / distance, 0 at x_i = 0 unless p
// is 2. At distance 0 the slope is 0. x is scaled by a power of two, so that no power leaves the range of double.

#if defined(LOSSD_CORE_SIMD_DISTANCE_COMMON_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_DISTANCE_COMMON_INL_H_
#undef LOSSD_CORE_SIMD_DISTANCE_COMMON_INL_H_
#else
#define LOSSD_CORE_SIMD_DISTANCE_COMMON_INL_H_
#endif

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/simd/cosine_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

class Distance {
 public:
  enum Kind { kLp, kSquared, kCosine };
  using V = hn::Vec<Tag<double>>;

  HWY_INLINE Distance(Kind kind, double p, double epsilon, const double* a, const double* b, size_t n)
      : kind_(kind), p_(p), epsilon_(epsilon), a_(a), b_(b), n_(n) {
    const Tag<double> d;
    if (kind == kCosine) {
      value_ = Cosine(a, b, n, epsilon).OneMinus();
      return;
    }
    V largest = hn::Zero(d);
    Each([&](size_t, V x) HWY_ATTR { largest = hn::Max(largest, hn::Abs(x)); });
    const double max = hn::GetLane(hn::MaxOfLanes(d, largest));
    if (kind == kLp && p == std::numeric_limits<double>::infinity()) {
      value_ = max;
      Each([&](size_t, V x) HWY_ATTR { ties_ += hn::CountTrue(d, hn::Eq(hn::Abs(x), C(d, max))); });
      ties_ -= max == 0 ? Padding() : 0;
      return;
    }
    const double scale = ScaleOf(max);
    LaneSum sum;
    Each([&](size_t at, V x) HWY_ATTR {
      const V y = hn::Abs(hn::Mul(x, C(d, scale)));
      if (kind == kSquared || p == 2) return sum.Add(at, hn::Mul(y, y));
      sum.Add(at, p == 1 ? y : Power(y, p));
    });
    const double total = sum.Total();
    if (kind == kSquared) {
      value_ = total / scale / scale;
    } else {
      value_ = (p == 1 ? total : p == 2 ? std::sqrt(total) : Root(total)) / scale;
    }
  }

  double value() const { return value_; }

  // slope_a += factor * d value / d a, slope_b += factor * d value / d b. Either may be null.
  HWY_INLINE void AddSlopes(double factor, double* slope_a, double* slope_b) const {
    if (factor == 0) return;
    if (kind_ == kCosine) {
      const Cosine cosine(a_, b_, n_, epsilon_);
      cosine.AddSlope(0, -factor, slope_a);
      return cosine.AddSlope(1, -factor, slope_b);
    }
    if (value_ == 0) return;
    AddSlope(factor, slope_a);
    AddSlope(-factor, slope_b);
  }

  // curvature += first * d2 value / d a_i^2 + second * (d value / d a_i)^2. May be null. REQUIRES: lp where second is
  // not 0.
  HWY_NOINLINE void AddCurvature(double first, double second, double* curvature) const {
    if (curvature == nullptr || (first == 0 && second == 0)) return;
    if (kind_ == kCosine) return Cosine(a_, b_, n_, epsilon_).AddCurvature(-first, curvature);
    if (kind_ == kSquared) {
      for (size_t i = 0; i < n_; ++i) curvature[i] += 2 * first;
      return;
    }
    if (value_ == 0 || p_ == 1 || p_ == std::numeric_limits<double>::infinity()) return;
    const auto size = [this](size_t i) HWY_ATTR { return std::abs(Read(a_ + i) - Read(b_ + i) + epsilon_); };
    // What an element leaves of the sum of powers, without the cancellation of sum - largest.
    double top = 0, rest = 0;
    size_t largest = 0;
    for (size_t i = 0; i < n_; ++i) {
      if (size(i) > size(largest)) largest = i;
    }
    const double scale = ScaleOf(size(largest));
    const auto weight = [&](size_t i) { return PowerOf(size(i) * scale, p_); };
    for (size_t i = 0; i < n_; ++i) (i == largest ? top : rest) += weight(i);
    for (size_t i = 0; i < n_; ++i) {
      const double others = (i == largest ? rest : rest + top - weight(i)) / (rest + top), share = size(i) / value_;
      const double bend = share == 0 && p_ != 2 ? 0 : (p_ - 1) * PowerOf(share, p_ - 2) * others / value_;
      const double slope = PowerOf(share, p_ - 1);
      curvature[i] += first * bend + second * slope * slope;
    }
  }

 private:
  size_t Padding() const { return (kChunk - n_ % kChunk) % kChunk; }

  // fn(at, x) for every vector of x. The padding of the last one gives x = 0.
  template <class Fn>
  HWY_INLINE void Each(const Fn& fn) const {
    const Tag<double> d;
    const V shift = C(d, kind_ == kLp ? epsilon_ : 0.0);
    EachVector<2, 0>(n_, {a_, b_}, {0.0, kind_ == kLp ? epsilon_ : 0.0}, {},
                     [&](size_t at, const std::array<V, 2>& in) HWY_ATTR -> std::array<V, 0> {
                       fn(at, hn::Add(hn::Sub(in[0], in[1]), shift));
                       return {};
                     });
  }

  HWY_INLINE void AddSlope(double factor, double* slope) const {
    if (slope == nullptr) return;
    const Tag<double> d;
    const V shift = C(d, kind_ == kLp ? epsilon_ : 0.0), by = C(d, factor), length = C(d, value_);
    const bool largest = kind_ == kLp && p_ == std::numeric_limits<double>::infinity();
    const V share = C(d, ties_ == 0 ? 0.0 : 1.0 / static_cast<double>(ties_));
    EachVector<3, 1>(n_, {a_, b_, slope}, {0.0, 0.0, 0.0}, {slope},
                     [&](size_t, const std::array<V, 3>& in) HWY_ATTR -> std::array<V, 1> {
                       const V x = hn::Add(hn::Sub(in[0], in[1]), shift);
                       V slope_of_x;
                       if (kind_ == kSquared) {
                         slope_of_x = hn::Add(x, x);
                       } else if (p_ == 2) {
                         slope_of_x = hn::Div(x, length);
                       } else {
                         const V size = hn::Abs(x);
                         V part = C(d, 1.0);
                         if (largest) {
                           part = hn::IfThenElseZero(hn::Eq(size, length), share);
                         } else if (p_ != 1) {
                           part = Power(hn::Div(size, length), p_ - 1);
                         }
                         slope_of_x = hn::IfThenZeroElse(hn::Eq(x, hn::Zero(d)), hn::CopySign(part, x));
                       }
                       return {hn::MulAdd(by, slope_of_x, in[2])};
                     });
  }

  // x^power for x >= 0, power > 0.
  static HWY_INLINE V Power(V x, double power) {
    const Tag<double> d;
    return hn::Exp(d, hn::Mul(C(d, power), LogOf(d, x)));
  }
  static HWY_INLINE double PowerOf(double x, double power) {
    if (power == 0) return 1;
    if (power == 1) return x;
    if (power == 2) return x * x;
    return Scalar(x, [power](auto d, auto v) HWY_ATTR { return hn::Exp(d, hn::Mul(C(d, power), LogOf(d, v))); });
  }
  HWY_INLINE double Root(double x) const {
    if (x == 0) return 0;
    return Scalar(LogScalar1(x) / p_, [](auto d, auto v) HWY_ATTR { return hn::Exp(d, v); });
  }

  Kind kind_;
  double p_, epsilon_;
  const double *a_, *b_;
  size_t n_;
  size_t ties_ = 0;
  double value_ = 0;
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_DISTANCE_COMMON_INL_H_
