#include "bench/rpc/closed_loop.h"

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include <algorithm>
#include <list>
#include <optional>
#include <stdexcept>

namespace lossd::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Slot {
  std::optional<grpc::ClientContext> context;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
  grpc::ByteBuffer response;
  grpc::Status status;
  Clock::time_point begin;
};

}  // namespace

Measured Run(const std::shared_ptr<grpc::Channel>& channel, const Load& load) {
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  std::list<Slot> slots(load.in_flight);
  const std::string declared = std::to_string(load.request.Length());
  Measured measured;

  const auto start = [&](Slot& slot) {
    slot.begin = Clock::now();
    slot.context.emplace();
    slot.context->AddMetadata("lossd-request-bytes", declared);
    slot.response.Clear();
    slot.reader = stub.PrepareUnaryCall(&*slot.context, load.method, load.request, &queue);
    slot.reader->StartCall();
    slot.reader->Finish(&slot.response, &slot.status, &slot);
  };
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::duration_cast<Clock::duration>(load.time);
  for (Slot& slot : slots) start(slot);

  int left = load.in_flight;
  void* tag = nullptr;
  bool ok = false;
  while (left > 0 && queue.Next(&tag, &ok)) {
    Slot& slot = *static_cast<Slot*>(tag);
    if (!slot.status.ok()) {
      queue.Shutdown();
      throw std::runtime_error(load.method + " failed: " + slot.status.error_message());
    }
    const auto now = Clock::now();
    ++measured.calls;
    measured.bytes += static_cast<int64_t>(load.request.Length() + slot.response.Length());
    measured.latencies.push_back(std::chrono::duration<double>(now - slot.begin).count());
    measured.last_answer.Swap(&slot.response);
    if (now < end && (load.ended == nullptr || !load.ended->load(std::memory_order_relaxed))) {
      start(slot);
    } else {
      --left;
    }
  }
  measured.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  std::sort(measured.latencies.begin(), measured.latencies.end());
  return measured;
}

}  // namespace lossd::bench
