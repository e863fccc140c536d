// The curve of a loss: its value and gradient while one number of its worked example moves.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "lossd/client.h"
#include "lossd/v1/catalogue.pb.h"

namespace lossd::lossctl {

struct PlotFlags {
  std::string loss;
  std::string svg;   // file; empty: the terminal
  bool csv = false;  // the numbers instead
  int points = 161;
  std::vector<double> range;  // from, to; empty: by the domain of the prediction
};
void AddPlotFlags(CLI::App* command, PlotFlags* flags);

struct Curve {
  std::string title;  // "huber, y_true = 0"
  std::string axis;   // what moves
  std::vector<double> x, value, slope;
};

// Asks the server for every point. The status is the server's, or says why the loss has no curve.
absl::StatusOr<Curve> Sample(const Client& client, const v1::DescribeLossResponse& loss, const PlotFlags& flags);

// Through gnuplot: NOT_FOUND says how to install it.
absl::Status Draw(const Curve& curve, const PlotFlags& flags, std::ostream& out);

}  // namespace lossd::lossctl
