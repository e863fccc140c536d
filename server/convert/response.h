// From core to the wire: the answer to Evaluate and Gradient.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <cstddef>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "core/evaluate.h"
#include "core/objective.h"
#include "core/problem.h"
#include "proto/wire/byte_buffer.h"
#include "server/convert/output_places.h"

namespace lossd::server {

// Memory for one output of Evaluate that gRPC sends without a copy: 64-byte aligned, freed when the last byte has left.
// Empty for 0 bytes.
grpc::Slice NewOutput(size_t bytes);

// Which gradients are written over their inputs.
using Overwritten = decltype(Outputs::over_input);

// Those that can be, are large, go into the response, and whose inputs lie in `request`, from where they will be sent.
Overwritten FindOverwritten(const Problem& problem, const OutputPlaces& places, const wire::ReceivedBytes& request);

// Memory for all outputs of a problem.
class OutputSlices {
 public:
  OutputSlices() = default;  // of a problem whose outputs are not sent
  explicit OutputSlices(const Problem& problem, const OutputPlaces& places = {}, const Overwritten& overwritten = {});
  const Outputs& outputs() const { return outputs_; }
  // Those that lie in shared memory.
  const OutputPlaces& places() const { return places_; }
  // The slice of an output; empty where the problem does not have it (null).
  grpc::Slice Of(const std::byte* output) const;

 private:
  std::byte* Add(size_t bytes, absl::FunctionRef<std::string()> path);

  OutputPlaces places_;
  Outputs outputs_;
  absl::InlinedVector<grpc::Slice, 2> slices_;
};
// Of the memory that OutputSlices takes.
size_t OutputBytes(const Problem& problem, const OutputPlaces& places = {}, const Overwritten& overwritten = {});

// Both answers are written as GradientResponse: EvaluateResponse has the same fields with the same numbers. The slices
// that were filled are sent as they lie, and so are the parts of `request` where gradients were written over inputs.
grpc::ByteBuffer ToResponse(const Problem& problem, const Result& result, const OutputSlices& slices,
                            const wire::ReceivedBytes& request = {});
grpc::ByteBuffer ToResponse(const ObjectiveResult& result);

}  // namespace lossd::server
