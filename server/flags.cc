// Abseil defines and types the flags. It is not left to parse the command line: it knows no environment, orders the
// flag file by position, shows help for the module of main alone, and ends the process with 1.
#include "server/flags.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <fstream>
#include <limits>
#include <map>
#include <string_view>

#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "server/unix_socket.h"
#include "spdlog/fmt/fmt.h"

ABSL_FLAG(std::vector<std::string>, listen_address, {"127.0.0.1:50051"},
          "Where to serve: HOST:PORT, unix:/PATH or unix-abstract:NAME, several with commas or by repeating the flag. "
          "Port 0 takes any "
          "free port.");
ABSL_FLAG(std::string, metrics_address, "127.0.0.1:9464",
          "Where Prometheus finds /metrics: HOST:PORT; empty turns it off.");
ABSL_FLAG(std::string, port_file, "", "File to write the bound address to, one line HOST:PORT, once calls are served.");
ABSL_FLAG(std::string, metrics_port_file, "", "The same for the metrics address.");
ABSL_FLAG(int, threads, 0,
          "Threads that compute; 0: as many as there are cores for this process (affinity, cgroup quota).");
ABSL_FLAG(int, completion_queues, 0, "Threads that move messages; 0: one for four cores.");
ABSL_FLAG(int64_t, max_message_bytes, 0,
          "Largest request message; 0: 64 MiB, or a third of --max_inflight_bytes where that is less.");
ABSL_FLAG(int64_t, max_inflight_bytes, 0,
          "Memory for all calls in flight: requests, answers, scratch; 0: a quarter of the memory, at most 4 GiB.");
ABSL_FLAG(int, max_waiting_calls, 1024, "Calls that wait for memory before further ones are refused.");
ABSL_FLAG(std::string, unix_socket_mode, "0600",
          "Who may connect to unix:/PATH and --shared_memory_socket: permissions of the socket's file, octal.");
ABSL_FLAG(std::string, shared_memory_socket, "",
          "Path of a Unix socket where callers on this host hand over shared memory; empty: no memory is shared.");
ABSL_FLAG(int64_t, max_shared_memory_bytes, int64_t{16} << 30, "Shared memory of all callers together.");
ABSL_FLAG(int, stall_timeout_ms, 10000,
          "While calls wait for memory: how long another may hold its own without moving its message.");
ABSL_FLAG(bool, channelz, false,
          "Serve grpc.channelz.v1. It counts every call and brings threads of gRPC's own: small calls cost up to twice "
          "the CPU.");
ABSL_FLAG(int, drain_delay_ms, 0, "After SIGTERM: how long to go on serving while health says NOT_SERVING.");
ABSL_FLAG(int, drain_timeout_ms, 8000,
          "After that: how long running calls may take to finish. The default ends before Docker's 10 s.");
ABSL_FLAG(std::string, log_level, "info", "debug, info, warning or error; debug logs every call.");
ABSL_FLAG(std::string, log_format, "text", "text, or json: one object a line.");

