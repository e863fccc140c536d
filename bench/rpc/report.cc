#include "bench/rpc/report.h"

#include <grpcpp/grpcpp.h>

#include <ctime>
#include <fstream>
#include <thread>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace lossd::bench {

std::string Machine() {
  std::string model = "unknown CPU";
  std::ifstream cpus("/proc/cpuinfo");
  for (std::string line; std::getline(cpus, line);) {
    if (line.rfind("model name", 0) != 0) continue;
    model = line.substr(line.find(':') + 2);
    break;
  }
  const std::time_t now = std::time(nullptr);
  char date[32];
  std::strftime(date, sizeof date, "%Y-%m-%d", std::gmtime(&now));
  return absl::StrFormat("%s, %d cores, gRPC %s, %s", model, std::thread::hardware_concurrency(), grpc::Version(),
                         date);
}

std::string Markdown(const std::vector<Row>& rows, const std::string& heading) {
  std::string text = absl::StrCat(
      heading, "\n\n",
      "| scenario | server | calls/s | GB/s | p50 us | p99 us | server CPU us a call | CPU, ratio to no-op |\n"
      "|---|---|--:|--:|--:|--:|--:|--:|\n");
  for (const Row& row : rows) {
    absl::StrAppendFormat(&text, "| %s | %s | %.0f | %.2f | %.0f | %.0f | %.1f | %s |\n", row.scenario, row.server,
                          row.calls_per_second, row.gigabytes_per_second, row.p50_us, row.p99_us, row.server_cpu_us,
                          row.cpu_ratio == 0 ? "1" : absl::StrFormat("%.2f", row.cpu_ratio));
  }
  return text;
}

std::string Json(const std::vector<Row>& rows, const std::string& heading) {
  std::string text = absl::StrFormat("{\"heading\": \"%s\", \"rows\": [", absl::CEscape(heading));
  for (const Row& row : rows) {
    absl::StrAppendFormat(
        &text,
        "%s\n  {\"scenario\": \"%s\", \"server\": \"%s\", \"calls_per_second\": %.1f, \"gigabytes_per_second\": "
        "%.4f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"server_cpu_us_per_call\": %.2f, \"cpu_ratio\": %.4f}",
        &row == rows.data() ? "" : ",", row.scenario, row.server, row.calls_per_second, row.gigabytes_per_second,
        row.p50_us, row.p99_us, row.server_cpu_us, row.cpu_ratio);
  }
  return absl::StrCat(text, "\n]}\n");
}

}  // namespace lossd::bench
