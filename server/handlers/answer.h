// Ends a call with what its handler came to.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <span>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "server/transport/unary_call.h"

namespace lossd::server {

// Finishes `call` with what `work` returns. Nothing is thrown past it: memory that is not to be had is
// RESOURCE_EXHAUSTED for this caller, not the end of the server; any other exception is a bug of ours, INTERNAL.
void Answer(UnaryCall& call, absl::FunctionRef<absl::StatusOr<grpc::ByteBuffer>()> work);

// A small message without tensors.
absl::StatusOr<grpc::ByteBuffer> Serialize(const google::protobuf::Message& message);
absl::Status Parse(std::span<const Segment> bytes, google::protobuf::Message* message);

}  // namespace lossd::server
