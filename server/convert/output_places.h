// Outputs that a caller wants in shared memory instead of the response.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/problem.h"
#include "lossd/v1/loss_service.pb.h"
#include "server/convert/request.h"

namespace lossd::server {

// Where one output goes. The region is held by the request's ConvertedValues.
struct OutputPlace {
  std::string output;  // its path in the response: "per_item", "gradients.y_pred"
  std::byte* data;
  v1::SharedMemory reference;
};
using OutputPlaces = std::vector<OutputPlace>;

// The places that a request names. INVALID_ARGUMENT: an output that the answer does not have, room that is not exactly
// its size or not aligned to its elements, memory that cannot be written to; NOT_FOUND: no such region.
absl::StatusOr<OutputPlaces> PlaceOutputs(const v1::GradientRequest& message, const Problem& problem,
                                          ConvertedValues* converted);

// Null where the output goes into the response.
const OutputPlace* Find(const OutputPlaces& places, std::string_view output);

// The paths of the outputs.
inline constexpr std::string_view kPerItem = "per_item";
std::string GradientPath(const Problem& problem, size_t input);
std::string HessianPath(const Problem& problem);
std::string ExtraPath(const Problem& problem);

}  // namespace lossd::server
