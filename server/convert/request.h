// From the wire to core: what a caller sent, as core's Request.
//
// Translation alone: values that have no counterpart in core are errors here (INVALID_ARGUMENT, naming the field);
// everything else is MakeProblem's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/problem.h"
#include "lossd/v1/loss_service.pb.h"
#include "proto/wire/payload.h"
#include "server/shared_memory/regions.h"

namespace lossd::server {

// What a request's views point into, beside its message.
//
// Values that had to be copied: where a typed list holds int64 and the tensor says I32 or U8, and integers and flags in
// shared memory, which must not change once they have been checked. And regions of shared memory.
struct ConvertedValues : std::vector<std::vector<std::byte>> {
  const Regions* known_regions = nullptr;  // null: this server shares no memory
  // Asked before that many bytes are copied; false: they are not to be had.
  std::function<bool(size_t)> reserve = nullptr;
  std::vector<std::shared_ptr<const Region>> regions;
};

// Every tensor of a request, by the name of its field or of its entry in `inputs`; no name twice. Those of `inputs` are
// in alphabetical order: the first error does not depend on a hash.
using TensorsByName = std::vector<std::pair<std::string, TensorView>>;

// EvaluateRequest and GradientRequest share the fields that matter and are both decoded as the latter; `gradient` says
// which method was called. The fields of GradientRequest alone are not looked at where it is false. The views borrow
// from all three: they must outlive them and what is made of them.
absl::StatusOr<TensorsByName> ToViews(const v1::GradientRequest& message, const wire::Payloads& payloads, bool gradient,
                                      ConvertedValues* converted);
absl::StatusOr<Request> ToRequest(const v1::GradientRequest& message, TensorsByName views, bool gradient);

// The parts of a request for one term of an objective: its loss, parameters and options, ...
absl::Status ToTerm(const std::string& loss, const google::protobuf::Struct& params, const v1::Options& options,
                    Request* request);
// ... and its tensors: y_true, y_pred, weights and masks, and as further inputs all others.
void TakeTensors(TensorsByName views, Request* request);

}  // namespace lossd::server
