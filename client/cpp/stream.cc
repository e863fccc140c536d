#include "lossd/stream.h"

#include <type_traits>
#include <utility>

#include "client/cpp/message_stream.h"
#include "client/cpp/messages.h"

namespace lossd {

template <class Result>
LossStream<Result>::LossStream(std::unique_ptr<MessageStream> messages) : messages_(std::move(messages)) {}
template <class Result>
LossStream<Result>::LossStream(LossStream&&) noexcept = default;
template <class Result>
LossStream<Result>& LossStream<Result>::operator=(LossStream&&) noexcept = default;
template <class Result>
LossStream<Result>::~LossStream() = default;

template <class Result>
absl::Status LossStream<Result>::Send(const LossCall& call) {
  constexpr bool kGradient = std::is_same_v<Result, GradientResult>;
  absl::Status status = messages_->Send(kGradient ? EncodeGradient(call) : EncodeEvaluate(call));
  if (status.ok()) ++unanswered_;
  return status;
}

template <class Result>
absl::StatusOr<Result> LossStream<Result>::Receive() {
  if (unanswered_ == 0) return absl::FailedPreconditionError("no request is without its answer");
  wire::ReceivedBytes message;
  if (absl::Status status = messages_->Receive(&message); !status.ok()) return status;
  --unanswered_;
  if constexpr (std::is_same_v<Result, GradientResult>) {
    return DecodeGradient(message);
  } else {
    return DecodeEvaluate(message);
  }
}

template <class Result>
absl::Status LossStream<Result>::Finish() {
  messages_->EndSending();
  unanswered_ = 0;
  return messages_->Finish();
}

template class LossStream<EvaluateResult>;
template class LossStream<GradientResult>;

}  // namespace lossd
