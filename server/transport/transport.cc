#include "server/transport/transport.h"

#include <utility>

#include "server/transport/call.h"
#include "server/transport/call_queue.h"

namespace lossd::server {

namespace {

// Frames of a request, as large as its peer makes them. A frame's header ends a slice of its payload, and what lies
// across two slices is copied: at gRPC's 16 KiB that was 15 % of a request's bytes, at 256 KiB it is 4 %. Frames are
// not interleaved, so that small calls on the same connection wait for the rest of one.
constexpr int kFrameBytes = 256 << 10;

}  // namespace

Transport::Transport(std::vector<Method> methods, CallObserver* other, Admission& admission,
                     const TransportOptions& options)
    : options_(options), admission_(admission), methods_(std::move(methods)), workers_(options.num_threads) {
  unknown_.observer = other;
  for (const Method& method : methods_) by_name_.emplace(method.name, &method);
}

Transport::~Transport() = default;

void Transport::Register(grpc::ServerBuilder& builder) {
  builder.RegisterAsyncGenericService(&service_);
  // Admission counts uncompressed bytes. A compressed message grows inside gRPC, beyond any number that was declared.
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  // Checked by Call, against the method's own limit and with a better message; gRPC would check no earlier.
  builder.SetMaxReceiveMessageSize(-1);
  builder.SetMaxSendMessageSize(-1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, kFrameBytes);
  for (int i = 0; i < options_.num_queues; ++i) {
    queues_.push_back(std::make_unique<CallQueue>(*this, builder.AddCompletionQueue()));
  }
}

void Transport::Start() {
  for (const auto& queue : queues_) queue->Start();
}

void Transport::Release() {
  for (const auto& queue : queues_) queue->Release();
}

void Transport::DrainRequests() {
  for (const auto& queue : queues_) queue->Drain();
}

void Transport::Wake() {
  for (const auto& queue : queues_) queue->Wake();
}

void Transport::Stop() {
  // Shutdown cancels calls and does not wait for their handlers, whose answers still go through the queues.
  const auto wait = [](const std::atomic<int64_t>& count) {
    for (int64_t calls = count; calls > 0; calls = count) count.wait(calls);
  };
  for (const auto& queue : queues_) {
    wait(queue->counts().num_calls);
    wait(queue->counts().num_streams);
  }
  for (const auto& queue : queues_) queue->Stop();
}

uint64_t Transport::activity() const {
  uint64_t activity = 0;
  for (const auto& queue : queues_) activity += queue->counts().activity.load(std::memory_order_relaxed);
  return activity;
}

int64_t Transport::num_calls() const {
  int64_t calls = 0;
  for (const auto& queue : queues_) calls += queue->counts().num_calls.load(std::memory_order_relaxed);
  return calls;
}

const Method& Transport::Find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? unknown_ : *found->second;
}

}  // namespace lossd::server
