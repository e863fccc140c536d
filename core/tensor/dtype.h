// Element types of tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lossd {

enum class DType : uint8_t { kF32, kF64, kF16, kBF16, kI32, kI64, kU8, kBool };

inline constexpr size_t kNumDTypes = 8;

// Bytes of one element.
constexpr size_t SizeOf(DType dtype) {
  constexpr size_t kSizes[kNumDTypes] = {4, 8, 2, 2, 4, 8, 1, 1};
  return kSizes[static_cast<size_t>(dtype)];
}

// The name on the wire: "F32", "BF16", ...
constexpr std::string_view Name(DType dtype) {
  constexpr std::string_view kNames[kNumDTypes] = {"F32", "F64", "F16", "BF16", "I32", "I64", "U8", "BOOL"};
  return kNames[static_cast<size_t>(dtype)];
}

constexpr bool IsFloatingPoint(DType dtype) { return dtype <= DType::kBF16; }

template <class T>
inline constexpr DType kDTypeOf = DType::kF32;
template <>
inline constexpr DType kDTypeOf<double> = DType::kF64;

}  // namespace lossd
