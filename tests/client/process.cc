#include "tests/client/process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "gtest/gtest.h"

namespace lossd {

Outcome RunProcess(const std::string& command) {
  const std::string err = ::testing::TempDir() + "lossd_stderr_" + std::to_string(getpid());
  std::FILE* pipe = popen((command + " 2>" + err).c_str(), "r");
  Outcome outcome;
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) outcome.out.append(buffer, n);
  outcome.exit_code = WEXITSTATUS(pclose(pipe));
  outcome.err = ReadFile(err);
  std::remove(err.c_str());
  return outcome;
}

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace lossd
