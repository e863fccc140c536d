// From core to the wire: the answer to Evaluate and Gradient.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <cstddef>

#include "core/evaluate.h"
#include "core/problem.h"

namespace lossd::server {

// Memory for one output of Evaluate that gRPC sends without a copy: 64-byte aligned, freed when the last byte has left.
// Empty for 0 bytes.
grpc::Slice NewOutput(size_t bytes);

// Both answers are written as GradientResponse: EvaluateResponse has the same fields with the same numbers. `per_item`
// and `gradient` are the outputs that were filled, and are sent as they lie; empty ones belong to tensors without
// elements, or to outputs that the problem does not have.
grpc::ByteBuffer ToResponse(const Problem& problem, const Result& result, const grpc::Slice& per_item,
                            const grpc::Slice& gradient);

}  // namespace lossd::server