namespace lossd::server {
namespace {

constexpr std::string_view kPrefix = "LOSSD_";

// In the order of --help.
constexpr const char* kFlags[] = {
    "listen_address",    "metrics_address",   "port_file",          "metrics_port_file",    "threads",
    "completion_queues", "max_message_bytes", "max_inflight_bytes", "max_waiting_calls",    "stall_timeout_ms",
    "drain_delay_ms",    "drain_timeout_ms",  "unix_socket_mode",   "shared_memory_socket", "max_shared_memory_bytes",
    "channelz",          "log_level",         "log_format"};

// Variables of lossd's that are not the server's.
constexpr std::string_view kForeignVariables[] = {"LOSSD_ADDRESS"};  // lossctl's

bool IsFlag(std::string_view name) { return std::find(std::begin(kFlags), std::end(kFlags), name) != std::end(kFlags); }

bool IsSwitch(std::string_view name) {
  const absl::CommandLineFlag* const flag =
      IsFlag(name) ? absl::FindCommandLineFlag({name.data(), name.size()}) : nullptr;
  return flag != nullptr && flag->IsOfType<bool>();
}

std::string VariableOf(std::string_view flag) {
  return fmt::format("{}{}", kPrefix, absl::AsciiStrToUpper(std::string(flag)));
}

// Values by flag, as one source gives them.
struct Source {
  std::string name;  // for messages
  std::map<std::string, std::string, std::less<>> values;
};

absl::Status Add(std::string_view flag, std::string_view value, Source* source) {
  if (!IsFlag(flag)) {
    return absl::InvalidArgumentError(fmt::format("{}: there is no flag --{}; see --help", source->name, flag));
  }
  std::string& slot = source->values[std::string(flag)];
  const bool repeated_address = flag == "listen_address" && !slot.empty();
  slot = repeated_address ? fmt::format("{},{}", slot, value) : std::string(value);
  return absl::OkStatus();
}

// "--name=value" and "--name value" (also with one dash); what is neither a flag nor its value is an error.
absl::Status ReadArguments(const std::vector<std::string>& arguments, Source* source, Action* action,
                           std::string* flag_file) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view argument = arguments[i];
    const size_t dashes = argument.find_first_not_of('-');
    if (dashes != 1 && dashes != 2) {
      return absl::InvalidArgumentError(fmt::format("{}: \"{}\" is no flag; see --help", source->name, argument));
    }
    argument.remove_prefix(dashes);
    const size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals);
    if (name == "help" || name == "version") {
      *action = name == "help" ? Action::kShowHelp : Action::kShowVersion;
      return absl::OkStatus();
    }
    // A flag that is on or off is on where it stands alone.
    const bool switched_on = equals == std::string_view::npos && IsSwitch(name);
    if (equals == std::string_view::npos && !switched_on && i + 1 == arguments.size()) {
      return absl::InvalidArgumentError(fmt::format("{}: --{} without a value; see --help", source->name, name));
    }
    const std::string_view value = switched_on                        ? "true"
                                   : equals == std::string_view::npos ? arguments[++i]
                                                                      : argument.substr(equals + 1);
    if (name == "flagfile") {
      *flag_file = value;
    } else if (auto status = Add(name, value, source); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status ReadFile(const std::string& path, Source* source) {
  std::ifstream in(path);
  if (!in) return absl::InvalidArgumentError(fmt::format("--flagfile={}: cannot be read", path));
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    std::string_view text(line);
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    text = text.substr(0, text.find_last_not_of(" \t\r") + 1);
    if (text.empty() || text.front() == '#') continue;
    source->name = fmt::format("{}:{}", path, number);
    const size_t equals = text.find('=');
    if (text.substr(0, 2) != "--" || equals == std::string_view::npos) {
      return absl::InvalidArgumentError(fmt::format("{}: \"{}\"; expected --name=value", source->name, text));
    }
    if (auto status = Add(text.substr(2, equals - 2), text.substr(equals + 1), source); !status.ok()) return status;
  }
  source->name = path;
  return absl::OkStatus();
}

// Sets the flags of one source; sources that win come later.
absl::Status Apply(const Source& source) {
  for (const auto& [name, value] : source.values) {
    std::string error;
    if (!absl::FindCommandLineFlag(name)->ParseFrom(value, &error)) {
      return absl::InvalidArgumentError(fmt::format("{}: --{}={}: {}", source.name, name, value, error));
    }
  }
  return absl::OkStatus();
}

template <class T>
absl::Status CheckAtLeast(const char* name, T value, T least) {
  if (value >= least) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("--{}={}; expected {} or more", name, value, least));
}

