// The cosine of two vectors a and b, and its derivatives, for all that compare directions.
//
//   cos             = a.b / (A B)              A, B: the norms, floored at epsilon, or with epsilon added to the
//   squares 1 - cos         = (A^2 B^2 - (a.b)^2) / (A^2 B^2 (1 + cos)) d cos / d a     = (b - (a.b/A^2) a) / (A B)
//   below the floor b / (epsilon B) d2 cos / d a_i2 = -(2 (a_i/A) A (d cos / d a_i) + cos (1 - (a_i/A)^2)) / A^2 below
//   the floor 0
//
// The differences cancel where a and b are nearly parallel. The dot products are therefore summed with twice the
// digits, and a and b scaled by powers of two beforehand, so that no square leaves the range of double.

#if defined(LOSSD_CORE_SIMD_COSINE_COMMON_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_COSINE_COMMON_INL_H_
#undef LOSSD_CORE_SIMD_COSINE_COMMON_INL_H_
#else
#define LOSSD_CORE_SIMD_COSINE_COMMON_INL_H_
#endif

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "core/simd/divergence_common-inl.h"
#include "core/simd/twofold-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// a b = hi + lo exactly, where nothing over- or underflows. Dekker 1971, A Floating-Point Technique for Extending the
// Available Precision.
HWY_INLINE Pair TwoProduct(double a, double b) {
  constexpr double kSplit = 134217729;  // 2^27 + 1
  const double ca = kSplit * a, cb = kSplit * b;
  const double ah = ca - (ca - a), bh = cb - (cb - b);
  const double al = a - ah, bl = b - bh;
  const double hi = a * b;
  return {hi, ((ah * bh - hi) + (ah * bl + al * bh)) + al * bl};
}
HWY_INLINE Pair Product(Pair x, Pair y) {
  const Pair p = TwoProduct(x.hi, y.hi);
  return TwoSum(p.hi, p.lo + (x.hi * y.lo + x.lo * y.hi));
}
HWY_INLINE Pair Quotient(Pair x, Pair y) {
  const double q = x.hi / y.hi;
  const Pair p = TwoProduct(q, y.hi);
  return {q, (((x.hi - p.hi) - p.lo) + (x.lo - q * y.lo)) / y.hi};
}

HWY_INLINE double LargestOf(const double* x, size_t n) {
  double largest = 0;
  for (size_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(Read(x + i)));
  return largest;
}

// The power of two, at most `limit`, that brings x > 0 into [1, 4); 1 for 0 and infinity.
HWY_INLINE double ScaleOf(double x, double limit = std::numeric_limits<double>::max()) {
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const int64_t exponent = static_cast<int64_t>(bits >> 52 & 0x7FF);
  if (x == 0 || exponent == 0x7FF) return 1;
  bits = static_cast<uint64_t>(std::clamp<int64_t>(2046 - exponent, 1, 2045)) << 52;
  double scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return std::min(scale, limit);
}

// Of rows of T. Products of floats are exact in double and within its range: floats are not scaled, and one plain sum
// of each product does unless the vectors are nearly parallel.
template <class T>
class CosineOf {
 public:
  enum Rule {
    kFloor,    // each norm is at least epsilon
    kAddition  // epsilon is added to each squared norm
  };

  HWY_INLINE CosineOf(const T* a, const T* b, size_t n, double epsilon, Rule rule = kFloor) : n_(n) {
    x_[0].from = a;
    x_[1].from = b;
    std::array<Pair, 3> sums;
    if constexpr (kIsFloat) {
      sums = PlainSums();
      const double product = sums[1].hi * sums[2].hi;
      parallel_ = !(sums[0].hi * sums[0].hi <= (1 - 0x1p-8) * product);
    } else {
      const double limit = rule == kFloor ? std::numeric_limits<double>::max() : 0x1p400;
      for (Side& x : x_) x.scale = ScaleOf(LargestOf(x.from, n), limit);
    }
    if (parallel_) sums = ExactSums();
    dot_ = sums[0];
    Measure(x_[0], sums[1], epsilon, rule);
    Measure(x_[1], sums[2], epsilon, rule);
    const double norms = x_[0].norm * x_[1].norm;
    value_ = norms > 0 ? dot_.value() / norms : 0;
    share_ = norms > 0 ? 1 / norms : 0;
  }

