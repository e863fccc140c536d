#include "tests/integration/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/support/generic_client.h"

// Of every sanitizer's runtime.
extern "C" __attribute__((weak)) void __sanitizer_print_stack_trace();

namespace lossd::testing {
namespace {

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::vector<std::string> ServerCommand(const std::string& port_file, const std::string& metrics_port_file,
                                       const std::vector<std::string>& flags) {
  std::vector<std::string> command = {LOSSD_BINARY, "--listen_address=127.0.0.1:0", "--metrics_address=127.0.0.1:0",
                                      absl::StrCat("--port_file=", port_file),
                                      absl::StrCat("--metrics_port_file=", metrics_port_file)};
  command.insert(command.end(), flags.begin(), flags.end());
  return command;
}

}  // namespace

Process::Process(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment)
    : output_(NewPath("output")) {
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) variables.emplace_back(*entry);
  for (const auto& [name, value] : environment) variables.push_back(absl::StrCat(name, "=", value));
  std::vector<char*> envp;
  for (std::string& variable : variables) envp.push_back(variable.data());
  envp.push_back(nullptr);

  pid_ = fork();
  if (pid_ != 0) return;
  const int file = open(output_.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
  dup2(file, STDOUT_FILENO);
  dup2(file, STDERR_FILENO);
  execve(arguments[0], arguments.data(), envp.data());
  _exit(127);
}

Process::~Process() {
  if (!exit_code_.has_value()) {
    Signal(SIGKILL);
    (void)Wait();
  }
  std::remove(output_.c_str());
}

void Process::Signal(int signal) const { kill(pid_, signal); }

std::optional<int> Process::Wait(std::chrono::milliseconds timeout) {
  const auto end = std::chrono::steady_clock::now() + timeout;
  while (!exit_code_.has_value()) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    } else if (std::chrono::steady_clock::now() > end) {
      return std::nullopt;
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  return exit_code_;
}

std::string Process::Output() const { return ReadFile(output_); }

size_t Process::HighWaterBytes() const {
  const std::string status = ReadFile(absl::StrCat("/proc/", pid_, "/status"));
  const size_t at = status.find("VmHWM:");
  return at == std::string::npos ? 0 : std::strtoull(status.c_str() + at + 6, nullptr, 10) << 10;
}

std::string NewPath(const std::string& name) {
  static std::atomic<int> count = 0;
  return absl::StrCat(::testing::TempDir(), "/lossd_", getpid(), "_", count++, "_", name);
}

std::string AwaitLine(const std::string& path) {
  if (!Eventually([&] { return std::ifstream(path).good(); })) return "";
  std::string line;
  std::getline(std::ifstream(path), line);
  return line;
}

ServerProcess::ServerProcess(const std::vector<std::string>& flags,
                             const std::map<std::string, std::string>& environment)
    : ServerProcess(NewPath("port"), NewPath("metrics_port"), flags, environment) {}

ServerProcess::ServerProcess(const std::string& port_file, const std::string& metrics_port_file,
                             const std::vector<std::string>& flags,
                             const std::map<std::string, std::string>& environment)
    : Process(ServerCommand(port_file, metrics_port_file, flags), environment),
      address_(AwaitLine(port_file)),
      metrics_address_(AwaitLine(metrics_port_file)) {
  std::remove(port_file.c_str());
  std::remove(metrics_port_file.c_str());
}

bool UnderSanitizer() { return __sanitizer_print_stack_trace != nullptr; }

std::string FindTool(const std::string& name) {
  const char* folder = std::getenv("TOOLS_BIN");
  const std::string path = absl::StrCat(folder == nullptr ? LOSSD_TOOLS_BIN : folder, "/", name);
  return access(path.c_str(), X_OK) == 0 ? path : "";
}

}  // namespace lossd::testing
