// The forward-backward algorithm of connectionist temporal classification.
//
// T frames pass through the S = 2n + 1 states blank, l_1, blank, ..., l_n, blank: at each frame a path stays, goes on
// by one state, or skips a blank between two different labels. With the mass m_t(s) of the class of s:
//   a_t(s) = sum over what leads to s of a_{t-1} m_{t-1}      b_t(s) = sum over what follows s of m_{t+1} b_{t+1}
//   Z      = sum_s a_t(s) m_t(s) b_t(s)                       at every t
// Source: Graves et al. 2006, Connectionist Temporal Classification, sections 4.1 and 4.2.
//
// These are sums and products of numbers >= 0: nothing cancels, but their range is that of T-th powers of a
// probability. So every state has a power of two of its own, f 2^e, which stays as long as all f remain in the middle
// of the range of double: a step is a few multiplications, where logarithms would take three exponentials and a
// logarithm. What becomes 0 is below 2^-800 of what it is added to, in the same state of the same frame: a path 1e300
// times less likely than another still counts where the other ends nowhere.
// Shares are divided by their sum over the frame, which takes the error of long products out of them.
// Letters: T frames, n labels, C classes.

#if defined(LOSSD_CORE_SIMD_CTC_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_CTC_INL_H_
#undef LOSSD_CORE_SIMD_CTC_INL_H_
#else
#define LOSSD_CORE_SIMD_CTC_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "core/simd/categorical-inl.h"
#include "core/simd/ctc_flow-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// The share in Z of the paths through each state of a frame, times `total`.
struct CtcShares {
  const double* label;  // [n]
  double blank;         // all blanks together
  double total;
};

class CtcLattice {
 public:
  // Doubles of scratch for so many frames and labels.
  static size_t Scratch(size_t frames, size_t labels) {
    const size_t half = Half(labels);
    return frames * (half + 2 * half + 3) + (frames + 1) * 2 * half + 19 * half;
  }

  // Keeps a share of all divided by the smallest mass in range.
  static constexpr double kPerMassExponent = 500;

  CtcLattice(const int32_t* labels, size_t n, int32_t blank, size_t frames, double* scratch)
      : labels_(labels), n_(n), blank_(blank), frames_(frames), half_(Half(n)), next_free_(scratch) {
    masses_ = Take(frames * half_);
    blanks_ = Take(frames);
    wide_ = Take(frames);
    epoch_of_ = Take(frames);
    before_ = Take(frames * 2 * half_);
    epochs_ = Take((frames + 1) * 2 * half_);
    CtcRow stay, near;
    double* skip;
    for (CtcRow* row : {&now_, &next_, &stay, &near, &exponents_, &weights_, &factors_, &per_mass_}) {
      *row = RowAt(Take(2 * half_));
      Clear(*row);
    }
    for (double** half : {&skip, &wide_masses_, &wide_exponents_}) {
      *half = Take(half_) + 1;
      std::fill_n(*half - 1, half_, 0.0);
    }
    flow_ = CtcFlow(labels, n, stay, near, skip);
  }

  int32_t blank() const { return blank_; }
  int32_t label(size_t i) const { return labels_[i]; }
  size_t labels() const { return n_; }

  // Sets m_t: mass(class), below 4, for each class in use. False where one is 0, or so small that its logarithm must be
  // given instead.
  template <class Fn>
  HWY_INLINE bool SetMasses(size_t t, const Fn& mass) {
    double* const row = masses_ + t * half_;
    double least = blanks_[t] = mass(blank_);
    for (size_t i = 0; i < n_; ++i) {
      row[i] = mass(labels_[i]);
      least = std::min(least, row[i]);
    }
    std::fill(row + n_, row + half_, 0.0);
    wide_[t] = 0;
    return least >= kNarrow;
  }

