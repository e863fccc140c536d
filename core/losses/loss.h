// One entry of the registry: a contract and its kernels for the instruction set of this machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/losses/contract.h"

namespace lossd {

// What an item of a loss is. The shape rules of a family live in core/problem.cc, its loops in core/simd/.
enum class Family : uint8_t {
  kElementwise,   // y_pred [any], y_true the same; an item is an element
  kRowWithIndex,  // y_pred [..., K], y_true [...] class indices; an item is a row
  kRowWithRow,    // y_pred [..., K], y_true [..., K]; an item is a row
};
std::string_view Name(Family family);

// What a kernel sees: whole items, contiguous. Letters: N items, K elements an item (1 for elementwise).
template <class T>
struct Block {
  const T* prediction;    // [N, K]; any alignment
  const T* target;        // [N, K]; any alignment; null for kRowWithIndex
  const int32_t* labels;  // [N], each in [0, K); null for the other families
  size_t items;           // N
  size_t width;           // K
  T* value;               // out [N]
  T* slope;               // out [N, K], the derivative of each item's value; null: not wanted. Any alignment.
};

// Writes unweighted, unreduced values and slopes. Cannot fail; NaN in a row or element gives NaN out for that item
// alone. `params` in contract order. Thread-safe.
template <class T>
using Kernel = void (*)(std::span<const double> params, const Block<T>& block);

struct FormKernels {
  Form form;
  Kernel<float> f32;
  Kernel<double> f64;
};

struct Loss {
  const Contract* contract;
  Family family;
  std::span<const FormKernels> forms;  // in the contract's order
};

}  // namespace lossd
