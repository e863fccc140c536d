#include "core/tensor/permute.h"

#include <cstring>

namespace lossd {
namespace {

// Calls each(source, target) with element offsets, in the order of the target: row-major over Permuted(shape, order).
template <class Each>
void Walk(const Shape& shape, const Order& order, const Each& each) {
  const size_t rank = shape.size();
  absl::InlinedVector<size_t, 6> strides(rank, 1), sizes, steps, at(rank, 0);
  for (size_t i = rank - 1; i > 0; --i) strides[i - 1] = strides[i] * shape[i];
  size_t count = 1;
  for (const int axis : order) {
    sizes.push_back(shape[axis]);
    steps.push_back(strides[axis]);
    count *= shape[axis];
  }
  size_t source = 0;
  for (size_t target = 0; target < count; ++target) {
    each(source, target);
    for (size_t axis = rank; axis-- > 0;) {
      source += steps[axis];
      if (++at[axis] < sizes[axis]) break;
      source -= steps[axis] * sizes[axis];
      at[axis] = 0;
    }
  }
}

}  // namespace

Shape Permuted(const Shape& shape, const Order& order) {
  if (order.empty()) return shape;
  Shape permuted;
  for (const int axis : order) permuted.push_back(shape[axis]);
  return permuted;
}

std::vector<std::byte> Permute(const TensorView& view, const Order& order) {
  const size_t element = SizeOf(view.dtype());
  std::vector<std::byte> gathered(view.segments().size() > 1 ? view.size_bytes() : 0), out(view.size_bytes());
  const std::byte* const from = view.Block(0, view.count(), gathered.data());
  Walk(view.shape(), order, [&](size_t source, size_t target) {
    std::memcpy(out.data() + target * element, from + source * element, element);
  });
  return out;
}

void Unpermute(const std::byte* from, const Shape& shape, const Order& order, size_t element, std::byte* to) {
  Walk(shape, order,
       [&](size_t source, size_t target) { std::memcpy(to + source * element, from + target * element, element); });
}

}  // namespace lossd
