#include "client/cpp/message_stream.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cpp/status.h"

namespace lossd {
namespace {

// How often a wait for lent memory looks: its end is no event of the queue.
constexpr absl::Duration kReleasePoll = absl::Milliseconds(1);

}  // namespace

MessageStream::MessageStream(std::shared_ptr<grpc::Channel> channel, const std::string& method, absl::Time deadline,
                             size_t max_request_bytes)
    : method_(method), max_request_bytes_(max_request_bytes), stub_(std::move(channel)) {
  if (deadline != absl::InfiniteFuture()) context_.set_deadline(absl::ToChronoTime(deadline));
  context_.AddMetadata("lossd-request-bytes", absl::StrCat(max_request_bytes));
  call_ = stub_.PrepareCall(&context_, method_, &queue_);
  call_->StartCall(Tag(kStart));
  while (!started_) Poll(absl::InfiniteFuture());
  if (!ended_) call_->Read(&reading_, Tag(kRead));
}

MessageStream::~MessageStream() {
  if (!ended_) context_.TryCancel();
  while (!ended_ || writing_) Poll(absl::InfiniteFuture());
  while (!borrowed_.all_released()) Poll(absl::Now() + kReleasePoll);
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

void MessageStream::Poll(absl::Time deadline) {
  void* tag = nullptr;
  bool ok = false;
  // A wait without end has a cheaper function.
  const bool came = deadline == absl::InfiniteFuture()
                        ? queue_.Next(&tag, &ok)
                        : queue_.AsyncNext(&tag, &ok, absl::ToChronoTime(deadline)) == grpc::CompletionQueue::GOT_EVENT;
  if (came) OnEvent(static_cast<Step>(reinterpret_cast<intptr_t>(tag) - 1), ok);
}

void MessageStream::OnEvent(Step step, bool ok) {
  switch (step) {
    case kStart:
      started_ = true;
      if (!ok) call_->Finish(&status_, Tag(kFinish));
      break;
    case kWrite:
    case kWritesDone:
      writing_ = false;
      break;
    case kRead:
      if (ok) {
        received_.emplace_back(reading_);
        reading_.Clear();
        call_->Read(&reading_, Tag(kRead));
      } else {
        call_->Finish(&status_, Tag(kFinish));
      }
      break;
    case kFinish:
      ended_ = true;
      break;
  }
}

absl::Status MessageStream::EndStatus() const {
  return status_.ok() ? absl::OutOfRangeError("the stream has ended") : ToAbslStatus(status_);
}

absl::Status MessageStream::Send(std::span<const wire::Piece> message) {
  if (const size_t size = wire::SizeBytes(message); size > max_request_bytes_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("request: ", size, " bytes; max_request_bytes of the stream is ", max_request_bytes_));
  }
  while (writing_ && !ended_) Poll(absl::InfiniteFuture());
  if (ended_) return EndStatus();
  writing_ = true;
  call_->Write(wire::MakeByteBuffer(message, [&](Segment segment) { return borrowed_.Make(segment); }), Tag(kWrite));
  while (!borrowed_.all_released()) Poll(absl::Now() + kReleasePoll);
  return absl::OkStatus();
}

void MessageStream::EndSending() {
  while (writing_ && !ended_) Poll(absl::InfiniteFuture());
  if (ended_ || sending_ended_) return;
  sending_ended_ = writing_ = true;
  call_->WritesDone(Tag(kWritesDone));
}

absl::Status MessageStream::Receive(wire::ReceivedBytes* message) {
  while (received_.empty() && !ended_) Poll(absl::InfiniteFuture());
  if (received_.empty()) return EndStatus();
  *message = std::move(received_.front());
  received_.pop_front();
  return absl::OkStatus();
}

absl::Status MessageStream::Finish() {
  while (!ended_) Poll(absl::InfiniteFuture());
  return ToAbslStatus(status_);
}

}  // namespace lossd
