// What gRPC costs: the transport of lossd with handlers that read no byte of a request and compute nothing. Evaluate
// answers as many bytes as lossd's scalar answer has, Gradient half the request: as much as one of its two tensors.
#include <limits>
#include <utility>

#include "absl/flags/flag.h"
#include "bench/rpc/serve.h"
#include "server/admission.h"
#include "server/transport/transport.h"

ABSL_FLAG(int, completion_queues, 1, "queues, each with a thread");

namespace {

constexpr size_t kScalarAnswerBytes = 64;

void Answer(lossd::server::UnaryCall& call, size_t bytes) {
  const grpc::Slice slice(grpc_slice_malloc(bytes), grpc::Slice::STEAL_REF);
  call.Finish(grpc::Status::OK, grpc::ByteBuffer(&slice, 1));
}

lossd::server::Method MakeMethod(const char* name, lossd::server::UnaryHandler handler) {
  return {.name = name,
          .handler = std::move(handler),
          .requests = nullptr,
          .stream = nullptr,
          .unimplemented = "",
          .max_request_bytes = std::numeric_limits<int32_t>::max()};
}

}  // namespace

int main(int argc, char** argv) {
  lossd::bench::ParseServerFlags(argc, argv);
  lossd::server::Admission admission(std::numeric_limits<int64_t>::max(), 0);
  lossd::server::Transport transport(
      {MakeMethod("/lossd.v1.LossService/Evaluate", [](auto& call) { Answer(call, kScalarAnswerBytes); }),
       MakeMethod("/lossd.v1.LossService/Gradient", [](auto& call) { Answer(call, call.request_bytes() / 2); })},
      nullptr, admission, {.num_queues = absl::GetFlag(FLAGS_completion_queues)});
  return lossd::bench::Serve({.add = [&](grpc::ServerBuilder& builder) { transport.Register(builder); },
                              .start = [&] { transport.Start(); },
                              .stop = [&] { transport.Stop(); }});
}
