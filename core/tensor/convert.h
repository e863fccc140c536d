// Elements from one dtype to another: the only place where the bytes of a tensor become numbers and numbers bytes.
#pragma once

#include <cstddef>
#include <cstring>

#include "core/tensor/dtype.h"
#include "core/tensor/half.h"

namespace lossd {

// Calls body(S{}) with the C++ type whose bytes an element of `dtype` has.
template <class Body>
decltype(auto) WithType(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::kF32:
      return body(float{});
    case DType::kF64:
      return body(double{});
    case DType::kF16:
      return body(Half{});
    case DType::kBF16:
      return body(BFloat16{});
    case DType::kI32:
      return body(int32_t{});
    case DType::kI64:
      return body(int64_t{});
    case DType::kU8:
    case DType::kBool:
      break;
  }
  return body(uint8_t{});
}

template <class T, class S>
T To(S x) {
  return static_cast<T>(x);
}
template <class T>
T To(Half x) {
  return static_cast<T>(ToDouble(x));
}
template <class T>
T To(BFloat16 x) {
  return static_cast<T>(ToDouble(x));
}
template <class S>
S From(double x) {
  return static_cast<S>(x);
}
template <>
inline Half From(double x) {
  return ToHalf(x);
}
template <>
inline BFloat16 From(double x) {
  return ToBFloat16(x);
}

// out[i] = element i of `bytes` (any alignment), as T. Exact wherever T can hold the element, else rounded to nearest.
template <class T>
void ConvertElements(DType dtype, const std::byte* bytes, size_t count, T* out) {
  WithType(dtype, [&]<class S>(S) {
    for (size_t i = 0; i < count; ++i) {
      S x;
      std::memcpy(&x, bytes + i * sizeof(S), sizeof(S));
      out[i] = To<T>(x);
    }
  });
}

// Element i of `to` = numbers[i] * factors[i / width] * factor, rounded once to `dtype`; factors may be null. Where
// `kept` is not null and kept[i / width] is 0 the element is 0, whatever the number.
template <class T>
void StoreScaled(const T* numbers, const double* factors, double factor, const uint8_t* kept, size_t items,
                 size_t width, DType dtype, std::byte* to) {
  WithType(dtype, [&]<class S>(S) {
    for (size_t item = 0; item < items; ++item) {
      const bool keep = kept == nullptr || kept[item] != 0;
      const double f = factors == nullptr ? factor : factors[item] * factor;
      for (size_t k = item * width; k < (item + 1) * width; ++k) {
        const S x = keep ? From<S>(numbers[k] * f) : From<S>(0.0);
        std::memcpy(to + k * sizeof(S), &x, sizeof(S));
      }
    }
  });
}

}  // namespace lossd
