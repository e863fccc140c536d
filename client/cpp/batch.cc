#include "lossd/batch.h"

#include <utility>

#include "client/cpp/message_stream.h"
#include "client/cpp/messages.h"

namespace lossd {

Batch::Batch(std::unique_ptr<MessageStream> messages, absl::Status begun)
    : messages_(std::move(messages)), begun_(std::move(begun)) {}
Batch::Batch(Batch&&) noexcept = default;
Batch& Batch::operator=(Batch&&) noexcept = default;
Batch::~Batch() = default;

absl::Status Batch::Add(const Rows& rows) {
  if (!begun_.ok()) return begun_;
  return messages_->Send(EncodeRows(rows));
}

absl::StatusOr<EvaluateResult> Batch::Finish() {
  if (!begun_.ok()) return begun_;
  messages_->EndSending();
  wire::ReceivedBytes message;
  if (absl::Status status = messages_->Receive(&message); !status.ok()) return status;
  if (absl::Status status = messages_->Finish(); !status.ok()) return status;
  return DecodeEvaluate(message);
}

}  // namespace lossd
