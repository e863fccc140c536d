// The scratch of one worker, known in bytes before anything is allocated.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/problem.h"

namespace lossd {

// Where blocks are gathered that straddle segments, and where values and weights of a block stay. Every run is aligned
// to 64 bytes; a run that the problem has no use for is empty.
class Workspace {
 public:
  static size_t Bytes(const Problem& problem, size_t items_per_block);

  Workspace(const Problem& problem, size_t items_per_block);
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace();

  std::byte* prediction;   // items * width elements
  std::byte* target;       // as many, after conversion to the dtype of the arithmetic
  std::byte* raw;          // the target or labels as sent, where they must be gathered before they are converted
  int32_t* labels;         // items
  std::byte* value;        // items
  double* weights;         // items
  std::byte* weights_raw;  // items, as sent
  std::byte* mask_raw;     // items
  const std::byte* mask = nullptr;  // the mask bytes of the current block, in mask_raw or where they lie

 private:
  std::byte* memory_;
};

}  // namespace lossd
