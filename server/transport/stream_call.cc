#include "server/transport/stream_call.h"

#include <utility>

#include "proto/wire/byte_buffer.h"

namespace lossd::server {

void StreamCall::OnMessage(const grpc::ByteBuffer* message) {
  reading_ = false;
  if (finished_) return;
  if (message == nullptr) {
    peer_ended_ = true;
    stream_->OnEnd(*this);
  } else {
    const wire::ReceivedBytes bytes(*message);
    stream_->OnMessage(bytes.segments(), *this);
  }
  Advance();
}

void StreamCall::OnWritten(bool ok) {
  writing_ = false;
  unsent_.pop_front();
  if (!ok) End({grpc::StatusCode::CANCELLED, "the caller is gone"});
  Advance();
}

void StreamCall::OnWake() {
  if (finished_ || end_) return;
  stream_->OnWake(*this);
  Advance();
}

void StreamCall::End(const grpc::Status& status) {
  if (finished_) return;
  end_ = status;
  unsent_.resize(writing_ ? 1 : 0);
  Advance();
}

void StreamCall::Advance() {
  if (finished_ || writing_) return;
  if (!unsent_.empty()) {
    writing_ = true;
    operations_.StartWrite(unsent_.front(), /*more=*/unsent_.size() > 1);
  } else if (end_) {
    finished_ = true;
    operations_.StartFinish(*end_);
  } else if (!reading_ && !peer_ended_) {
    reading_ = true;
    operations_.StartRead();
  }
}

}  // namespace lossd::server