  // 0 where a norm is.
  double value() const { return value_; }
  double OneMinus() const {
    if (!(value_ > 0) || x_[0].floored || x_[1].floored) return 1 - value_;
    const Pair squares = Product(x_[0].square, x_[1].square), part = Product(dot_, dot_);
    const Pair rest = Plus(squares, {-part.hi, -part.lo});
    return std::max(rest.value(), 0.0) / (squares.value() * (1 + value_));
  }

  // out = factor * d cos / d x, x being the first vector (0) or the second (1). 0 where a norm is.
  HWY_INLINE void SetSlope(size_t which, double factor, T* out) const { Slope<false>(which, factor, out); }
  // out += the same.
  HWY_INLINE void AddSlope(size_t which, double factor, T* out) const { Slope<true>(which, factor, out); }

  // out = factor * d2 cos / d a_i^2, a being the first vector. 0 where a norm is.
  HWY_INLINE void SetCurvature(double factor, T* out) const {
    if (out == nullptr) return;
    if (x_[0].floored || share_ == 0) {
      std::fill_n(out, n_, T{0});
    } else {
      Curvature<false>(factor, out);
    }
  }
  // out += the same.
  HWY_INLINE void AddCurvature(double factor, T* out) const {
    if (out != nullptr && !x_[0].floored && share_ != 0) Curvature<true>(factor, out);
  }

 private:
  static constexpr bool kIsFloat = sizeof(T) == sizeof(float);

  struct Side {
    const T* from = nullptr;
    double scale = 1;
    Pair square = {};  // of the norm, in units of scale
    double norm = 0;
    bool floored = false;
  };

  // theirs - (hi + lo) mine: 0 for parallel vectors, which a plain FMA would miss.
  template <class D, class V>
  static HWY_INLINE V Rest(D d, V mine, V theirs, V hi, V lo) {
    const Twofold<V> part = Product(d, hi, mine);
    return hn::Sub(hn::Sub(theirs, part.hi), hn::Add(hn::Mul(lo, mine), part.lo));
  }

  // The same where that does not matter.
  template <class D, class V>
  static HWY_INLINE V PlainRest([[maybe_unused]] D d, V mine, V theirs, V hi, V lo) {
#if HWY_NATIVE_FMA
    return hn::NegMulAdd(lo, mine, hn::NegMulAdd(hi, mine, theirs));
#else
    return Rest(d, mine, theirs, hi, lo);
#endif
  }

  // a.b, a.a and b.b. Products of floats are exact.
  HWY_INLINE std::array<Pair, 3> PlainSums() const {
    using V = hn::Vec<Tag<double>>;
    LaneSum dot, aa, bb;
    EachVector<2, 0, T>(n_, {x_[0].from, x_[1].from}, {0.0, 0.0}, {},
                        [&](size_t at, const std::array<V, 2>& in) HWY_ATTR -> std::array<V, 0> {
                          dot.Add(at, hn::Mul(in[0], in[1]));
                          aa.Add(at, hn::Mul(in[0], in[0]));
                          bb.Add(at, hn::Mul(in[1], in[1]));
                          return {};
                        });
    return {Pair{dot.Total(), 0}, Pair{aa.Total(), 0}, Pair{bb.Total(), 0}};
  }
  HWY_NOINLINE std::array<Pair, 3> ExactSums() const {
    const Tag<double> d;
    using V = hn::Vec<Tag<double>>;
    const V scale_a = C(d, x_[0].scale), scale_b = C(d, x_[1].scale);
    ExactLaneSum dot, aa, bb;
    const auto add = [&](ExactLaneSum& sum, size_t at, V x, V y) HWY_ATTR {
      const Twofold<V> product = Product(d, x, y);
      sum.Add(at, product.hi, product.lo);
    };
    EachVector<2, 0, T>(n_, {x_[0].from, x_[1].from}, {0.0, 0.0}, {},
                        [&](size_t at, const std::array<V, 2>& in) HWY_ATTR -> std::array<V, 0> {
                          const V x = hn::Mul(in[0], scale_a), y = hn::Mul(in[1], scale_b);
                          add(dot, at, x, y);
                          add(aa, at, x, x);
                          add(bb, at, y, y);
                          return {};
                        });
    return {dot.Total(), aa.Total(), bb.Total()};
  }

