#include "bench/rpc/results.h"

#include <grpcpp/grpcpp.h>

#include <ctime>
#include <fstream>
#include <thread>

#include "core/registry.h"
#include "google/protobuf/util/json_util.h"

namespace lossd::bench {
namespace {

std::string Processor() {
  std::ifstream cpus("/proc/cpuinfo");
  for (std::string line; std::getline(cpus, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

std::string Today() {
  const std::time_t now = std::time(nullptr);
  char date[32];
  std::strftime(date, sizeof date, "%Y-%m-%d", std::gmtime(&now));
  return date;
}

}  // namespace

Results::Results(bool quick) {
  auto& machine = *(*document_.mutable_fields())["machine"].mutable_struct_value()->mutable_fields();
  machine["processor"].set_string_value(Processor());
  machine["cores"].set_number_value(std::thread::hardware_concurrency());
  machine["instruction_set"].set_string_value(std::string(InstructionSet()));
  machine["grpc"].set_string_value(grpc::Version());
  machine["quick"].set_bool_value(quick);
  machine["date"].set_string_value(Today());
}

void Results::Add(const std::string& kind, const Labels& labels, const Series& series) {
  auto& row = *(*document_.mutable_fields())[kind].mutable_list_value()->add_values()->mutable_struct_value();
  for (const auto& [name, text] : labels) (*row.mutable_fields())[name].set_string_value(text);
  for (const auto& [name, rounds] : series) {
    auto& list = *(*row.mutable_fields())[name].mutable_list_value();
    for (const double x : rounds) list.add_values()->set_number_value(x);
  }
}

std::string Results::Json() const {
  std::string json;
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  const auto status = google::protobuf::util::MessageToJsonString(document_, &json, options);
  return status.ok() ? json : std::string();
}

}  // namespace lossd::bench
