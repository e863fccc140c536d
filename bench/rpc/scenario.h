// What is called: by which method, with how much, how often at a time, over what.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "bench/rpc/process.h"

namespace lossd::bench {

// Elements of one of two tensors whose payload together is this many MiB. Room for the rest of the message is left, so
// that 64 MiB stay below the 64 MiB that a server takes by default.
constexpr size_t MiB(size_t mib) { return mib * (1 << 20) / (2 * sizeof(float)) - 64; }

struct Scenario {
  bool gradient;
  const char* loss;
  size_t elements;  // of y_pred and y_true each, float32
  int in_flight;
  Wire wire = Wire::kTcp;
  bool stream = false;  // all requests over one call; lossd alone serves that

  std::string name() const;  // "gradient of 2 MiB, 8 in flight"
  std::string method() const;
  size_t payload_bytes() const { return 2 * elements * sizeof(float); }
  std::string Request() const;  // the message; random numbers, the same every time
};

// In the order in which they are measured. Those that carry a target are among both.
std::vector<Scenario> QuickScenarios();
// Also every payload from 32 elements to 64 MiB by every number in flight, as far as that is at most 512 MiB.
std::vector<Scenario> AllScenarios();

}  // namespace lossd::bench
