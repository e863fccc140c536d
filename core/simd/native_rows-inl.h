// The loop of the row losses that have kernels for float.

#if defined(LOSSD_CORE_SIMD_NATIVE_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_NATIVE_ROWS_INL_H_
#undef LOSSD_CORE_SIMD_NATIVE_ROWS_INL_H_
#else
#define LOSSD_CORE_SIMD_NATIVE_ROWS_INL_H_
#endif

#include <cmath>
#include <cstddef>
#include <type_traits>

#include "core/simd/logits-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// A native row loss offers Row<form, kSlope>(prediction, target, width, slope), which returns the value of one row and,
// where kSlope, writes its gradient. target is the label of the row, or the row of targets. A row with a NaN answers
// NaN throughout. Of the forms that L::Finishes it offers OfLogits(row, label or nothing, factor) instead, row a
// LogitRow, which writes the gradient times factor where row.has_slope(); NaN: the row answers NaN throughout.
template <class L, Form kForm>
struct NativeRows {
  template <class T>
  static void Run(const KernelCall& call, const Block<T>& block) {
    if constexpr (FinishesForm<L, kForm>) {
      const L loss = Bind<L>(call);
      WithFloats(block.stored, [&]<class S>(S) {
        if constexpr (std::is_same_v<Arithmetic<S>, T>) LoopOverLogits<S>(loss, call.crew, block);
      });
    } else if (block.slope[0] != nullptr) {
      Loop<T, true>(Bind<L>(call), block);
    } else {
      Loop<T, false>(Bind<L>(call), block);
    }
    if (block.curvature != nullptr) Curve(Bind<L>(call), block);
  }

 private:
  // Calls body(S{}) with the type of the elements of a floating-point dtype.
  template <class Body>
  static void WithFloats(DType dtype, const Body& body) {
    if (dtype == DType::kF32) return body(float{});
    if (dtype == DType::kF64) return body(double{});
    if (dtype == DType::kBF16) return body(BFloat16{});
    body(Half{});
  }

  template <class S, class T>
  static HWY_NOINLINE void LoopOverLogits(const L& loss, const Crew* crew, const Block<T>& block) {
    const size_t width = block.width;
    const auto* const x = reinterpret_cast<const S*>(block.in[0]);
    auto* const slopes = reinterpret_cast<S*>(block.slope[0]);
    const auto& [own, common, kept] = block.factors;
    for (size_t item = 0; item < block.items; ++item) {
      S* const slope = slopes == nullptr ? nullptr : slopes + item * width;
      const T* const targets = L::kIndexed ? nullptr : block.in[1] + item * width;
      const auto* const stretches = block.stretches == nullptr ? nullptr : block.stretches + item * StretchesIn(width);
      LogitRow<S> row(x + item * width, stretches, targets, width, slope, block.streams, block.scratch, crew);
      if (kept != nullptr && kept[item] == 0) {
        block.value[item] = 0;
        if (slope != nullptr) row.Fill(0);
        continue;
      }
      const double factor = own == nullptr ? common : own[item] * common;
      if constexpr (L::kIndexed) {
        block.value[item] = static_cast<T>(loss.OfLogits(row, block.index[1][item], factor));
      } else {
        block.value[item] = static_cast<T>(loss.OfLogits(row, factor));
      }
      if (slope != nullptr && std::isnan(block.value[item])) row.Fill(std::nan(""));
    }
  }

  template <class T, bool kSlope>
  static HWY_NOINLINE void Loop(const L& loss, const Block<T>& block) {
    const size_t width = block.width;
    for (size_t item = 0; item < block.items; ++item) {
      const T* const prediction = block.in[0] + item * width;
      T* const slope = kSlope ? block.slope[0] + item * width : nullptr;
      if constexpr (L::kIndexed) {
        block.value[item] = loss.template Row<kForm, kSlope>(prediction, block.index[1][item], width, slope);
      } else {
        block.value[item] = loss.template Row<kForm, kSlope>(prediction, block.in[1] + item * width, width, slope);
      }
    }
  }

  template <class T>
  static HWY_NOINLINE void Curve(const L& loss, const Block<T>& block) {
    const size_t width = block.width;
    for (size_t item = 0; item < block.items; ++item) {
      const T* const prediction = block.in[0] + item * width;
      T* const curvature = block.curvature + item * width;
      if constexpr (L::kIndexed) {
        loss.template Curvature<kForm>(prediction, block.index[1][item], width, curvature);
      } else {
        loss.template Curvature<kForm>(prediction, block.in[1] + item * width, width, curvature);
      }
    }
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_NATIVE_ROWS_INL_H_
