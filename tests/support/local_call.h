// A call that came over no network: a handler's side of it alone.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <functional>
#include <string>
#include <vector>

#include "proto/wire/byte_buffer.h"
#include "server/transport/unary_call.h"

namespace lossd::testing {

class LocalCall final : public server::UnaryCall {
 public:
  explicit LocalCall(const std::string& request) {
    const grpc::Slice slice(request);
    received_ = wire::ReceivedBytes(grpc::ByteBuffer(&slice, 1));
  }

  const wire::ReceivedBytes& request() const override { return received_; }
  size_t request_bytes() const override { return received_.size_bytes(); }
  const Cancellation& cancellation() const override { return cancellation_; }
  bool Settle(size_t) override { return true; }
  void RunLong(std::function<void()> work) override {
    handed_over_ = true;
    work();
  }
  void Finish(const grpc::Status& status, grpc::ByteBuffer response) override {
    status_ = status;
    response_ = std::move(response);
  }

  bool handed_over() const { return handed_over_; }
  const grpc::Status& status() const { return status_; }
  const grpc::ByteBuffer& response() const { return response_; }

 private:
  wire::ReceivedBytes received_;
  Cancellation cancellation_;
  bool handed_over_ = false;
  grpc::Status status_;
  grpc::ByteBuffer response_;
};

}  // namespace lossd::testing
