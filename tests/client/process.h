// Runs a program and returns what it said.
#pragma once

#include <string>

namespace lossd {

struct Outcome {
  int exit_code;
  std::string out;
  std::string err;
};

// `command` as a shell reads it; its stdout is a pipe.
Outcome RunProcess(const std::string& command);

std::string ReadFile(const std::string& path);

}  // namespace lossd
