// Every limit that a request can meet, with its reason. The server adds limits on bytes (server/options.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace lossd {

// Axes of a tensor. NumPy stops at 32 and no loss has use for more; a shape stays one line in a message.
inline constexpr size_t kMaxRank = 32;

// Classes of a row loss: labels are kept as int32.
inline constexpr size_t kMaxRowWidth = std::numeric_limits<int32_t>::max();

// Entries of a list whose loss looks at every pair of them (axis K): 2 G pairs, some seconds between two looks at the
// deadline.
inline constexpr size_t kMaxListLength = 65'536;

// Multiplications of a batch loss (rows times rows times width, or rows times the elements of its weights): some minutes
// of one thread.
inline constexpr double kMaxBatchWork = 0x1p38;

// Characters of a caller's text that an error message repeats.
inline constexpr size_t kMaxEcho = 64;

}  // namespace lossd
