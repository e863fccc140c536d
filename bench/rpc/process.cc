#include "bench/rpc/process.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <utility>

extern char** environ;

namespace lossd::bench {
namespace {

constexpr std::chrono::seconds kStartTimeout{20};

}  // namespace

Process::Process(std::string program, std::vector<std::string> arguments) : program_(std::move(program)) {
  static int count = 0;
  port_file_ = (std::filesystem::temp_directory_path() /
                ("lossd_bench_" + std::to_string(getpid()) + "_" + std::to_string(count++)))
                   .string();
  arguments.insert(arguments.begin(), program_);
  arguments.push_back("--port_file=" + port_file_);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  if (posix_spawn(&pid_, program_.c_str(), nullptr, nullptr, argv.data(), environ) != 0) {
    throw std::runtime_error("cannot start " + program_);
  }
  const auto deadline = std::chrono::steady_clock::now() + kStartTimeout;
  while (address_.empty()) {
    std::ifstream(port_file_) >> address_;
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) throw std::runtime_error(program_ + " ended before it served");
    if (std::chrono::steady_clock::now() > deadline) {
      End();
      throw std::runtime_error(program_ + " did not serve in time");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

Process::~Process() { End(); }

void Process::End() {
  kill(pid_, SIGTERM);
  int status = 0;
  waitpid(pid_, &status, 0);
  std::filesystem::remove(port_file_);
}

double Process::cpu_seconds() const {
  clockid_t clock;
  timespec time{};
  if (clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &time) != 0) {
    throw std::runtime_error("no CPU clock of " + program_);
  }
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double Process::peak_rss_bytes() const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string word; status >> word;) {
    double kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib * 1024;
  }
  return 0;
}

}  // namespace lossd::bench