absl::Status CheckAddress(const char* name, const std::string& address, bool unix_too) {
  if (unix_too && IsUnixAddress(address)) return absl::OkStatus();
  const size_t colon = address.rfind(':');
  const std::string port = colon == std::string::npos ? "" : address.substr(colon + 1);
  const bool digits = !port.empty() && port.size() <= 5 &&
                      std::all_of(port.begin(), port.end(), [](unsigned char c) { return std::isdigit(c); });
  if (colon != 0 && digits && std::stoi(port) <= std::numeric_limits<uint16_t>::max()) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("--{}={}; expected HOST:PORT{}", name, address,
                                                unix_too ? ", unix:/PATH or unix-abstract:NAME" : ""));
}

absl::StatusOr<mode_t> ParseMode(const std::string& text) {
  const bool octal = !text.empty() && text.size() <= 4 && text.find_first_not_of("01234567") == std::string::npos;
  const unsigned long mode = octal ? std::stoul(text, nullptr, 8) : 01000;
  if (mode <= 0777) return static_cast<mode_t>(mode);
  return absl::InvalidArgumentError(
      fmt::format("--unix_socket_mode={}; expected permissions, octal, such as 0600 or 0660", text));
}

absl::Status CheckRanges() {
  for (const absl::Status& status : {
           CheckAtLeast("threads", absl::GetFlag(FLAGS_threads), 0),
           CheckAtLeast("completion_queues", absl::GetFlag(FLAGS_completion_queues), 0),
           CheckAtLeast<int64_t>("max_message_bytes", absl::GetFlag(FLAGS_max_message_bytes), 0),
           CheckAtLeast<int64_t>("max_inflight_bytes", absl::GetFlag(FLAGS_max_inflight_bytes), 0),
           CheckAtLeast("max_waiting_calls", absl::GetFlag(FLAGS_max_waiting_calls), 0),
           CheckAtLeast<int64_t>("max_shared_memory_bytes", absl::GetFlag(FLAGS_max_shared_memory_bytes), 0),
           CheckAtLeast("stall_timeout_ms", absl::GetFlag(FLAGS_stall_timeout_ms), 1),
           CheckAtLeast("drain_delay_ms", absl::GetFlag(FLAGS_drain_delay_ms), 0),
           CheckAtLeast("drain_timeout_ms", absl::GetFlag(FLAGS_drain_timeout_ms), 0),
       }) {
    if (!status.ok()) return status;
  }
  if (absl::GetFlag(FLAGS_listen_address).empty()) {
    return absl::InvalidArgumentError("--listen_address is empty; expected HOST:PORT or unix:/PATH");
  }
  for (const std::string& address : absl::GetFlag(FLAGS_listen_address)) {
    if (auto status = CheckAddress("listen_address", address, /*unix_too=*/true); !status.ok()) return status;
  }
  const std::string metrics = absl::GetFlag(FLAGS_metrics_address);
  return metrics.empty() ? absl::OkStatus() : CheckAddress("metrics_address", metrics, /*unix_too=*/false);
}

// The value of `flag` among `names`, as its index.
absl::StatusOr<int> Choose(const char* name, const std::string& value, const std::vector<std::string>& names) {
  const auto found = std::find(names.begin(), names.end(), value);
  if (found != names.end()) return static_cast<int>(found - names.begin());
  return absl::InvalidArgumentError(
      fmt::format("--{}={}; expected one of {}", name, value, absl::StrJoin(names, ", ")));
}

}  // namespace

