// What can be said on the command line.
#pragma once

#include <optional>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lossd/client.h"

namespace lossd::lossctl {

struct GlobalFlags {
  std::string address = ClientOptions().address;
  std::string timeout = "60s";
  bool json = false;
};

// Of `evaluate` and `gradient`. Empty paths: not given.
struct CallFlags {
  std::string loss;
  std::vector<std::string> inputs;  // NAME=FILE
  std::vector<std::string> with_respect_to;
  bool hessian = false;
  std::string y_true;
  std::string y_pred;
  std::string sample_weight;
  std::string mask;
  std::string params = "{}";
  std::string out;
  Options options;
};

void AddGlobalFlags(CLI::App* app, GlobalFlags* flags);
// `out_help` says what --out writes.
void AddCallFlags(CLI::App* command, CallFlags* flags, const std::string& out_help);

// "10s", "500ms", or a number of seconds. INVALID_ARGUMENT for others and for what is not positive.
absl::StatusOr<absl::Duration> ParseTimeout(const std::string& text);

// A JSON object of numbers: {"delta": 1.5}. INVALID_ARGUMENT for others.
absl::StatusOr<std::vector<std::pair<std::string, ParamValue>>> ParseParams(const std::string& json);

}  // namespace lossd::lossctl
