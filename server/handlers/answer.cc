#include "server/handlers/answer.h"

#include <exception>
#include <new>
#include <string>
#include <utility>

#include "proto/wire/payload.h"
#include "server/convert/status.h"

namespace lossd::server {

void Answer(UnaryCall& call, absl::FunctionRef<absl::StatusOr<grpc::ByteBuffer>()> work) {
  absl::StatusOr<grpc::ByteBuffer> answer = [&]() -> absl::StatusOr<grpc::ByteBuffer> {
    try {
      return work();
    } catch (const std::bad_alloc&) {
      return absl::ResourceExhaustedError("the server has no memory for this call");
    } catch (const std::exception& error) {
      return absl::InternalError(error.what());
    }
  }();
  if (answer.ok()) {
    call.Finish(grpc::Status::OK, *std::move(answer));
  } else {
    call.Finish(ToGrpc(answer.status()), grpc::ByteBuffer());
  }
}

absl::StatusOr<grpc::ByteBuffer> Serialize(const google::protobuf::Message& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

absl::Status Parse(std::span<const Segment> bytes, google::protobuf::Message* message) {
  wire::Payloads none;
  return wire::Decode(bytes, message, &none);
}

}  // namespace lossd::server
