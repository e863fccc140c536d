// Rows of rpc_bench as text, Markdown and JSON.
#pragma once

#include <string>
#include <vector>

namespace lossd::bench {

// Medians over the rounds of one scenario on one server.
struct Row {
  std::string scenario, server;
  double calls_per_second = 0;
  double gigabytes_per_second = 0;
  double p50_us = 0, p99_us = 0;
  double server_cpu_us = 0;  // a call
  double cpu_ratio = 0;      // to the no-op server in the same rounds; 0: this is that server
};

std::string Markdown(const std::vector<Row>& rows, const std::string& heading);
std::string Json(const std::vector<Row>& rows, const std::string& heading);

// One line about this machine, the versions and the date.
std::string Machine();

}  // namespace lossd::bench
