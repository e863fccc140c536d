// What the ranking losses share: the entries of a list that take part, and sums over their pairs.

#if defined(LOSSD_CORE_SIMD_RANKING_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_RANKING_INL_H_
#undef LOSSD_CORE_SIMD_RANKING_INL_H_
#else
#define LOSSD_CORE_SIMD_RANKING_INL_H_
#endif

#include <algorithm>
#include <limits>

#include "core/simd/answer-inl.h"
#include "core/simd/careful_sum-inl.h"
#include "core/simd/categorical-inl.h"
#include "core/simd/item-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// The entries that `where` leaves in, gathered: inputs y_pred, y_true, where. Left-out entries are not looked at: a NaN
// there is none.
class Ranking {
 public:
  // Doubles of scratch; some more may follow them.
  static constexpr size_t Scratch(size_t width) { return 3 * Padded(width); }
  static constexpr size_t Padded(size_t n) { return (n + kChunk - 1) / kChunk * kChunk; }

  explicit HWY_INLINE Ranking(const Item& x)
      : item_(x), score(x.scratch()), relevance(score + Padded(x.width())), place(relevance + Padded(x.width())) {
    for (size_t k = 0; k < x.width(); ++k) {
      if (x.index(2) != nullptr && x.index(2)[k] == 0) continue;
      score[count] = x.in(0)[k];
      relevance[count] = x.in(1)[k];
      place[count++] = static_cast<double>(k);
      sound = sound && x.in(0)[k] == x.in(0)[k] && x.in(1)[k] == x.in(1)[k];
    }
    // Nothing compares with the padding.
    std::fill(score + count, score + Padded(count), 0.0);
    std::fill(relevance + count, relevance + Padded(count), std::numeric_limits<double>::quiet_NaN());
    Fill(x, 0);
  }

  bool wants_slope() const { return item_.slope(0) != nullptr; }
  HWY_INLINE void SetSlope(size_t i, double slope) const { item_.slope(0)[static_cast<size_t>(place[i])] = slope; }
  bool wants_curvature() const { return item_.curvature() != nullptr; }
  HWY_INLINE void SetCurvature(size_t i, double curvature) const {
    item_.curvature()[static_cast<size_t>(place[i])] = curvature;
  }
  HWY_INLINE double Poison() const { return Refuse(item_); }

 private:
  const Item& item_;

 public:
  double *score, *relevance, *place;
  size_t count = 0;
  bool sound = true;
};

// A logistic loss of the difference of two scores: the value of the pair, how strongly it pulls, and how fast that
// changes with the difference.
template <class V>
struct PairTerm {
  V value, pull, bend;
};

// softplus(scale (worse - better)), its sigmoid and the derivative of that, in units of 1 and scale, scale > 0.
template <class D, class V = hn::Vec<D>>
HWY_INLINE PairTerm<V> LogisticPair(D d, V worse, V better, double scale) {
  const V one = C(d, 1.0);
  const V high = hn::Max(worse, better), low = hn::Min(worse, better);
  const V distance = hn::Mul(C(d, scale), hn::Sub(high, low));
  const V decay = scale == 1 ? ExpBelow(d, low, high) : hn::Exp(d, hn::Neg(distance));
  const auto wrong = hn::Ge(worse, better);
  const V value = hn::Add(hn::IfThenElseZero(wrong, distance), hn::Log1p(d, decay));
  const V all = hn::Add(one, decay);
  return {value, hn::Div(hn::IfThenElse(wrong, one, decay), all), hn::Div(hn::Div(decay, all), all)};
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_RANKING_INL_H_
