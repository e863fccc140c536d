// The command line, the environment and the flag file.
//
// Every flag --some_name is also the variable LOSSD_SOME_NAME and a line "--some_name=value" of the file that
// --flagfile (or LOSSD_FLAGFILE) names. The command line wins over the environment, and the environment over the file.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/log.h"
#include "server/options.h"

namespace lossd::server {

enum class Action { kServe, kShowHelp, kShowVersion };

struct Settings {
  Action action = Action::kServe;
  ServerOptions server;
  std::string port_file;
  std::string metrics_port_file;
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
  std::vector<std::string> unknown_variables;  // LOSSD_* in the environment that name no flag
};

// `arguments` without the program's name; `environment` as pairs of name and value. INVALID_ARGUMENT with one line that
// names the flag, where it came from, and what is wrong. Sets absl's flags as a side effect: call it once in a process,
// or in tests that set every flag they look at.
absl::StatusOr<Settings> ParseSettings(const std::vector<std::string>& arguments,
                                       const std::vector<std::pair<std::string, std::string>>& environment);

// This process's environment.
std::vector<std::pair<std::string, std::string>> Environment();

// The text of --help.
std::string HelpText();

}  // namespace lossd::server
