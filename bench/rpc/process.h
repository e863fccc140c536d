// A server that the benchmark starts, watches and ends.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace lossd::bench {

// A program that understands --listen_address and --port_file, as lossd does.
struct Command {
  std::string program;
  std::vector<std::string> arguments = {};
  std::vector<std::string> environment = {};  // "NAME=value", beside ours
};

enum class Wire { kTcp, kUnix };  // on this machine

class Process {
 public:
  using Clock = std::chrono::steady_clock;

  // Starts the server and waits until it serves. Throws std::runtime_error.
  Process(const Command& command, Wire wire);
  Process(const Process&) = delete;
  ~Process();  // SIGTERM, and waits

  const std::string& address() const { return address_; }
  Clock::time_point begin() const { return begin_; }  // just before it was started
  double cpu_seconds() const;                         // user and system, all threads, since the start
  double rss_bytes() const;
  double peak_rss_bytes() const;  // since the start, or since ResetPeakRss
  void ResetPeakRss();

 private:
  double StatusBytes(const std::string& field) const;
  void End();

  std::string program_;
  std::string stem_;  // of its files: the port, the socket
  std::string address_;
  Clock::time_point begin_;
  pid_t pid_ = -1;
};

}  // namespace lossd::bench
