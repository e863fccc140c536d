#include "bench/rpc/process.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace lossd::bench {
namespace {

constexpr std::chrono::seconds kStartTimeout{60};  // an interpreter with its libraries on a cold disk
constexpr std::chrono::microseconds kPoll{500};

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Process::Process(const Command& command, Wire wire) : program_(command.program) {
  static int count = 0;
  stem_ = (std::filesystem::temp_directory_path() /
           ("lossd_bench_" + std::to_string(getpid()) + "_" + std::to_string(count++)))
              .string();
  std::vector<std::string> arguments = command.arguments;
  arguments.insert(arguments.begin(), program_);
  arguments.push_back("--listen_address=" + (wire == Wire::kTcp ? "127.0.0.1:0" : "unix:" + stem_ + ".sock"));
  arguments.push_back("--port_file=" + stem_);
  std::vector<std::string> environment = command.environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
  begin_ = Clock::now();
  if (posix_spawn(&pid_, program_.c_str(), nullptr, nullptr, Pointers(arguments).data(),
                  Pointers(environment).data()) != 0) {
    throw std::runtime_error("cannot start " + program_);
  }
  while (true) {
    std::string line;
    if (std::ifstream file(stem_); std::getline(file, line) && !file.eof()) {  // whole: the line has its end
      address_ = line;
      return;
    }
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) throw std::runtime_error(program_ + " ended before it served");
    if (Clock::now() > begin_ + kStartTimeout) {
      End();
      throw std::runtime_error(program_ + " did not serve in time");
    }
    std::this_thread::sleep_for(kPoll);
  }
}

Process::~Process() { End(); }

void Process::End() {
  kill(pid_, SIGTERM);
  int status = 0;
  waitpid(pid_, &status, 0);
  std::filesystem::remove(stem_);
  std::filesystem::remove(stem_ + ".sock");
}

double Process::cpu_seconds() const {
  clockid_t clock;
  timespec time{};
  if (clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &time) != 0) {
    throw std::runtime_error("no CPU clock of " + program_);
  }
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double Process::StatusBytes(const std::string& field) const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string word; status >> word;) {
    double kib = 0;
    if (word == field && status >> kib) return kib * 1024;
  }
  throw std::runtime_error("no " + field + " of " + program_);
}

double Process::rss_bytes() const { return StatusBytes("VmRSS:"); }
double Process::peak_rss_bytes() const { return StatusBytes("VmHWM:"); }

// proc(5): 5 resets the peak to the size of now.
void Process::ResetPeakRss() {
  std::ofstream file("/proc/" + std::to_string(pid_) + "/clear_refs");
  if (!(file << "5" << std::flush)) throw std::runtime_error("cannot reset the peak memory of " + program_);
}

}  // namespace lossd::bench
