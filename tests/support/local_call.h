// Calls that came over no network: a handler's side of them alone.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "proto/wire/byte_buffer.h"
#include "server/transport/request_stream.h"

namespace lossd::testing {

// A message in slices of its own, cut at these offsets in ascending order, as a network may deliver it. A step beyond a
// slice of more than some bytes is one beyond a block of the heap.
inline grpc::ByteBuffer CutInSlices(const std::string& message, const std::vector<size_t>& cuts = {}) {
  std::vector<grpc::Slice> slices;
  size_t begin = 0;
  for (const size_t end : cuts) {
    slices.emplace_back(message.data() + begin, end - begin);
    begin = end;
  }
  slices.emplace_back(message.data() + begin, message.size() - begin);
  return {slices.data(), slices.size()};
}

// A unary call, or one request of a stream.
class LocalCall final : public server::StreamedRequest {
 public:
  // `budget`: bytes that it may take.
  explicit LocalCall(const grpc::ByteBuffer& request, size_t budget = std::numeric_limits<size_t>::max())
      : budget_(budget), received_(request) {}
  explicit LocalCall(const std::string& request) : LocalCall(CutInSlices(request)) {}

  const wire::ReceivedBytes& request() const override { return received_; }
  size_t request_bytes() const override { return received_.size_bytes(); }
  const Cancellation& cancellation() const override { return cancellation_; }
  bool Settle(size_t bytes) override { return bytes <= budget_; }
  bool Keep(size_t bytes) override { return bytes <= budget_; }
  void RunLong(std::function<void()> work) override {
    handed_over_ = true;
    work();
  }
  void Finish(const grpc::Status& status, grpc::ByteBuffer response) override {
    ++finished_;
    status_ = status;
    response_ = std::move(response);
  }

  void Cancel() { cancellation_.Cancel(); }
  bool handed_over() const { return handed_over_; }
  int finished() const { return finished_; }
  const grpc::Status& status() const { return status_; }
  const grpc::ByteBuffer& response() const { return response_; }

 private:
  const size_t budget_;
  wire::ReceivedBytes received_;
  Cancellation cancellation_;
  bool handed_over_ = false;
  int finished_ = 0;
  grpc::Status status_;
  grpc::ByteBuffer response_;
};

}  // namespace lossd::testing
