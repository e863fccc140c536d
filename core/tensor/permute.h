// Axes of a tensor in another order.
#pragma once

#include <vector>

#include "core/tensor/tensor_view.h"

namespace lossd {

// Axis i of the result is axis order[i] of the source. Empty: as they are.
using Order = std::vector<int>;

Shape Permuted(const Shape& shape, const Order& order);

// The elements of `view` with its axes in `order`, row-major.
std::vector<std::byte> Permute(const TensorView& view, const Order& order);

// The inverse: `from` has the axes of Permuted(shape, order), `to` those of `shape`; elements of `element` bytes.
void Unpermute(const std::byte* from, const Shape& shape, const Order& order, size_t element, std::byte* to);

}  // namespace lossd
