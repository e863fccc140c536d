// The forward-backward algorithm of connectionist temporal classification.
//
// T frames pass through the S = 2n + 1 states blank, l_1, blank, ..., l_n, blank: at each frame a path stays, goes on
// by one state, or skips a blank between two different labels. With the score e_t(s) = log y_t(label of s):
//   a_t(s) = log sum of what leads to s, without e_t(s)      b_t(s) = log sum of what follows it, without e_t(s)
//   log Z  = log sum_s exp(a_t(s) + e_t(s) + b_t(s))         at every t
// Scores are logarithms throughout, so that a path 1e300 times less likely than another still counts where the other
// ends nowhere. Occupations are divided by their sum over the frame, which takes the error of long sums out of them.
// Source: Graves et al. 2006, Connectionist Temporal Classification, sections 4.1 and 4.2.

#if defined(LOSSD_CORE_SIMD_CTC_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_CTC_INL_H_
#undef LOSSD_CORE_SIMD_CTC_INL_H_
#else
#define LOSSD_CORE_SIMD_CTC_INL_H_
#endif

#include <algorithm>
#include <limits>
#include <utility>

#include "core/simd/categorical-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

inline constexpr double kImpossible = -std::numeric_limits<double>::infinity();

// log(exp(a) + exp(b) + exp(c)) for numbers below infinity.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V LogSumExp(D d, V a, V b, V c) {
  const V top = hn::Max(a, hn::Max(b, c));
  const auto none = hn::Eq(top, C(d, kImpossible));
  const V shift = hn::IfThenZeroElse(none, top);
  const V sum =
      hn::Add(hn::Add(hn::Exp(d, hn::Sub(a, shift)), hn::Exp(d, hn::Sub(b, shift))), hn::Exp(d, hn::Sub(c, shift)));
  return hn::IfThenElse(none, top, hn::Add(shift, hn::Log(d, sum)));
}

class CtcLattice {
 public:
  // Doubles of scratch for so many frames and labels.
  static size_t Scratch(size_t frames, size_t labels) {
    const size_t stride = Stride(2 * labels + 1);
    return 2 * frames * stride + 4 * (stride + 2 * kMargin);
  }

  CtcLattice(const int32_t* labels, size_t n, int32_t blank, size_t frames, double* scratch)
      : labels_(labels), blank_(blank), states_(2 * n + 1), stride_(Stride(states_)), frames_(frames) {
    scores_ = scratch;
    before_ = scores_ + frames * stride_;
    double* rows = before_ + frames * stride_ + kMargin;
    for (double** row : {&skip_, &now_, &next_, &weights_}) {
      *row = rows;
      rows += stride_ + 2 * kMargin;
      Clear(*row);
    }
    for (size_t s = 3; s < states_; s += 2) {
      if (Class(s) != Class(s - 2)) skip_[s] = 0;
    }
  }

  size_t states() const { return states_; }
  int32_t Class(size_t s) const { return s % 2 == 0 ? blank_ : labels_[s / 2]; }

  // Sets e_t: score(class) for each state.
  template <class Fn>
  HWY_INLINE void SetScores(size_t t, const Fn& score) {
    double* const row = scores_ + t * stride_;
    const double blank = score(blank_);
    for (size_t s = 0; s < states_; ++s) row[s] = s % 2 == 0 ? blank : score(labels_[s / 2]);
    std::fill(row + states_, row + stride_, kImpossible);
  }

  // log Z; -infinity where no path fits. Before the first frame every path is in state 0.
  HWY_NOINLINE double Forward() {
    const Tag<double> d;
    Clear(now_);
    now_[0] = 0;
    for (size_t t = 0; t < frames_; ++t) {
      for (size_t s = 0; s < stride_; s += kLanes<double>) {
        const auto skipping = hn::Add(hn::LoadU(d, now_ + s - 2), hn::LoadU(d, skip_ + s));
        const auto a = LogSumExp(d, hn::LoadU(d, now_ + s), hn::LoadU(d, now_ + s - 1), skipping);
        hn::StoreU(a, d, before_ + t * stride_ + s);
        hn::StoreU(hn::Add(a, hn::LoadU(d, scores_ + t * stride_ + s)), d, next_ + s);
      }
      std::swap(now_, next_);
    }
    const double last = now_[states_ - 1], other = states_ > 1 ? now_[states_ - 2] : kImpossible;
    return Scalar(last,
                  [&](auto one, auto v) HWY_ATTR { return LogSumExp(one, v, C(one, other), C(one, kImpossible)); });
  }

