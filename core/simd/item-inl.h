// The loops of the losses whose item is more than an element: rows, boxes, sequences, regions, whole batches. A loss
// brings the arithmetic of one item in double; this file brings what is around it: parameters, NaN, domains. Most see
// their inputs as doubles; a loss that says kReadsFloats widens floats itself, a vector at a time.

#if defined(LOSSD_CORE_SIMD_ITEM_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_ITEM_INL_H_
#undef LOSSD_CORE_SIMD_ITEM_INL_H_
#else
#define LOSSD_CORE_SIMD_ITEM_INL_H_
#endif

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/simd/kernel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// One item, or for a batch loss all of them. Inputs by their index in the contract.
template <class T>
class ItemOf {
 public:
  ItemOf(const KernelCall& call, const Block<T>& block, const Form& form, const Input* inputs, size_t num_inputs,
         size_t at)
      : form_(form), dims_(*block.dims), upstream_(block.upstream), scratch_(block.scratch), crew_(call.crew) {
    for (size_t i = 0; i < num_inputs; ++i) {
      const bool shared = !inputs[i].shape.starts_with("...");
      const size_t offset = shared ? 0 : at * block.widths[i];
      size_[i] = block.widths[i];
      in_[i] = block.in[i] == nullptr ? nullptr : block.in[i] + offset;
      index_[i] = block.index[i] == nullptr ? nullptr : block.index[i] + offset;
      slope_[i] = block.slope[i] == nullptr ? nullptr : block.slope[i] + offset;
    }
    value_ = block.value + at;
    curvature_ = block.curvature == nullptr ? nullptr : block.curvature + at * block.widths[0];
    extra_ = block.extra == nullptr ? nullptr : block.extra + at;
  }

  const Form& form() const { return form_; }
  size_t dim(char letter) const { return dims_[letter]; }
  const Dims& dims() const { return dims_; }
  size_t width() const { return size_[0]; }         // elements of the first input
  size_t size(size_t i) const { return size_[i]; }  // elements of input i
  const T* in(size_t i) const { return in_[i]; }    // null: absent, or integers
  const int32_t* index(size_t i) const { return index_[i]; }
  T* slope(size_t i) const { return slope_[i]; }        // null: not wanted. Every element must be written otherwise.
  T* curvature() const { return curvature_; }           // the same; unlike slopes, without upstream
  T* value() const { return value_; }                   // batch losses: [N]
  const double* upstream() const { return upstream_; }  // batch losses: [N], where any slope is wanted
  double* extra() const { return extra_; }
  double* scratch() const { return scratch_; }  // L::Scratch(dims, width) doubles, undefined
  // Work that takes long looks now and then, and returns whatever it has.
  bool cancelled() const { return crew_ != nullptr && crew_->cancelled(); }
  // Crew::ForEachTile, or here one after the other. What a tile writes may not depend on another.
  template <class Fn>
  void ForEachTile(size_t num_tiles, const Fn& work) const {
    if (crew_ != nullptr) {
      crew_->ForEachTile(num_tiles, work);
    } else {
      for (size_t tile = 0; tile < num_tiles; ++tile) work(tile);
    }
  }
  bool wants_slopes() const {
    return std::any_of(slope_.begin(), slope_.end(), [](const T* s) { return s != nullptr; });
  }

 private:
  Form form_;
  const Dims& dims_;
  std::array<size_t, kMaxInputs> size_{};
  std::array<const T*, kMaxInputs> in_{};
  std::array<const int32_t*, kMaxInputs> index_{};
  std::array<T*, kMaxInputs> slope_{};
  T* value_;
  T* curvature_;
  double* extra_;
  const double* upstream_;
  double* scratch_;
  const Crew* crew_;
};

using Item = ItemOf<double>;

// Vectors of a run that WithinAtOnce looks at.
template <class T>
inline constexpr size_t kSoundTurn = 4 * kLanes<T>;

