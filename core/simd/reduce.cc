// The arithmetic of reduce.h, once per instruction set.
#include "core/reduce.h"

#include "core/registry.h"
#include "core/simd/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/reduce.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/simd/lane_sum-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// A vector of T as doubles, in the lanes of Tag<double>; T = double is the identity.
HWY_INLINE hn::Vec<Tag<double>> Widen(const double* p) { return hn::LoadU(Tag<double>(), p); }
HWY_INLINE hn::Vec<Tag<double>> Widen(const float* p) {
  return hn::PromoteTo(Tag<double>(), hn::LoadU(hn::Rebind<float, Tag<double>>(), p));
}
HWY_INLINE void Narrow(hn::Vec<Tag<double>> v, double* p) { hn::StoreU(v, Tag<double>(), p); }
HWY_INLINE void Narrow(hn::Vec<Tag<double>> v, float* p) {
  const hn::Rebind<float, Tag<double>> df;
  hn::StoreU(hn::DemoteTo(df, v), df, p);
}

template <class T>
double SumT(const T* values, size_t n) {
  LaneSum sum;
  const auto chunk = [&](const T* v) HWY_ATTR {
    for (size_t at = 0; at < kChunk; at += kLanes<double>) sum.Add(at, Widen(v + at));
  };
  EachChunk(
      n, [&](size_t i) HWY_ATTR { chunk(values + i); },
      [&](size_t i, size_t left) HWY_ATTR {
        T padded[kChunk] = {};
        for (size_t k = 0; k < left; ++k) padded[k] = values[i + k];
        chunk(padded);
      });
  return sum.Total();
}

template <class T>
double WeightedSumT(const T* values, const double* weights, size_t n) {
  LaneSum sum;
  const auto chunk = [&](const T* v, const double* w) HWY_ATTR {
    for (size_t at = 0; at < kChunk; at += kLanes<double>) {
      sum.Add(at, hn::Mul(Widen(v + at), hn::LoadU(Tag<double>(), w + at)));
    }
  };
  EachChunk(
      n, [&](size_t i) HWY_ATTR { chunk(values + i, weights + i); },
      [&](size_t i, size_t left) HWY_ATTR {
        T padded[kChunk] = {};
        double padded_weights[kChunk] = {};
        for (size_t k = 0; k < left; ++k) padded[k] = values[i + k], padded_weights[k] = weights[i + k];
        chunk(padded, padded_weights);
      });
  return sum.Total();
}

template <class T>
void ScaleT(double factor, T* slope, size_t n) {
  const auto f = hn::Set(Tag<double>(), factor);
  size_t i = 0;
  for (; i + kLanes<double> <= n; i += kLanes<double>) Narrow(hn::Mul(Widen(slope + i), f), slope + i);
  for (; i < n; ++i) slope[i] = static_cast<T>(slope[i] * factor);
}

template <class T>
void ScaleItemsT(const double* weights, double factor, T* slope, size_t items, size_t width) {
  if (width > 1) {
    for (size_t item = 0; item < items; ++item) ScaleT(weights[item] * factor, slope + item * width, width);
    return;
  }
  const Tag<double> dd;
  const auto f = hn::Set(dd, factor);
  size_t i = 0;
  for (; i + kLanes<double> <= items; i += kLanes<double>) {
    Narrow(hn::Mul(Widen(slope + i), hn::Mul(hn::LoadU(dd, weights + i), f)), slope + i);
  }
  for (; i < items; ++i) slope[i] = static_cast<T>(slope[i] * (weights[i] * factor));
}

std::string_view InstructionSetT() { return hwy::TargetName(HWY_TARGET); }

// HWY_EXPORT takes plain functions.
double SumF32(const float* v, size_t n) { return SumT(v, n); }
double SumF64(const double* v, size_t n) { return SumT(v, n); }
double WeightedSumF32(const float* v, const double* w, size_t n) { return WeightedSumT(v, w, n); }
double WeightedSumF64(const double* v, const double* w, size_t n) { return WeightedSumT(v, w, n); }
void ScaleF32(double f, float* s, size_t n) { ScaleT(f, s, n); }
void ScaleF64(double f, double* s, size_t n) { ScaleT(f, s, n); }
void ScaleItemsF32(const double* w, double f, float* s, size_t n, size_t k) { ScaleItemsT(w, f, s, n, k); }
void ScaleItemsF64(const double* w, double f, double* s, size_t n, size_t k) { ScaleItemsT(w, f, s, n, k); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {

HWY_EXPORT(InstructionSetT);
HWY_EXPORT(SumF32);
HWY_EXPORT(SumF64);
HWY_EXPORT(WeightedSumF32);
HWY_EXPORT(WeightedSumF64);
HWY_EXPORT(ScaleF32);
HWY_EXPORT(ScaleF64);
HWY_EXPORT(ScaleItemsF32);
HWY_EXPORT(ScaleItemsF64);

std::string_view InstructionSet() { return HWY_DYNAMIC_DISPATCH(InstructionSetT)(); }

template <>
double Sum(const float* v, size_t n) {
  return HWY_DYNAMIC_DISPATCH(SumF32)(v, n);
}
template <>
double Sum(const double* v, size_t n) {
  return HWY_DYNAMIC_DISPATCH(SumF64)(v, n);
}
template <>
double WeightedSum(const float* v, const double* w, size_t n) {
  return HWY_DYNAMIC_DISPATCH(WeightedSumF32)(v, w, n);
}
template <>
double WeightedSum(const double* v, const double* w, size_t n) {
  return HWY_DYNAMIC_DISPATCH(WeightedSumF64)(v, w, n);
}
template <>
void Scale(double factor, float* slope, size_t n) {
  HWY_DYNAMIC_DISPATCH(ScaleF32)(factor, slope, n);
}
template <>
void Scale(double factor, double* slope, size_t n) {
  HWY_DYNAMIC_DISPATCH(ScaleF64)(factor, slope, n);
}
template <>
void ScaleItems(const double* weights, double factor, float* slope, size_t items, size_t width) {
  HWY_DYNAMIC_DISPATCH(ScaleItemsF32)(weights, factor, slope, items, width);
}
template <>
void ScaleItems(const double* weights, double factor, double* slope, size_t items, size_t width) {
  HWY_DYNAMIC_DISPATCH(ScaleItemsF64)(weights, factor, slope, items, width);
}

}  // namespace lossd
#endif  // HWY_ONCE