  // After Forward: each(t, w, total) for every frame, the last first. w[s] / total is the share of state s in Z,
  // divided by its y_t where kPerScore, which needs no y_t > 0. REQUIRES: log Z > -infinity.
  template <bool kPerScore, class Fn>
  HWY_INLINE void Backward(const Fn& each) {
    const Tag<double> d;
    Clear(now_);
    now_[states_ - 1] = 0;  // behind the last frame every path is in the last state
    for (size_t t = frames_; t-- > 0;) {
      const double* const scores = scores_ + t * stride_;
      double* const a = before_ + t * stride_;
      auto top = C(d, kImpossible);
      for (size_t s = 0; s < stride_; s += kLanes<double>) {
        const auto skipping = hn::Add(hn::LoadU(d, now_ + s + 2), hn::LoadU(d, skip_ + s + 2));
        const auto b = LogSumExp(d, hn::LoadU(d, now_ + s), hn::LoadU(d, now_ + s + 1), skipping);
        const auto around = hn::Add(hn::LoadU(d, a + s), b);
        hn::StoreU(around, d, a + s);
        hn::StoreU(hn::Add(b, hn::LoadU(d, scores + s)), d, next_ + s);
        top = hn::Max(top, hn::Add(around, hn::LoadU(d, scores + s)));
      }
      std::swap(now_, next_);
      top = hn::Set(d, hn::GetLane(hn::MaxOfLanes(d, top)));
      for (size_t s = 0; s < stride_; s += kLanes<double>) {
        const auto around = hn::LoadU(d, a + s);
        hn::StoreU(hn::Exp(d, hn::Sub(hn::Add(around, hn::LoadU(d, scores + s)), top)), d, weights_ + s);
        const auto root = hn::Exp(d, hn::Mul(C(d, 0.5), hn::Sub(around, top)));  // its square is beyond Exp's range
        if constexpr (kPerScore) hn::StoreU(hn::Mul(root, root), d, a + s);
      }
      double total = 0;
      for (size_t s = 0; s < states_; ++s) total += weights_[s];
      each(t, kPerScore ? a : weights_, total);
    }
  }

 private:
  static constexpr size_t kMargin = 2;  // states in front of the first and behind the last, all impossible
  static size_t Stride(size_t states) { return (states + kChunk - 1) / kChunk * kChunk; }
  void Clear(double* row) const { std::fill_n(row - kMargin, stride_ + 2 * kMargin, kImpossible); }

  const int32_t* labels_;
  int32_t blank_;
  size_t states_, stride_, frames_;
  double *scores_, *before_;  // [frames, stride]: e_t and a_t
  double* skip_;              // 0 where a path may come from two states before, else -infinity
  double *now_, *next_;       // a + e of the frame before and this one; then b + e of the one behind and this one
  double* weights_;
};

// Slope for the logits of one frame: out[c] = e_c / S - (share of the states of class c in Z). The larger part of a
// confident frame, where both are all but 1, is found from what is left of them: the shares of all others. out is not
// e.
HWY_INLINE void SoftmaxMinusShares(const CtcLattice& lattice, const double* w, double total, const double* e,
                                   const Masses& masses, size_t classes, double* out) {
  std::fill_n(out, classes, 0.0);
  for (size_t s = 0; s < lattice.states(); ++s) out[lattice.Class(s)] += w[s];
  size_t top = classes;
  for (size_t c = 0; c < classes; ++c) {
    if (e[c] == masses.max) top = c;
    out[c] = e[c] / masses.sum() - out[c] / total;
  }
  if (masses.rest >= masses.max || top == classes) return;
  double others = 0;
  for (size_t s = 0; s < lattice.states(); ++s) {
    if (static_cast<size_t>(lattice.Class(s)) != top) others += w[s];
  }
  out[top] = others / total - masses.rest / masses.sum();
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_CTC_INL_H_
