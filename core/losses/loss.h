// One entry of the registry: a contract and its kernels for the instruction set of this machine.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "core/losses/contract.h"
#include "core/tensor/dtype.h"

namespace lossd {

// Sizes of the axes that a contract names by letters.
class Dims {
 public:
  static constexpr size_t kUnbound = ~size_t{0};  // no input has an axis of that letter
  size_t operator[](char letter) const { return sizes_[letter - 'A']; }
  size_t& operator[](char letter) { return sizes_[letter - 'A']; }

 private:
  std::array<size_t, 26> sizes_{};
};

// What slopes are multiplied by on their way out.
struct Factors {
  const double* own = nullptr;    // of each item, or null
  double common = 1;              // of all
  const uint8_t* kept = nullptr;  // of each item, 0: left out, its slopes are 0 whatever they were; null: none is
};

// What a kernel sees: whole items, contiguous. Inputs and slopes are in the contract's order.
template <class T>
struct Block {
  size_t items = 0;  // N
  size_t width = 1;  // K, elements of an item in the first input
  const Dims* dims = nullptr;
  std::array<const T*, kMaxInputs> in{};  // [N, K_i], or the whole of a shared one; any alignment; null: absent
  std::array<const int32_t*, kMaxInputs> index{};  // the same for integers
  std::array<size_t, kMaxInputs> widths{};         // K_i, elements of an item; of all where shared
  const double* upstream = nullptr;    // kBatch, with slopes: [N], what the slope of each value is multiplied by
  T* value = nullptr;                  // out [N]; kElementwise: null where their sum alone is wanted
  double* sum = nullptr;               // kElementwise: out, the sum of the values, that of reduce.h
  double* lanes = nullptr;             // the same: in and out [kSumLanes], of a strip in pieces: what sum adds up
  std::array<T*, kMaxInputs> slope{};  // out [N, K_i], the derivative of each item's value; null: not wanted. Any
                                       // alignment. kElementwise, and kernels that finish their slopes: may be in[i].
  T* curvature = nullptr;  // out [N, K], second derivatives with respect to the first input; null: not wanted
  // slope[0] may be written past the caches; the caller calls hwy::FlushStream, once for many blocks.
  bool streams = false;
  // Kernels that finish their slopes: where each stretch (wide_rows.h) of in[0] lies, [N, StretchesIn(width)], and of
  // slope[0] where this is in[0]. Null: one behind the other.
  const std::byte* const* stretches = nullptr;
  double* extra = nullptr;    // out [N] where the contract has one
  double* scratch = nullptr;  // FormKernels::scratch doubles

  // kElementwise: every slope and curvature is multiplied by factors.common. Kernels that finish their slopes
  // (FormKernels::finishes) multiply them by all of `factors`; their in[0] and slope[0] are elements of `stored`, and
  // the value of an item that is left out is not looked at. All others leave that to their caller.
  Factors factors{};
  DType stored = kDTypeOf<T>;
};

// Block<float>::factors.common is a sum of two floats to its kernel, and must leave room below the first for the
// second.
inline constexpr double kLeastFloatFactor = 0x1p-100, kMostFloatFactor = 0x1p100;

// The threads that a kernel may share its work with, and whether anybody still waits for it. Thread-safe.
class Crew {
 public:
  virtual ~Crew() = default;
  // Calls work(tile) once for each tile in [0, num_tiles), in any order, on any threads; returns when all have
  // returned. Once cancelled, tiles that have not begun are left out.
  virtual void ForEachTile(size_t num_tiles, const std::function<void(size_t)>& work) const = 0;
  // A kernel that sees this may return at once: what it writes is not looked at.
  virtual bool cancelled() const = 0;
};

// What a call sets: parameters in contract order, the subgradient of max(z, 0) at z = 0, clip edges.
struct KernelCall {
  std::span<const double> params;
  double kink = 0;
  double clip_low = 0, clip_high = 1;  // edges of ClipPolicy::kKeras, rounded to the dtype that Keras computes in
  const Crew* crew = nullptr;          // null: this thread alone, to the end
};

// Writes unweighted, unreduced values and slopes. Cannot fail; NaN in an item gives NaN out for that item alone.
// Thread-safe.
template <class T>
using Kernel = void (*)(const KernelCall& call, const Block<T>& block);

struct FormKernels {
  Form form;
  Kernel<float> f32;  // null: f64 is used whatever the inputs are
  Kernel<double> f64;
  size_t (*scratch)(const Dims& dims, size_t width);  // doubles that they need in Block::scratch; null: none
  // They read the first input and write its slopes as the tensors hold them, in any floating-point dtype, and multiply
  // them: their rows are wide, and pass through the caches as seldom as can be.
  bool finishes = false;
  bool widens = false;  // f32 computes in double
};

struct Loss {
  const Contract* contract;
  std::span<const FormKernels> forms;                                       // in the contract's order
  double (*finish)(std::span<const double> params, double mean) = nullptr;  // Extra::kMean
  std::string_view topic = {};  // the folder of core/losses that it lives in
};

}  // namespace lossd
