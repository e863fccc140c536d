// What was measured, as JSON. Figures are kept by round; bench/rpc/report.py takes medians and draws conclusions.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "google/protobuf/struct.pb.h"

namespace lossd::bench {

using Labels = std::map<std::string, std::string>;
using Series = std::map<std::string, std::vector<double>>;  // one number a round, by what was measured

class Results {
 public:
  // Begins with what the machine is, which libraries are at work, and whether the run is a quick one.
  explicit Results(bool quick);
  // A row of the list `kind`.
  void Add(const std::string& kind, const Labels& labels, const Series& series);
  std::string Json() const;

 private:
  google::protobuf::Struct document_;
};

}  // namespace lossd::bench
