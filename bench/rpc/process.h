// A server that the benchmark starts, watches and ends.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace lossd::bench {

class Process {
 public:
  // Starts `program` with `arguments` and a --port_file of its own, and waits until it serves. Throws
  // std::runtime_error.
  Process(std::string program, std::vector<std::string> arguments);
  Process(const Process&) = delete;
  ~Process();  // SIGTERM, and waits

  const std::string& address() const { return address_; }
  double cpu_seconds() const;  // user and system, all threads, since the start
  double peak_rss_bytes() const;

 private:
  void End();

  std::string program_;
  std::string port_file_;
  std::string address_;
  pid_t pid_ = -1;
};

}  // namespace lossd::bench
