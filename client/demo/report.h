// What the demo shows while it trains, and what it leaves behind.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace lossd::demo {

struct Epoch {
  int number;            // from 1
  double loss;           // mean over the training images, as the server returned it
  double test_accuracy;  // in [0, 1]
};

// A bar that moves within one line on a terminal; on anything else one line per epoch and nothing between.
class Progress {
 public:
  explicit Progress(int num_epochs);

  void Step(int epoch, size_t step, size_t num_steps, double loss);
  void EndEpoch(const Epoch& epoch);

 private:
  const int num_epochs_;
  const bool terminal_;
};

// Writes history.csv and, with gnuplot and the given script, training.svg into `directory`, which is made where it is
// missing. Errors say what is missing and how to get it.
absl::Status WriteReport(const std::vector<Epoch>& history, const std::string& directory, const std::string& script);

}  // namespace lossd::demo