absl::StatusOr<Settings> ParseSettings(const std::vector<std::string>& arguments,
                                       const std::vector<std::pair<std::string, std::string>>& environment) {
  Settings settings;
  Source file{"flag file", {}}, variables{"environment", {}}, command_line{"command line", {}};
  std::string flag_file;
  for (const auto& [name, value] : environment) {
    if (name.compare(0, kPrefix.size(), kPrefix) != 0) continue;
    const std::string flag = absl::AsciiStrToLower(name.substr(kPrefix.size()));
    if (flag == "flagfile") {
      flag_file = value;
    } else if (IsFlag(flag) && VariableOf(flag) == name) {
      variables.values[flag] = value;
    } else if (std::find(std::begin(kForeignVariables), std::end(kForeignVariables), name) ==
               std::end(kForeignVariables)) {
      settings.unknown_variables.push_back(name);
    }
  }
  if (auto status = ReadArguments(arguments, &command_line, &settings.action, &flag_file); !status.ok()) return status;
  if (settings.action != Action::kServe) return settings;
  if (!flag_file.empty()) {
    if (auto status = ReadFile(flag_file, &file); !status.ok()) return status;
  }
  for (const Source* source : {&file, &variables, &command_line}) {
    if (auto status = Apply(*source); !status.ok()) return status;
  }
  if (auto status = CheckRanges(); !status.ok()) return status;
  const auto level = Choose("log_level", absl::GetFlag(FLAGS_log_level), {"debug", "info", "warning", "error"});
  if (!level.ok()) return level.status();
  const auto format = Choose("log_format", absl::GetFlag(FLAGS_log_format), {"text", "json"});
  if (!format.ok()) return format.status();

  const auto mode = ParseMode(absl::GetFlag(FLAGS_unix_socket_mode));
  if (!mode.ok()) return mode.status();

  using std::chrono::milliseconds;
  settings.server = {.listen_addresses = absl::GetFlag(FLAGS_listen_address),
                     .channelz = absl::GetFlag(FLAGS_channelz),
                     .metrics_address = absl::GetFlag(FLAGS_metrics_address),
                     .num_threads = absl::GetFlag(FLAGS_threads),
                     .num_queues = absl::GetFlag(FLAGS_completion_queues),
                     .max_message_bytes = static_cast<size_t>(absl::GetFlag(FLAGS_max_message_bytes)),
                     .max_inflight_bytes = static_cast<size_t>(absl::GetFlag(FLAGS_max_inflight_bytes)),
                     .max_waiting_calls = static_cast<size_t>(absl::GetFlag(FLAGS_max_waiting_calls)),
                     .unix_socket_mode = *mode,
                     .shared_memory_socket = absl::GetFlag(FLAGS_shared_memory_socket),
                     .max_shared_memory_bytes = static_cast<size_t>(absl::GetFlag(FLAGS_max_shared_memory_bytes)),
                     .stall_timeout = milliseconds(absl::GetFlag(FLAGS_stall_timeout_ms)),
                     .drain_delay = milliseconds(absl::GetFlag(FLAGS_drain_delay_ms)),
                     .drain_timeout = milliseconds(absl::GetFlag(FLAGS_drain_timeout_ms))};
  settings.port_file = absl::GetFlag(FLAGS_port_file);
  settings.metrics_port_file = absl::GetFlag(FLAGS_metrics_port_file);
  settings.log_level = static_cast<LogLevel>(*level);
  settings.log_format = static_cast<LogFormat>(*format);
  return settings;
}

std::vector<std::pair<std::string, std::string>> Environment() {
  std::vector<std::pair<std::string, std::string>> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos) variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

std::string HelpText() {
  std::string text =
      "lossd: evaluates loss functions and their gradients over gRPC.\n\n"
      "Each flag is also an environment variable, LOSSD_ and the name in capitals, and a line --name=value of the "
      "file\n"
      "that --flagfile names. The command line wins over the environment, and the environment over the file.\n\n";
  for (const char* name : kFlags) {
    const absl::CommandLineFlag* flag = absl::FindCommandLineFlag(name);
    const std::string fallback = flag->DefaultValue();
    text +=
        fmt::format("  --{}{}\n      {}\n", name, fallback.empty() ? "" : fmt::format("={}", fallback), flag->Help());
  }
  text += "  --flagfile\n      File of flags, one a line; # begins a comment.\n";
  text += "  --help, --version\n      Show this text, or what this binary is, and exit.\n";
  return text;
}

}  // namespace lossd::server
