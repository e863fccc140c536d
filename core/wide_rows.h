// How rows of logits are cut (core/simd/logits-inl.h): by their width alone, so that the same row gives the same bits
// on any number of threads.
#pragma once

#include <cstddef>

namespace lossd {

// Elements of a stretch, which is summed by itself: with their masses 16 KiB of float, half of L1.
inline constexpr size_t kStretch = 2048;

constexpr size_t StretchesIn(size_t width) { return (width + kStretch - 1) / kStretch; }

// What a thread takes of a wide row: 64 Ki elements, some 20 us.
inline constexpr size_t kStretchesInTile = 32;

// Rows up to this width keep their masses from sweep to sweep: 1 MiB of float, what L2 holds. Wider ones are shared by
// threads, as batches of more elements than kShardElements are.
inline constexpr size_t kWidestAlone = size_t{1} << 18;

}  // namespace lossd