  template <bool kAdds>
  HWY_INLINE void Slope(size_t which, double factor, T* out) const {
    if (out == nullptr) return;
    const Tag<double> d;
    using V = hn::Vec<Tag<double>>;
    const Side &x = x_[which], &other = x_[1 - which];
    const Pair share = x.floored || x.square.hi == 0 ? Pair{} : Quotient(dot_, x.square);
    const V hi = C(d, share.hi), lo = C(d, share.lo), scale = C(d, x.scale), other_scale = C(d, other.scale);
    const V by = C(d, share_), grown = C(d, factor * x.scale);
    if (kIsFloat && !kAdds && !parallel_) {
      EachVector<2, 1, T>(n_, {x.from, other.from}, {0.0, 0.0}, {out},
                          [&](size_t, const std::array<V, 2>& in) HWY_ATTR -> std::array<V, 1> {
                            return {hn::Mul(hn::Mul(PlainRest(d, in[0], in[1], hi, lo), by), grown)};
                          });
      return;
    }
    const auto slope = [&](V from, V other_from) HWY_ATTR {
      const V mine = hn::Mul(from, scale), theirs = hn::Mul(other_from, other_scale);
      return hn::Mul(hn::Mul(Rest(d, mine, theirs, hi, lo), by), grown);
    };
    ToOutput<kAdds>(x.from, other.from, slope, out);
  }

  template <bool kAdds>
  HWY_NOINLINE void Curvature(double factor, T* out) const {
    const Tag<double> d;
    using V = hn::Vec<Tag<double>>;
    const Side &x = x_[0], &other = x_[1];
    const Pair share = Quotient(dot_, x.square);
    const V hi = C(d, share.hi), lo = C(d, share.lo), scale = C(d, x.scale), other_scale = C(d, other.scale);
    const Twofold<V> square = {C(d, x.square.hi), C(d, x.square.lo)};
    const V by = C(d, -share_ / x.square.value() * x.scale), grown = C(d, factor * x.scale);
    const auto curvature = [&](V from, V other_from) HWY_ATTR {
      const V mine = hn::Mul(from, scale), theirs = hn::Mul(other_from, other_scale);
      // The two terms may cancel: each is kept in two doubles.
      const Twofold<V> part = Product(d, hi, mine);
      const Twofold<V> gap = Difference(d, theirs, part.hi);
      // 0 for parallel vectors, which a fused lo * mine + part.lo would miss
      const V error = hn::Add(hn::Mul(lo, mine), part.lo);
      const Twofold<V> rest = Difference(d, gap.hi, hn::Sub(error, gap.lo));
      const Twofold<V> others = Difference(d, square, Product(d, mine, mine));
      Twofold<V> along = Scaled(d, hi, others);
      along.lo = hn::MulAdd(lo, others.hi, along.lo);
      const Twofold<V> bend = Difference(d, along, Scaled(d, hn::Mul(C(d, -2.0), mine), rest));
      return hn::Mul(hn::Mul(hn::Add(bend.hi, bend.lo), by), grown);
    };
    ToOutput<kAdds>(x.from, other.from, curvature, out);
  }

  // out = fn(a, b), or out += fn(a, b).
  template <bool kAdds, class Fn>
  HWY_INLINE void ToOutput(const T* a, const T* b, const Fn& fn, T* out) const {
    using V = hn::Vec<Tag<double>>;
    if constexpr (kAdds) {
      EachVector<3, 1, T>(n_, {a, b, out}, {0.0, 0.0, 0.0}, {out},
                          [&](size_t, const std::array<V, 3>& in)
                              HWY_ATTR -> std::array<V, 1> { return {hn::Add(in[2], fn(in[0], in[1]))}; });
    } else {
      EachVector<2, 1, T>(n_, {a, b}, {0.0, 0.0}, {out},
                          [&](size_t, const std::array<V, 2>& in)
                              HWY_ATTR -> std::array<V, 1> { return {fn(in[0], in[1])}; });
    }
  }

  static HWY_INLINE void Measure(Side& side, Pair square, double epsilon, Rule rule) {
    if (rule == kAddition) {
      side.square = Plus(square, {epsilon * side.scale * side.scale, 0});
      side.norm = std::sqrt(side.square.value());
    } else {
      side.square = square;
      side.norm = std::sqrt(square.value());
      const double floor = epsilon * side.scale;
      side.floored = side.norm < floor;
      if (side.floored) side.norm = floor;
    }
  }

  size_t n_;
  std::array<Side, 2> x_;
  bool parallel_ = true;  // nearly, or not known not to be
  Pair dot_;
  double value_, share_;
};
using Cosine = CosineOf<double>;

// The derivative of max(z, 0): what the kink policy says at 0.
HWY_INLINE double StepOf(double z, double kink) { return z > 0 ? 1 : z == 0 ? kink : 0; }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_COSINE_COMMON_INL_H_
