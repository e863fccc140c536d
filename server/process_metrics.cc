#include "server/process_metrics.h"

#include <prometheus/metric_type.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace lossd::server {
namespace {

prometheus::MetricFamily SingleCounter(const char* name, const char* help, double value) {
  prometheus::ClientMetric metric;
  metric.counter.value = value;
  return {name, help, prometheus::MetricType::Counter, {metric}};
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double OpenFiles() {
  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/self/fd", error);
  return error ? 0 : static_cast<double>(std::distance(begin(files), end(files)));
}

// Seconds since 1970 at which this process began: field 22 of /proc/self/stat counts clock ticks since boot (proc(5)).
double StartTime() {
  std::string stat, word;
  std::getline(std::ifstream("/proc/self/stat"), stat);
  std::istringstream fields(stat.substr(stat.rfind(')') + 1));  // the name before it may hold spaces
  constexpr int kFirstField = 3, kStartField = 22;
  for (int field = kFirstField; field <= kStartField; ++field) fields >> word;
  const double since_boot = std::strtod(word.c_str(), nullptr) / static_cast<double>(sysconf(_SC_CLK_TCK));

  std::ifstream system("/proc/stat");
  double boot = 0;
  while (system >> word) {
    if (word == "btime") system >> boot;
  }
  return boot + since_boot;
}

}  // namespace

prometheus::MetricFamily SingleGauge(const char* name, const char* help, double value) {
  prometheus::ClientMetric metric;
  metric.gauge.value = value;
  return {name, help, prometheus::MetricType::Gauge, {metric}};
}

std::vector<prometheus::MetricFamily> ProcessMetrics() {
  static const double start_time = StartTime();
  double virtual_pages = 0, resident_pages = 0;
  std::ifstream("/proc/self/statm") >> virtual_pages >> resident_pages;
  const auto page_bytes = static_cast<double>(sysconf(_SC_PAGESIZE));
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  return {
      SingleCounter("process_cpu_seconds_total", "User and system CPU time.", CpuSeconds()),
      SingleGauge("process_resident_memory_bytes", "Memory in use.", resident_pages * page_bytes),
      SingleGauge("process_virtual_memory_bytes", "Address space in use.", virtual_pages * page_bytes),
      SingleGauge("process_open_fds", "Open file descriptors.", OpenFiles()),
      SingleGauge("process_max_fds", "Largest number of open file descriptors.", static_cast<double>(files.rlim_cur)),
      SingleGauge("process_start_time_seconds", "Start of the process in seconds since 1970.", start_time),
  };
}

}  // namespace lossd::server
