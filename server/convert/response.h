// From core to the wire: the answer to Evaluate and Gradient.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <array>
#include <cstddef>

#include "core/evaluate.h"
#include "core/objective.h"
#include "core/problem.h"
#include "server/convert/output_places.h"

namespace lossd::server {

// Memory for one output of Evaluate that gRPC sends without a copy: 64-byte aligned, freed when the last byte has left.
// Empty for 0 bytes.
grpc::Slice NewOutput(size_t bytes);

// Memory for all outputs of a problem; those that it does not have are empty.
struct OutputSlices {
  OutputSlices() = default;  // of a problem whose outputs are not sent
  explicit OutputSlices(const Problem& problem, const OutputPlaces& places = {});
  Outputs outputs() const;

  grpc::Slice per_item, hessian, extra;
  std::array<grpc::Slice, kMaxInputs> gradients;
  OutputPlaces places;  // of those that lie in shared memory
};
// Of the memory that OutputSlices takes.
size_t OutputBytes(const Problem& problem, const OutputPlaces& places = {});

// Both answers are written as GradientResponse: EvaluateResponse has the same fields with the same numbers. The slices
// that were filled are sent as they lie.
grpc::ByteBuffer ToResponse(const Problem& problem, const Result& result, const OutputSlices& slices);
grpc::ByteBuffer ToResponse(const ObjectiveResult& result);

}  // namespace lossd::server
