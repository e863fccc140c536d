// Decode and Encode against protobuf's own parser. The first byte chooses the message type, the second how many of the
// following bytes say where to cut the rest into segments.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "lossd/v1/loss_service.pb.h"
#include "tests/wire/oracle.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  lossd::wire::SilenceProtobuf();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const google::protobuf::Message* const types[] = {
      &lossd::v1::EvaluateRequest::default_instance(), &lossd::v1::GradientRequest::default_instance(),
      &lossd::v1::GradientResponse::default_instance(), &lossd::v1::Tensor::default_instance(),
      &lossd::v1::EvaluateBatchRequest::default_instance()};
  if (size < 2) return 0;
  const auto& type = *types[data[0] % std::size(types)];
  const size_t num_cuts = std::min<size_t>(data[1] % 8, size - 2);
  std::vector<size_t> cuts(data + 2, data + 2 + num_cuts);
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2 + num_cuts, size - 2 - num_cuts);
  if (const std::string wrong = lossd::wire::Disagreement(type, bytes, cuts); !wrong.empty()) {
    std::fprintf(stderr, "%s: %s\n", type.GetTypeName().c_str(), wrong.c_str());
    std::abort();
  }
  return 0;
}
