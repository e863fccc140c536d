// Small calls beside large ones: whether what is long holds up what is short.
#pragma once

#include <string>
#include <vector>

#include "bench/rpc/measure.h"
#include "bench/rpc/results.h"
#include "bench/rpc/scenario.h"

namespace lossd::bench {

struct BesideLarge {
  Scenario small, large;
  bool same_connection;

  std::string name() const;  // "32 elements, 8 in flight, beside gradient of 2 MiB, 4 in flight"
};

std::vector<BesideLarge> AllBesideLarge();

// Rounds of both loads at once on all servers in turn: rows of "beside", with the times of the small calls, how many of
// both there were, and the server's CPU. Throws std::runtime_error where a server fails.
void MeasureBesideLarge(const BesideLarge& scenario, Fleet& fleet, Pace pace, Results& results);

}  // namespace lossd::bench
