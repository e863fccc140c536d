#include "server/machine.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"

namespace lossd::server {
namespace {

namespace fs = std::filesystem;

// The two numbers of a file like "200000 100000"; "max", or no file, is nothing.
std::optional<double> ReadNumber(const fs::path& file, double* second = nullptr) {
  std::ifstream in(file);
  double number = 0;
  if (!(in >> number)) return std::nullopt;
  if (second != nullptr) in >> *second;
  return number;
}

// The path of this process's group in the hierarchy of `controller`: "" names the one hierarchy of version 2.
fs::path GroupPath(const fs::path& root, const std::string& controller) {
  std::ifstream in(root / "proc/self/cgroup");  // lines "4:memory:/path"; version 2 "0::/path"
  std::string line;
  while (std::getline(in, line)) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::vector<std::string> controllers = absl::StrSplit(line.substr(first + 1, second - first - 1), ',');
    if (std::find(controllers.begin(), controllers.end(), controller) != controllers.end()) {
      return fs::path(line.substr(second + 1)).relative_path();
    }
  }
  return {};
}

// The smallest of `read` over a group and those above it: each of them is a limit. In a container the path may be the
// host's and the files lie at the mount's root: the walk ends there.
std::optional<double> Tightest(const fs::path& mount, fs::path group,
                               const std::function<std::optional<double>(const fs::path&)>& read) {
  std::optional<double> tightest;
  while (true) {
    if (const auto limit = read(mount / group); limit.has_value())
      tightest = std::min(*limit, tightest.value_or(*limit));
    if (group.empty() || group == group.parent_path()) return tightest;
    group = group.parent_path();
  }
}

std::optional<double> CpuLimit(const fs::path& root) {
  const auto v2 =
      Tightest(root / "sys/fs/cgroup", GroupPath(root, ""), [](const fs::path& group) -> std::optional<double> {
        double period = 0;
        const auto quota = ReadNumber(group / "cpu.max", &period);
        if (!quota.has_value() || *quota <= 0 || period <= 0) return std::nullopt;
        return *quota / period;
      });
  if (v2.has_value()) return v2;
  return Tightest(
      root / "sys/fs/cgroup/cpu", GroupPath(root, "cpu"), [](const fs::path& group) -> std::optional<double> {
        const auto quota = ReadNumber(group / "cpu.cfs_quota_us"), period = ReadNumber(group / "cpu.cfs_period_us");
        if (!quota.has_value() || !period.has_value() || *quota <= 0 || *period <= 0) return std::nullopt;
        return *quota / *period;
      });
}

std::optional<double> MemoryLimit(const fs::path& root) {
  const auto v2 = Tightest(root / "sys/fs/cgroup", GroupPath(root, ""),
                           [](const fs::path& group) { return ReadNumber(group / "memory.max"); });
  if (v2.has_value()) return v2;
  return Tightest(root / "sys/fs/cgroup/memory", GroupPath(root, "memory"),
                  [](const fs::path& group) { return ReadNumber(group / "memory.limit_in_bytes"); });
}

}  // namespace

Machine DetectMachine(const fs::path& root) {
  cpu_set_t affinity;
  CPU_ZERO(&affinity);
  double cores = sched_getaffinity(0, sizeof(affinity), &affinity) == 0
                     ? CPU_COUNT(&affinity)
                     : static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN));
  // Half a core is rounded up: a thread more than the quota waits; a thread less leaves a part of it unused.
  if (const auto limit = CpuLimit(root); limit.has_value()) cores = std::min(cores, std::ceil(*limit));

  auto memory = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  if (const auto limit = MemoryLimit(root); limit.has_value()) memory = std::min(memory, *limit);
  return {.cores = std::max(1, static_cast<int>(cores)), .memory_bytes = static_cast<size_t>(memory)};
}

}  // namespace lossd::server
