// The subcommands of lossctl. Each prints its answer to stdout or one line to stderr, and returns the exit code.
#pragma once

#include <string>

#include "client/cpp/lossctl/flags.h"
#include "client/cpp/lossctl/plot.h"

namespace lossd::lossctl {

inline constexpr int kExitOk = 0;
inline constexpr int kExitServer = 1;  // the server refused, or did not answer
inline constexpr int kExitUsage = 2;   // flags or files that cannot be used

int List(const GlobalFlags& flags);
int Describe(const GlobalFlags& flags, const std::string& loss);
int Plot(const GlobalFlags& flags, const PlotFlags& plot);
int Evaluate(const GlobalFlags& flags, const CallFlags& call);
int Gradient(const GlobalFlags& flags, const CallFlags& call);
// Requests from stdin, a line of JSON each; answers in the same order, the same way.
int Stream(const GlobalFlags& flags, bool gradient);
int Check(const GlobalFlags& flags);
int Version(const GlobalFlags& flags);

}  // namespace lossd::lossctl