  // Sets m_t to exp(log_mass(class) - top), of any size below 4. Z is that of exp(log_mass).
  template <class Fn>
  HWY_INLINE void SetLogs(size_t t, double top, const Fn& log_mass) {
    const Tag<double> d;
    double* const row = masses_ + t * half_;
    double least = blanks_[t] = log_mass(blank_) - top;
    for (size_t i = 0; i < n_; ++i) {
      row[i] = log_mass(labels_[i]) - top;
      least = std::min(least, row[i]);
    }
    log_scale_ += top;
    wide_[t] = least < kLogNarrow;
    if (wide_[t] == 0) {
      const auto exp = [](auto one, auto v) HWY_ATTR { return hn::Exp(one, v); };
      blanks_[t] = Scalar(blanks_[t], exp);
      Walk(static_cast<const double*>(row), 0.0, nullptr, n_, row,
           [&](size_t, auto v, auto) HWY_ATTR { return exp(d, v); });
    }
    std::fill(row + n_, row + half_, wide_[t] != 0 ? kImpossible : 0.0);
  }

  // log Z; -infinity where no path fits. Before the first frame every path is in state 0. Returns early, with anything,
  // where stop() says so.
  template <class Stop>
  HWY_INLINE double Forward(const Stop& stop) {
    const Tag<double> d;
    Clear(now_);
    now_.blank[0] = 1;
    CtcRow e = RowAt(epochs_);
    Clear(e);
    flow_.Renormalise<true>(now_, e);
    size_t epoch = 0;
    for (size_t t = 0; t < frames_; ++t) {
      if (stop()) return kImpossible;
      epoch_of_[t] = static_cast<double>(epoch);
      const Frame frame = FrameAt(t);
      const CtcRow a = RowAt(before_ + t * 2 * half_);
      const auto blank_mass = C(d, frame.blank);
      Extremes range;
      for (size_t i = 0; i < n_ + 1; i += kLanes<double>) {
        const auto blank = hn::LoadU(d, now_.blank + i), label = hn::LoadU(d, now_.label + i);
        const auto label_before = hn::LoadU(d, now_.label + i - 1);
        const auto at_blank = hn::MulAdd(label_before, hn::LoadU(d, flow_.near().blank + i),
                                         hn::Mul(blank, hn::LoadU(d, flow_.stay().blank + i)));
        const auto at_label = hn::MulAdd(label_before, hn::LoadU(d, flow_.skip() + i),
                                         hn::MulAdd(blank, hn::LoadU(d, flow_.near().label + i),
                                                    hn::Mul(label, hn::LoadU(d, flow_.stay().label + i))));
        hn::StoreU(at_blank, d, a.blank + i);
        hn::StoreU(at_label, d, a.label + i);
        const auto blank_out = hn::Mul(at_blank, blank_mass);
        const auto label_out = hn::Mul(at_label, hn::LoadU(d, frame.label + i));
        hn::StoreU(blank_out, d, next_.blank + i);
        hn::StoreU(label_out, d, next_.label + i);
        range.Add(blank_out);
        range.Add(label_out);
      }
      std::swap(now_, next_);
      if (frame.exponents == nullptr && !flow_.steep() && range.InTheMiddle()) continue;
      ++epoch;
      const CtcRow old = e;
      e = RowAt(epochs_ + epoch * 2 * half_);
      std::copy_n(old.blank - 1, 2 * half_, e.blank - 1);
      Grow(frame, e);
      if (t + 1 < frames_) flow_.Renormalise<true>(now_, e);
    }
    const double f_last = now_.blank[n_], f_other = n_ > 0 ? now_.label[n_ - 1] : 0;
    if (f_last == 0 && f_other == 0) return kImpossible;
    const double e_last = e.blank[n_], e_other = n_ > 0 ? e.label[n_ - 1] : 0;
    log2_z_ = std::max(f_last > 0 ? e_last : kImpossible, f_other > 0 ? e_other : kImpossible);
    const double z = (f_last > 0 ? f_last * PowerOfTwo(e_last - log2_z_) : 0) +
                     (f_other > 0 ? f_other * PowerOfTwo(e_other - log2_z_) : 0);
    constexpr double kLog2 = 0.693147180559945309417;
    return log_scale_ + (log2_z_ * kLog2 + LogScalar(z));
  }

