// Tensors as a caller of the service has them: borrowed for sending, owned when received.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/tensor/dtype.h"

namespace lossd {

// The element type on the wire of a C++ type. 16-bit floats have no C++ type here: fill a ConstTensor by hand.
template <class T>
consteval DType DTypeFor() {
  using Element = std::remove_cv_t<T>;
  if constexpr (std::is_same_v<Element, float>)
    return DType::kF32;
  else if constexpr (std::is_same_v<Element, double>)
    return DType::kF64;
  else if constexpr (std::is_same_v<Element, int32_t>)
    return DType::kI32;
  else if constexpr (std::is_integral_v<Element> && std::is_signed_v<Element> && sizeof(Element) == 8)
    return DType::kI64;
  else if constexpr (std::is_same_v<Element, uint8_t>)
    return DType::kU8;
  else if constexpr (std::is_same_v<Element, bool>)
    return DType::kBool;
  else
    static_assert(sizeof(T) == 0, "no such element type on the wire");
}

// Bytes in memory that the server shares (lossd/shared_region.h).
struct SharedPlace {
  std::string region = {};  // empty: not in shared memory
  uint64_t offset = 0, size_bytes = 0;
};

// Memory of the caller, read as a dense tensor: little-endian, the last axis contiguous. Sent without being copied.
struct ConstTensor {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape = {};  // outermost axis first; empty: a scalar
  std::span<const std::byte> bytes = {};
  SharedPlace shared = {};  // where the server finds them; then nothing is sent

  // A vector: shape [values.size()].
  template <class Container>
  static ConstTensor Of(const Container& values) {
    return Of(values, {static_cast<int64_t>(std::size(values))});
  }
  // Anything contiguous. The server answers INVALID_ARGUMENT where the shape does not fit the values.
  template <class Container>
  static ConstTensor Of(const Container& values, std::vector<int64_t> shape) {
    const std::span span(std::data(values), std::size(values));
    return {DTypeFor<typename decltype(span)::element_type>(), std::move(shape), std::as_bytes(span), {}};
  }
  // A temporary would be gone before it is sent.
  template <class Container>
  requires(!std::is_lvalue_reference_v<Container> && !std::is_const_v<Container> && requires(Container c) {
    c.clear();
  }) static ConstTensor Of(Container&& values, std::vector<int64_t> shape = {}) = delete;
};

// A tensor that owns its bytes, aligned for every element type. Movable.
class Tensor {
 public:
  Tensor() = default;
  // The bytes are not initialised.
  Tensor(DType dtype, std::vector<int64_t> shape, size_t size_bytes)
      : dtype_(dtype),
        shape_(std::move(shape)),
        size_bytes_(size_bytes),
        bytes_(std::make_unique_for_overwrite<std::byte[]>(size_bytes)) {}

  DType dtype() const { return dtype_; }
  const std::vector<int64_t>& shape() const { return shape_; }
  std::span<std::byte> bytes() { return {bytes_.get(), size_bytes_}; }
  std::span<const std::byte> bytes() const { return {bytes_.get(), size_bytes_}; }

  // The elements; empty where T is not what dtype() says.
  template <class T>
  std::span<const T> values() const {
    if (DTypeFor<T>() != dtype_) return {};
    return {reinterpret_cast<const T*>(bytes_.get()), size_bytes_ / sizeof(T)};
  }

  // The same tensor, borrowed.
  ConstTensor view() const { return {dtype_, shape_, bytes(), {}}; }

 private:
  DType dtype_ = DType::kF32;
  std::vector<int64_t> shape_;
  size_t size_bytes_ = 0;
  std::unique_ptr<std::byte[]> bytes_;
};

}  // namespace lossd
