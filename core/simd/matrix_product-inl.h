// Products of matrices in double, a tile of the result in registers at a time.
//
// Every element of a product is one sum, fused multiply-add by multiply-add in the order of k. So its bits depend on
// nothing else: not on the tile that it is in, nor on the width of a vector.

#if defined(LOSSD_CORE_SIMD_MATRIX_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_MATRIX_PRODUCT_INL_H_
#undef LOSSD_CORE_SIMD_MATRIX_PRODUCT_INL_H_
#else
#define LOSSD_CORE_SIMD_MATRIX_PRODUCT_INL_H_
#endif

#include <algorithm>
#include <cstddef>

#include "core/simd/kernel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// Element (i, k) is at data[i * row + k * column].
struct MatrixView {
  const double* data;
  size_t row, column;
};

// The columns of a tile are two vectors; its rows fill the registers: 24 sums of 32 registers, or 12 of 16.
inline constexpr size_t kTileColumns = 2 * kLanes<double>;
inline constexpr size_t kTileRows = HWY_TARGET <= HWY_AVX3 ? 12 : 6;

// c[r, 0 .. kTileColumns) = (kAdd: c +) sum over k < depth of a(r, k) b[k, 0 .. kTileColumns), for kRows rows.
template <size_t kRows, bool kAdd>
HWY_INLINE void MultiplyTile(MatrixView a, const double* HWY_RESTRICT b, size_t b_row, size_t depth,
                             double* HWY_RESTRICT c, size_t c_row) {
  const Tag<double> d;
  constexpr size_t kHalf = kLanes<double>;
  hn::Vec<Tag<double>> left[kRows], right[kRows];
  HWY_UNROLL(12)
  for (size_t r = 0; r < kRows; ++r) {
    left[r] = kAdd ? hn::LoadU(d, c + r * c_row) : hn::Zero(d);
    right[r] = kAdd ? hn::LoadU(d, c + r * c_row + kHalf) : hn::Zero(d);
  }
  for (size_t k = 0; k < depth; ++k) {
    const auto b_left = hn::LoadU(d, b + k * b_row), b_right = hn::LoadU(d, b + k * b_row + kHalf);
    HWY_UNROLL(12)
    for (size_t r = 0; r < kRows; ++r) {
      const auto a_rk = hn::Set(d, a.data[r * a.row + k * a.column]);
      left[r] = hn::MulAdd(a_rk, b_left, left[r]);
      right[r] = hn::MulAdd(a_rk, b_right, right[r]);
    }
  }
  HWY_UNROLL(12)
  for (size_t r = 0; r < kRows; ++r) {
    hn::StoreU(left[r], d, c + r * c_row);
    hn::StoreU(right[r], d, c + r * c_row + kHalf);
  }
}

// The same for any number of rows.
template <bool kAdd>
HWY_INLINE void MultiplyColumns(MatrixView a, size_t rows, const double* b, size_t b_row, size_t depth, double* c,
                                size_t c_row) {
  size_t r = 0;
  for (; r + kTileRows <= rows; r += kTileRows) {
    MultiplyTile<kTileRows, kAdd>({a.data + r * a.row, a.row, a.column}, b, b_row, depth, c + r * c_row, c_row);
  }
  for (; r < rows; ++r) {
    MultiplyTile<1, kAdd>({a.data + r * a.row, a.row, a.column}, b, b_row, depth, c + r * c_row, c_row);
  }
}

// c[i, j] += sum over k < depth of a(i, k) b[k, j], j < columns, a multiple of kChunk. b and c have rows that many
// apart.
HWY_INLINE void AddProduct(MatrixView a, size_t rows, const double* b, size_t b_row, size_t depth, double* c,
                           size_t c_row, size_t columns) {
  constexpr size_t kDepth = 128;  // rows of b that stay in L2 while all tiles go over them
  for (size_t k = 0; k < depth; k += kDepth) {
    for (size_t j = 0; j < columns; j += kTileColumns) {
      MultiplyColumns<true>({a.data + k * a.column, a.row, a.column}, rows, b + k * b_row + j, b_row,
                            std::min(kDepth, depth - k), c + j, c_row);
    }
  }
}

// A matrix transposed, in panels of kTileColumns: element (row j, k) at [j / kTileColumns, k, j % kTileColumns]. Rows
// beyond the last are 0.
HWY_INLINE void PackPanel(const double* rows, size_t row, size_t count, size_t dim, double* panel) {
  for (size_t j = 0; j < kTileColumns; ++j) {
    for (size_t k = 0; k < dim; ++k) panel[k * kTileColumns + j] = j < count ? rows[j * row + k] : 0;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_MATRIX_PRODUCT_INL_H_
