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

// Characters of a caller's text that an error message repeats.
inline constexpr size_t kMaxEcho = 64;

}  // namespace lossd