  // After Forward: each(t, shares) for every frame, the last first. Where kPerMass shares are divided by their mass
  // m_t, which may be 0. REQUIRES: log Z > -infinity.
  template <bool kPerMass, class Stop, class Fn>
  HWY_INLINE void Backward(const Stop& stop, const Fn& each) {
    const Tag<double> d;
    Clear(now_);
    now_.blank[n_] = 1;  // behind the last frame every path is in the last state
    Clear(exponents_);
    flow_.Renormalise<false>(now_, exponents_);
    bool fresh = false;  // factors_ are those of this frame
    double epoch = -1;
    for (size_t t = frames_; t-- > 0;) {
      if (stop()) return;
      const Frame frame = FrameAt(t);
      const CtcRow a = RowAt(before_ + t * 2 * half_);
      if (!fresh || epoch_of_[t] != epoch || frame.exponents != nullptr) {
        epoch = epoch_of_[t];
        SetFactors(RowAt(epochs_ + static_cast<size_t>(epoch) * 2 * half_), frame);
        fresh = true;
      }
      const auto blank_mass = C(d, frame.blank);
      LaneSum blanks, labels, blanks_per_mass;
      Extremes range;
      for (size_t i = 0; i < n_ + 1; i += kLanes<double>) {
        const auto blank = hn::LoadU(d, now_.blank + i), label = hn::LoadU(d, now_.label + i);
        const auto at_blank = hn::MulAdd(label, hn::LoadU(d, flow_.near().blank + i),
                                         hn::Mul(blank, hn::LoadU(d, flow_.stay().blank + i)));
        const auto at_label =
            hn::MulAdd(hn::LoadU(d, now_.label + i + 1), hn::LoadU(d, flow_.skip() + i),
                       hn::MulAdd(hn::LoadU(d, now_.blank + i + 1), hn::LoadU(d, flow_.near().label + i),
                                  hn::Mul(label, hn::LoadU(d, flow_.stay().label + i))));
        const auto a_blank = hn::LoadU(d, a.blank + i), a_label = hn::LoadU(d, a.label + i);
        const auto label_mass = hn::LoadU(d, frame.label + i);
        const auto of_blank =
            hn::Mul(hn::Mul(hn::Mul(a_blank, blank_mass), at_blank), hn::LoadU(d, factors_.blank + i));
        const auto of_label =
            hn::Mul(hn::Mul(hn::Mul(a_label, label_mass), at_label), hn::LoadU(d, factors_.label + i));
        const size_t lane = i % kChunk;
        blanks.Add(lane, of_blank);
        labels.Add(lane, of_label);
        if constexpr (kPerMass) {
          blanks_per_mass.Add(lane, hn::Mul(hn::Mul(a_blank, at_blank), hn::LoadU(d, per_mass_.blank + i)));
          hn::StoreU(hn::Mul(hn::Mul(a_label, at_label), hn::LoadU(d, per_mass_.label + i)), d, weights_.label + i);
        } else {
          hn::StoreU(of_label, d, weights_.label + i);
        }
        const auto blank_out = hn::Mul(at_blank, blank_mass), label_out = hn::Mul(at_label, label_mass);
        hn::StoreU(blank_out, d, next_.blank + i);
        hn::StoreU(label_out, d, next_.label + i);
        range.Add(blank_out);
        range.Add(label_out);
      }
      std::swap(now_, next_);
      if (frame.exponents != nullptr || flow_.steep() || !range.InTheMiddle()) {
        Grow(frame, exponents_);
        flow_.Renormalise<false>(now_, exponents_);
        fresh = false;
      }
      const double of_blanks = blanks.Total(), total = of_blanks + labels.Total();
      if constexpr (kPerMass) {
        each(t, CtcShares{weights_.label, blanks_per_mass.Total(), total * PowerOfTwo(-kLift)});
      } else {
        each(t, CtcShares{weights_.label, of_blanks, total});
      }
    }
  }

 private:
  static constexpr double kNarrow = 0x1p-200, kLogNarrow = -138;  // masses below need exponents of their own
  static constexpr double kLift = 400;  // shares add up to 2^400, to leave room for small ones below

