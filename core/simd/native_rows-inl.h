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
// LogitRow that is summed, which answers a LogitValue, NaN where the row answers NaN throughout, and writes the
// gradient times factor where row.has_slope().
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
    LogitRow<S> rows[kMostRowsTogether];
    size_t items[kMostRowsTogether];
    bool sound[kMostRowsTogether];
    for (size_t item = 0; item < block.items;) {
      size_t count = 0;
      for (; item < block.items && count < RowsTogether<S>(width, block.streams); ++item) {
        const T* const targets = L::kIndexed ? nullptr : block.in[1] + item * width;
        S* const slope = slopes == nullptr ? nullptr : slopes + item * width;
        const auto* const stretches =
            block.stretches == nullptr ? nullptr : block.stretches + item * StretchesIn(width);
        double* const scratch = block.scratch + count * LogitRowScratch(width);
        rows[count].Begin(x + item * width, stretches, targets, width, slope, block.streams, scratch, crew);
        if (kept != nullptr && kept[item] == 0) {
          block.value[item] = 0;
          if (slope != nullptr) rows[count].Fill(0);
          continue;
        }
        items[count++] = item;
      }
      if (count == 0) return;
      rows[0].Look();
      for (size_t k = 0; k < count; ++k) {
        if (k + 1 < count) rows[k + 1].Look();
        sound[k] = rows[k].template Sum<!L::kIndexed>();
      }
      double fixed[kMostRowsTogether], times[kMostRowsTogether], log1p[kMostRowsTogether] = {};
      for (size_t k = 0; k < count; ++k) {
        LogitValue value{std::numeric_limits<double>::quiet_NaN(), 0};
        if (sound[k]) {
          log1p[k] = rows[k].masses().rest;
          const double factor = own == nullptr ? common : own[items[k]] * common;
          if constexpr (L::kIndexed) {
            value = loss.OfLogits(rows[k], block.index[1][items[k]], factor);
          } else {
            value = loss.OfLogits(rows[k], factor);
          }
        }
        fixed[k] = value.fixed, times[k] = value.times;
      }
      // Behind the slopes, which need not wait for logarithms.
      Replace(log1p, [](auto d, auto v) HWY_ATTR { return hn::Log1p(d, v); });
      for (size_t k = 0; k < count; ++k) {
        const double value = fixed[k] + times[k] * log1p[k];
        block.value[items[k]] = static_cast<T>(value);
        if (slopes != nullptr && std::isnan(value)) rows[k].Fill(std::nan(""));
      }
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
