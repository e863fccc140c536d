// A client that knows nothing of messages: bytes to a method, under full control of what is sent when.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace lossd::testing {

inline grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

inline std::string ToBytes(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  (void)buffer.Dump(&slices);
  std::string bytes;
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

// Waits until `condition` holds; false after ten seconds, which on the busiest machine means never.
inline bool Eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// One call, step by step. Not thread-safe. Cancels itself where it was not finished.
class GenericCall {
 public:
  GenericCall(const std::shared_ptr<grpc::Channel>& channel, std::string method)
      : stub_(channel), method_(std::move(method)) {}

  ~GenericCall() {
    if (call_ == nullptr) return;
    if (!finished_) {
      context_.TryCancel();
      (void)Finish();
    }
    queue_.Shutdown();
    void* tag;
    bool ok;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  grpc::ClientContext& context() { return context_; }

  // Sends the headers, and nothing else.
  GenericCall& Start() {
    call_ = stub_.PrepareCall(&context_, method_, &queue_);
    call_->StartCall(Tag(kStart));
    Await(kStart);
    return *this;
  }

  // Sends the message and says that there is no other. Returns when it lies with gRPC, which may take its time to send
  // it.
  GenericCall& Send(const std::string& message) {
    call_->WriteLast(ToBuffer(message), grpc::WriteOptions(), Tag(kWrite));
    return *this;
  }
  // Sends the message; more may follow.
  GenericCall& SendOne(const std::string& message) {
    call_->Write(ToBuffer(message), Tag(kWrite));
    Await(kWrite);
    return *this;
  }
  // Waits for the next message of a stream; "" where there is none.
  std::string ReceiveOne() {
    grpc::ByteBuffer message;
    call_->Read(&message, Tag(kRead));
    return Await(kRead) ? ToBytes(message) : "";
  }
  GenericCall& SendNothing() {
    call_->WritesDone(Tag(kWrite));
    return *this;
  }

  // Waits for the answer.
  grpc::Status Finish() {
    call_->Read(&response_, Tag(kRead));
    Await(kRead);
    grpc::Status status;
    call_->Finish(&status, Tag(kFinish));
    Await(kFinish);
    finished_ = true;
    return status;
  }

  std::string response() const { return ToBytes(response_); }

  // Trailing metadata after Finish; "" where it is missing.
  std::string Trailer(const std::string& key) const {
    const auto found = context_.GetServerTrailingMetadata().find(key);
    return found == context_.GetServerTrailingMetadata().end()
               ? ""
               : std::string(found->second.data(), found->second.size());
  }

 private:
  enum Step : intptr_t { kStart = 1, kWrite, kRead, kFinish };
  static void* Tag(Step step) { return reinterpret_cast<void*>(step); }  // NOLINT(performance-no-int-to-ptr)

  // Other steps may end before: a write that nobody waits for.
  bool Await(Step step) {
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
      if (tag == Tag(step)) return ok;
    }
    return false;
  }

  grpc::GenericStub stub_;
  const std::string method_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::ByteBuffer response_;
  bool finished_ = false;
};

}  // namespace lossd::testing
