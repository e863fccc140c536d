// The scratch of one worker, known in bytes before anything is allocated.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/problem.h"

namespace lossd {

// Where strips are gathered that straddle segments, where inputs are converted to the dtype of the arithmetic, and
// where values and weights of a strip stay. Every run is aligned to 64 bytes; a run that the problem has no use for is
// null. Letters: I items of a strip, E its elements in the first input, K_i elements of an item in input i.
struct WorkspaceRuns {
  struct PerInput {
    std::byte* raw = nullptr;        // [I, K_i] as sent, where segments must be gathered
    std::byte* converted = nullptr;  // [I, K_i] of the arithmetic, or int32
    std::byte* slope = nullptr;      // [I, K_i] of the arithmetic; null where the kernel writes into the output
  };
  std::array<PerInput, kMaxInputs> inputs{};
  std::byte* expanded = nullptr;     // [E], class indices as rows
  std::byte* value = nullptr;        // [I], of the elementwise losses [E]
  std::byte* curvature = nullptr;    // [E]
  double* extra = nullptr;           // [I]
  double* weights = nullptr;         // [I]
  uint8_t* kept = nullptr;           // [I], 0: left out
  double* factors = nullptr;         // [I], weights times upstream; [E] where elements have factors
  double* folded = nullptr;          // [I], values of items folded from their elements
  double* per_element = nullptr;     // [E], weights of the elements
  std::byte* weights_raw = nullptr;  // [E] as sent
  double* scratch = nullptr;
  const std::byte** stretches = nullptr;  // [I, StretchesIn(width)], where rows that come in segments lie
};

class Workspace : public WorkspaceRuns {
 public:
  static size_t Bytes(const Problem& problem, size_t items_per_strip);

  Workspace(const Problem& problem, size_t items_per_strip);
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace();

  std::array<const void*, kMaxInputs> shared{};  // inputs that are the same for all strips, once they are loaded
  const Crew* crew = nullptr;                    // whom the worker may call on

 private:
  std::byte* memory_;
};

}  // namespace lossd