// True only if all numbers are finite, and where `bounded` in [lo, hi]. x * 0 is 0 while numbers are finite, which they
// nearly always are: one operation a vector, and no masks that wait for each other. Min and Max may swallow a NaN, but
// not this. REQUIRES: n is a multiple of kSoundTurn, not 0.
template <class T>
HWY_NOINLINE bool WithinAtOnce(const T* x, size_t n, bool bounded, T lo, T hi) {
  const Tag<T> d;
  using V = hn::Vec<Tag<T>>;
  constexpr size_t kStep = kLanes<T>, kVectors = kSoundTurn<T> / kStep;
  const V zero = hn::Zero(d);
  V zeros[kVectors], least[kVectors], most[kVectors];
  for (size_t u = 0; u < kVectors; ++u) {
    zeros[u] = zero;
    least[u] = most[u] = hn::LoadU(d, x + u * kStep);
  }
  for (size_t at = 0; at < n; at += kSoundTurn<T>) {
    for (size_t u = 0; u < kVectors; ++u) {
      const V v = hn::LoadU(d, x + at + u * kStep);
      zeros[u] = hn::MulAdd(v, zero, zeros[u]);
      if (!bounded) continue;
      least[u] = hn::Min(least[u], v);
      most[u] = hn::Max(most[u], v);
    }
  }
  auto within = hn::Eq(zero, zero);
  for (size_t u = 0; u < kVectors; ++u) {
    within = hn::And(within, hn::Eq(zeros[u], zero));
    if (!bounded) continue;
    within = hn::And(within, hn::And(hn::Ge(least[u], hn::Set(d, lo)), hn::Le(most[u], hn::Set(d, hi))));
  }
  return hn::AllTrue(d, within);
}

// False where a number is NaN or outside a closed end of its domain.
template <class T>
HWY_INLINE bool Sound(const T* x, size_t n, const Interval& domain) {
  const Tag<T> d;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto low = static_cast<T>(domain.open_lo ? -kInfinity : domain.lo);
  const auto high = static_cast<T>(domain.open_hi ? kInfinity : domain.hi);
  size_t i = 0;
  if (n >= kSoundTurn<T>) {
    const size_t whole = n - n % kSoundTurn<T>;
    if (WithinAtOnce(x, whole, !domain.open_lo || !domain.open_hi, low, high)) i = whole;
  }
  const auto lo = hn::Set(d, low), hi = hn::Set(d, high);
  auto sound = hn::Eq(lo, lo);
  const auto look = [&](const T* at) HWY_ATTR {  // at any alignment
    const auto v = hn::LoadU(d, at);
    sound = hn::And(sound, hn::And(hn::Ge(v, lo), hn::Le(v, hi)));
  };
  for (; i + kLanes<T> <= n; i += kLanes<T>) look(x + i);
  if (i < n) {
    T left[kLanes<T>];
    for (size_t k = 0; k < kLanes<T>; ++k) std::memcpy(left + k, x + i + std::min(k, n - i - 1), sizeof(T));
    look(left);
  }
  return hn::AllTrue(d, sound);
}

// A loss is callable as loss(item): it returns the item's value and writes the slopes and curvature that are wanted. A
// batch loss (Family::kBatch) returns nothing, writes the value of every row, and adds up in each slope
// upstream[row] * d value[row]. An item with a NaN, or with an input outside its domain, answers NaN throughout.
template <class L>
concept WidensItself = L::kReadsFloats;

template <class L, Form kForm>
struct Items {
  static constexpr bool kReadsFloats = WidensItself<L>;

  template <class T>
  static void Run(const KernelCall& call, const Block<T>& block) {
    constexpr const Contract& kContract = L::kContract;
    constexpr size_t kInputs = kContract.inputs.size();
    constexpr bool kWhole = kContract.family == Family::kBatch;
    // A copy: clang 14 crashes on a reference to a member of a template argument.
    constexpr Interval kPrediction = kForm.prediction;
    constexpr bool kBounded = !kPrediction.open_lo || !kPrediction.open_hi;
    const L loss = Bind<L>(call);
    for (size_t at = 0; at < (kWhole ? 1 : block.items); ++at) {
      const ItemOf<T> item(call, block, kForm, kContract.inputs.begin(), kInputs, at);
      bool sound = true;
      if constexpr (!kContract.checks_nan_itself && !PassesNan<L>) {
        for (size_t i = 0; i < kInputs; ++i) {
          if (item.in(i) == nullptr) continue;
          sound = sound && Sound(item.in(i), item.size(i), kContract.inputs[i].domain);
          if (i == 0 && kBounded) sound = sound && Sound(item.in(i), item.size(i), kPrediction);
        }
      }
      if (sound) {
        if constexpr (kWhole) {
          loss(item);
        } else {
          block.value[at] = static_cast<T>(loss(item));
        }
        continue;
      }
      constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
      const size_t values = kWhole ? block.items : 1;
      std::fill_n(item.value(), values, kNan);
      for (size_t i = 0; i < kInputs; ++i) {
        if (item.slope(i) != nullptr) std::fill_n(item.slope(i), item.size(i), kNan);
      }
      if (item.curvature() != nullptr) std::fill_n(item.curvature(), item.width(), kNan);
      if (item.extra() != nullptr) std::fill_n(item.extra(), values, 0.0);
    }
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_ITEM_INL_H_