  // Masses of a frame: m = f, or m = f 2^exponent.
  struct Frame {
    double blank;
    const double* label;
    const double* exponents;  // of the labels; null: none
    double blank_exponent;
  };
  static size_t Half(size_t labels) { return (labels + kChunk) / kChunk * kChunk + 2; }
  double* Take(size_t doubles) {
    double* const piece = next_free_;
    next_free_ += doubles;
    return piece;
  }
  CtcRow RowAt(double* memory) const { return {memory + 1, memory + half_ + 1}; }
  void Clear(CtcRow row) const { std::fill_n(row.blank - 1, 2 * half_, 0.0); }
  HWY_INLINE Frame FrameAt(size_t t) {
    const double* const row = masses_ + t * half_;
    if (wide_[t] == 0) return {blanks_[t], row, nullptr, 0};
    double blank_exponent;
    const double blank = Split(blanks_[t], blank_exponent);
    for (size_t i = 0; i < n_; ++i) wide_masses_[i] = Split(row[i], wide_exponents_[i]);
    return {blank, wide_masses_, wide_exponents_, blank_exponent};
  }
  void Grow(const Frame& frame, CtcRow e) const {
    if (frame.exponents == nullptr) return;
    for (size_t i = 0; i <= n_; ++i) e.blank[i] += frame.blank_exponent;
    for (size_t i = 0; i < n_; ++i) e.label[i] += frame.exponents[i];
  }

  // What a m b and a b of a frame are multiplied by: 2^kLift / Z with the exponents of all of them, and
  // 2^-kPerMassExponent / Z.
  HWY_NOINLINE void SetFactors(CtcRow before, const Frame& frame) {
    const auto set = [&](double exponent, double of_mass, double& factor, double& per_mass) {
      const double whole = exponent - log2_z_;
      factor = PowerOfTwo(whole + of_mass + kLift);
      per_mass = PowerOfTwo(whole - kPerMassExponent);
    };
    const bool wide = frame.exponents != nullptr;
    for (size_t i = 0; i <= n_; ++i) {
      set(before.blank[i] + exponents_.blank[i], frame.blank_exponent, factors_.blank[i], per_mass_.blank[i]);
    }
    for (size_t i = 0; i < n_; ++i) {
      set(before.label[i] + exponents_.label[i], wide ? frame.exponents[i] : 0, factors_.label[i], per_mass_.label[i]);
    }
  }

  const int32_t* labels_;
  size_t n_;
  int32_t blank_;
  size_t frames_, half_;
  double* next_free_;
  double *masses_, *blanks_;  // [T, half] and [T]: m_t, or where wide_ is not 0 its logarithm
  double *wide_, *epoch_of_;  // [T]
  double *before_, *epochs_;  // [T, row]: a_t; [T + 1, row]: their exponents, the same for all frames of an epoch
  CtcRow now_, next_;         // a m of the frame before and this one; then b m of the one behind and this one
  CtcFlow flow_;
  CtcRow exponents_;  // of now_ on the way back
  CtcRow weights_, factors_, per_mass_;
  double *wide_masses_, *wide_exponents_;
  double log_scale_ = 0, log2_z_ = 0;
};

// From the masses e of one frame to the slope for its logits, in place: factor (e_c / S - share of class c in Z). The
// larger part of a confident frame, where both are all but 1, is found from what is left of them: the shares of all
// others.
HWY_INLINE void SoftmaxMinusShares(const CtcLattice& lattice, const CtcShares& shares, const Masses& masses,
                                   size_t classes, double factor, double* e) {
  const size_t n = lattice.labels();
  size_t top = classes;
  double others = 0;
  if (masses.rest < masses.max) {
    const auto look = [&](int32_t c) {
      if (e[c] == masses.max) top = static_cast<size_t>(c);
    };
    look(lattice.blank());
    for (size_t i = 0; i < n; ++i) look(lattice.label(i));
    if (static_cast<size_t>(lattice.blank()) != top) others = shares.blank;
    for (size_t i = 0; i < n; ++i) others += static_cast<size_t>(lattice.label(i)) != top ? shares.label[i] : 0.0;
  }
  const auto scale = C(Tag<double>(), factor / masses.sum());
  Walk(static_cast<const double*>(e), 0.0, nullptr, classes, e,
       [&](size_t, auto v, auto) HWY_ATTR { return hn::Mul(v, scale); });
  const double share = factor / shares.total;
  e[lattice.blank()] -= shares.blank * share;
  for (size_t i = 0; i < n; ++i) e[lattice.label(i)] -= shares.label[i] * share;
  if (top < classes) e[top] = (others / shares.total - masses.rest / masses.sum()) * factor;
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_CTC_INL_H_
