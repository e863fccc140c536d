// What gRPC costs: the transport of lossd with handlers that read no byte of a request and compute nothing. Evaluate
// answers as many bytes as lossd's scalar answer has, Gradient half the request: as much as one of its two tensors.
#include <algorithm>
#include <cstdlib>
#include <limits>
#include <utility>

#include "absl/flags/flag.h"
#include "bench/rpc/serve.h"
#include "server/admission.h"
#include "server/allocator.h"
#include "server/transport/transport.h"

ABSL_FLAG(int, completion_queues, 1, "queues, each with a thread");

namespace {

constexpr size_t kScalarAnswerBytes = 64;

// Made once and never freed. Its bytes have been written, so that the network reads memory for them, and not one page
// of zeros again and again.
std::byte* Memory() {
  static std::byte* const memory = [] {
    constexpr size_t kMost = 128 << 20;
    auto* const bytes = static_cast<std::byte*>(std::malloc(kMost));
    std::fill_n(bytes, kMost, std::byte{1});
    return bytes;
  }();
  return memory;
}

void Answer(lossd::server::UnaryCall& call, size_t bytes) {
  const grpc::Slice slice(Memory(), bytes, [](void*) {});
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
  lossd::server::ReturnUnusedMemory();
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
