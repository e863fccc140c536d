#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>

#ifdef LOSSD_OWN_ALLOCATOR
#include "server/allocator.h"
#endif
#include "server/build_info.h"
#include "server/flags.h"
#include "server/log.h"
#include "server/machine.h"
#include "server/options.h"
#include "server/server.h"
#include "spdlog/fmt/fmt.h"

namespace lossd::server {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;
constexpr int kExitSignal = 128;  // plus the signal's number, as shells have it

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

int WaitForSignal() {
  const sigset_t signals = StopSignals();
  int signal = 0;
  while (sigwait(&signals, &signal) != 0) {
  }
  return signal;
}

// Whole or not at all: a reader that finds the file finds the line.
bool WriteLine(const std::string& path, const std::string& line) {
  if (path.empty()) return true;
  const std::string temporary = fmt::format("{}.{}.tmp", path, getpid());
  std::ofstream(temporary) << line << '\n';
  if (std::rename(temporary.c_str(), path.c_str()) == 0) return true;
  Log(LogLevel::kError, "cannot write file", {{"path", path}, {"reason", std::strerror(errno)}});
  std::remove(temporary.c_str());
  return false;
}

int Serve(const Settings& settings, const ServerOptions& options) {
#ifdef LOSSD_OWN_ALLOCATOR
  ReturnUnusedMemory();
#endif
  auto server = Server::Start(options);
  if (!server.ok()) {
    Log(LogLevel::kError, "cannot start", {{"reason", std::string(server.status().message())}});
    return kExitFailure;
  }
  if (!WriteLine(settings.port_file, (*server)->addresses().front()) ||
      !WriteLine(settings.metrics_port_file, (*server)->metrics_address())) {
    return kExitFailure;
  }

  const int signal = WaitForSignal();
  Log(LogLevel::kInfo, "signal", {{"name", sigabbrev_np(signal)}});
  std::thread([] {  // somebody is in a hurry
    const int second = WaitForSignal();
    Log(LogLevel::kWarning, "second signal, exiting at once", {{"name", sigabbrev_np(second)}});
    _exit(kExitSignal + second);
  })
      .detach();

  (*server)->Drain();
  // Nothing is left to be done. Without destructors, because the metrics' web server looks only every two seconds
  // whether it should end, and an orchestrator waits for us.
  std::_Exit(EXIT_SUCCESS);
}

int Main(int argc, char** argv) {
  // Before any thread begins: all of them leave the signals to WaitForSignal.
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);  // a scraper that hangs up

  const auto settings = ParseSettings({argv + 1, argv + argc}, Environment());
  if (!settings.ok()) {
    std::fprintf(stderr, "lossd: %s\n", std::string(settings.status().message()).c_str());
    return kExitUsage;
  }
  if (settings->action == Action::kShowHelp) {
    std::fputs(HelpText().c_str(), stdout);
    return EXIT_SUCCESS;
  }
  if (settings->action == Action::kShowVersion) {
    const BuildInfo build = GetBuildInfo();
    std::printf("lossd %s (gRPC %s, Protobuf %s, %s)\n", build.version.c_str(), build.grpc.c_str(),
                build.protobuf.c_str(), build.simd.c_str());
    return EXIT_SUCCESS;
  }

  InitLog(settings->log_level, settings->log_format);
  for (const std::string& name : settings->unknown_variables) {
    Log(LogLevel::kWarning, "environment variable names no flag", {{"name", name}});
  }
  const auto options = Resolve(settings->server, DetectMachine());
  if (!options.ok()) {
    std::fprintf(stderr, "lossd: %s\n", std::string(options.status().message()).c_str());
    return kExitUsage;
  }
  return Serve(*settings, *options);
}

}  // namespace
}  // namespace lossd::server

int main(int argc, char** argv) {
  return lossd::server::Main(argc, argv);
}
