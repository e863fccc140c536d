// The real binaries, as processes of their own.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lossd::testing {

// A process with its output in files. Killed and waited for by the destructor where it still runs.
class Process {
 public:
  // `environment` is added to this process's. Standard output and error go to one file.
  Process(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment = {});
  ~Process();
  Process(const Process&) = delete;

  void Signal(int signal) const;
  // The exit code, or 128 and the number of the signal that ended it; nothing where it still runs after `timeout`.
  std::optional<int> Wait(std::chrono::milliseconds timeout = std::chrono::seconds(20));
  std::string Output() const;
  // Largest resident set so far, in bytes (VmHWM of proc(5)).
  size_t HighWaterBytes() const;

 private:
  int pid_ = -1;
  std::string output_;
  std::optional<int> exit_code_;
};

// A file of its own in the tests' folder, which nobody has yet.
std::string NewPath(const std::string& name);

// The first line of a file, once it is there; "" after ten seconds.
std::string AwaitLine(const std::string& path);

// The server's binary, on free ports. `flags` come behind the ones that make it so.
class ServerProcess : public Process {
 public:
  explicit ServerProcess(const std::vector<std::string>& flags = {},
                         const std::map<std::string, std::string>& environment = {});

  const std::string& address() const { return address_; }                  // HOST:PORT
  const std::string& metrics_address() const { return metrics_address_; }  // HOST:PORT

 private:
  ServerProcess(const std::string& port_file, const std::string& metrics_port_file,
                const std::vector<std::string>& flags, const std::map<std::string, std::string>& environment);

  std::string address_, metrics_address_;
};

// The binaries were built with a sanitizer, whose heap keeps freed memory: how much they hold says nothing.
bool UnderSanitizer();

// The path of a tool that scripts/setup installs, or "": the test is then skipped.
std::string FindTool(const std::string& name);

}  // namespace lossd::testing
