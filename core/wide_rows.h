// How rows of logits are cut (core/simd/logits-inl.h): by their width alone, so that the same row gives the same bits
// on any number of threads.
#pragma once

#include <cstddef>

namespace lossd {

// Elements of a stretch, which is summed by itself: with their masses 16 KiB of float, half of L1.
inline constexpr size_t kStretch = 2048;

// What a thread takes of a wide row: 64 Ki elements, some 20 us.
inline constexpr size_t kStretchesInTile = 32;

// Rows up to this width keep their masses from sweep to sweep: 1 MiB of float, what L2 holds. Wider ones are shared by
// threads, as batches of more elements than kShardElements are.
inline constexpr size_t kWidestAlone = size_t{1} << 18;

// From this many bytes of slopes on they are written past the caches, where that was measured to gain: floats in rows
// of one stretch (0.74 to 0.9 of the time), 16 bits in longer ones (0.8 to 0.9). Floats of longer rows have their
// masses in the memory of the slopes, and took as long by way of a scratch; rows of one stretch in 16 bits took up
// to 1.3 times as long.
inline constexpr size_t kStreamedBytes = size_t{8} << 20;

}  // namespace lossd
