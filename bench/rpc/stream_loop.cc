#include "bench/rpc/stream_loop.h"

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include <algorithm>
#include <deque>
#include <stdexcept>

namespace lossd::bench {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Measured RunStream(const std::shared_ptr<grpc::Channel>& channel, const Load& load) {
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  context.AddMetadata("lossd-request-bytes", std::to_string(load.request.Length()));
  int start_tag = 0, read_tag = 0, write_tag = 0, done_tag = 0, finish_tag = 0;
  void* tag = nullptr;
  bool ok = false;
  const auto call = stub.PrepareCall(&context, load.method, &queue);
  call->StartCall(&start_tag);
  queue.Next(&tag, &ok);

  Measured measured;
  std::deque<Clock::time_point> begun;
  grpc::ByteBuffer response;
  bool writing = false, ending = false;
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::duration_cast<Clock::duration>(load.time);
  const auto write_more = [&] {
    if (writing || ending || static_cast<int>(begun.size()) >= load.in_flight) return;
    const auto now = Clock::now();
    writing = true;
    if (now >= end) {
      ending = true;
      call->WritesDone(&done_tag);
      return;
    }
    begun.push_back(now);
    call->Write(load.request, &write_tag);
  };
  write_more();
  call->Read(&response, &read_tag);
  while (queue.Next(&tag, &ok)) {
    if (tag == &read_tag) {
      if (!ok) break;
      measured.latencies.push_back(std::chrono::duration<double>(Clock::now() - begun.front()).count());
      begun.pop_front();
      ++measured.calls;
      measured.last_answer = response;
      measured.bytes += static_cast<int64_t>(load.request.Length() + response.Length());
      call->Read(&response, &read_tag);
    } else {
      writing = false;
    }
    write_more();
  }
  measured.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  grpc::Status status;
  call->Finish(&status, &finish_tag);
  while (queue.Next(&tag, &ok) && tag != &finish_tag) {
  }
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  if (!status.ok()) throw std::runtime_error(load.method + " failed: " + status.error_message());
  std::sort(measured.latencies.begin(), measured.latencies.end());
  return measured;
}

}  // namespace lossd::bench
