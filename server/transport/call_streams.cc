// The states of calls with many messages: what RequestPipeline and StreamCall ask for is started here, and what comes
// of it goes to them.
#include "server/transport/call.h"
#include "server/transport/transport.h"

namespace lossd::server {
namespace {

// Answers of a stream that have been given to gRPC with the hint that they may wait for more: its buffer for them.
constexpr size_t kBufferedAnswerBytes = 64 << 10;

}  // namespace

void Call::BeginRequests() {
  Refusal refusal{};
  if (const grpc::Status status = size_.Read(context_, &refusal); !status.ok()) {
    Refuse(refusal, status);
    return;
  }
  Enter(State::kStreaming);
  pipeline_.emplace(method_->requests(),
                    RequestPipeline::Limits{.request_bytes = size_.most_bytes(),
                                            .reserve_factor = method_->reserve_factor,
                                            .overhead_bytes = kCallOverheadBytes + kBufferedAnswerBytes},
                    queue_.transport().admission_, cancellation_, static_cast<PipelineOperations&>(*this));
  pipeline_->Begin();
}

void Call::StartWrite(const grpc::ByteBuffer& message, bool more) {
  writing_bytes_ = message.Length();
  ++pending_events_;
  grpc::WriteOptions options;
  // The headers travel with the first message, whose end waits until they have left.
  if (more && headers_sent_) options.set_buffer_hint();
  headers_sent_ = true;
  stream_.Write(message, options, &written_);
}

void Call::OnWritten(bool ok) {
  if (ok) {
    sent_bytes_ += writing_bytes_;
    if (method_->observer != nullptr) method_->observer->OnSent(writing_bytes_);
  }
  if (pipeline_) {
    pipeline_->OnWritten(ok);
  } else {
    streaming_->OnWritten(ok);
  }
}

void Call::OnStreamMessage(bool ok) {
  const grpc::ByteBuffer* const message = ok ? &request_buffer_ : nullptr;
  if (ok) {
    const size_t bytes = request_buffer_.Length();
    received_bytes_ += bytes;
    if (method_->observer != nullptr) method_->observer->OnReceived(bytes);
    Refusal refusal{};
    if (const grpc::Status status = size_.Check(bytes, &refusal); !status.ok()) {
      NoteRefusal(refusal, status);
      request_buffer_.Clear();
      if (pipeline_) {
        pipeline_->OnBadMessage(status);
      } else {
        streaming_->End(status);
      }
      return;
    }
  }
  if (pipeline_) {
    pipeline_->OnMessage(message);
  } else {
    streaming_->OnMessage(message);
  }
}

}  // namespace lossd::server
