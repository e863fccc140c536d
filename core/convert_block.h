// The numbers of a block between the bytes of tensors and the arithmetic, in vectors: core/tensor/convert.h, many
// elements at a time. Dispatched to the best instruction set; the results have the same bits on each.
#pragma once

#include <cstddef>

#include "core/tensor/dtype.h"

namespace lossd {

// out[i] = element i of `bytes` (any alignment), exact wherever T can hold the element, else rounded to nearest.
// T: float or double.
template <class T>
void ConvertBlock(DType dtype, const std::byte* bytes, size_t count, T* out);

// Element k of `to` (any alignment) = numbers[k] * (factors[k / width] * factor); factors may be null. The product is
// one of doubles. From double it is rounded once, to `dtype`; from float to float, and from there to a 16-bit dtype
// (where one factor serves many elements it is a product of floats then). `to` may be `numbers` where dtype is T. T:
// float or double; dtype: floating point.
template <class T>
void StoreBlock(const T* numbers, const double* factors, double factor, size_t items, size_t width, DType dtype,
                std::byte* to);

}  // namespace lossd
