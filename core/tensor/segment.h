// A run of bytes in a buffer that somebody else owns.
#pragma once

#include <cstddef>

#include "absl/container/inlined_vector.h"

namespace lossd {

struct Segment {
  const std::byte* data = nullptr;
  size_t size = 0;
};

// The bytes of one tensor in order. A small tensor is one segment; a message of 16 MiB arrives in about 260.
using Segments = absl::InlinedVector<Segment, 2>;

}  // namespace lossd
