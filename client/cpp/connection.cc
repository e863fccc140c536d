#include "client/cpp/connection.h"

#include <climits>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "client/cpp/borrowed_slices.h"
#include "client/cpp/status.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"

namespace lossd {
namespace {

// How long a call that is over waits for its bytes before it drops the connection. Long enough for a socket that drains
// at all, short beside any deadline.
constexpr absl::Duration kReleaseGrace = absl::Milliseconds(100);

// How often that wait looks. Nothing is waited for after an ordinary call.
constexpr absl::Duration kReleasePoll = absl::Milliseconds(1);

// gRPC sets TCP_USER_TIMEOUT only beside keepalive pings. This is as good as never: servers hang up on who pings often.
constexpr int kPingIntervalMs = INT_MAX - 1;

// gRPC's default of one second is longer than all attempts of a call together: none would find a server that is back.
constexpr int kInitialReconnectBackoffMs = 100;
constexpr int kMaxReconnectBackoffMs = 2000;

std::string ServiceConfig(const RetryOptions& retry) {
  return absl::StrFormat(
      R"({"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": %d, "initialBackoff": "%.9fs", )"
      R"("maxBackoff": "%.9fs", "backoffMultiplier": %g, "retryableStatusCodes": ["UNAVAILABLE"]}}]})",
      retry.max_attempts, absl::ToDoubleSeconds(retry.initial_backoff), absl::ToDoubleSeconds(retry.max_backoff),
      retry.backoff_multiplier);
}

std::shared_ptr<grpc::Channel> MakeChannel(const ClientOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetUserAgentPrefix("lossd-cpp/" LOSSD_VERSION);
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  // Clients of one process would share one connection otherwise, and its flow control.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // A request larger than this buffer is silently never tried again. It holds references, not copies.
  arguments.SetInt(GRPC_ARG_PER_RPC_RETRY_BUFFER_SIZE, INT_MAX);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kInitialReconnectBackoffMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectBackoffMs);
  // A transport with a write under way is not closed before that write ends, even when its channel is gone; so it has
  // to be the kernel that gives up.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingIntervalMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(absl::ToInt64Milliseconds(options.stall_timeout)));
  if (options.retry.max_attempts > 1) {
    arguments.SetServiceConfigJSON(ServiceConfig(options.retry));
  } else {
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  }
  return grpc::CreateCustomChannel(options.address, grpc::InsecureChannelCredentials(), arguments);
}

// The completion queue of one call, drained and shut down at the end.
class CallQueue {
 public:
  CallQueue() = default;
  CallQueue(const CallQueue&) = delete;
  CallQueue& operator=(const CallQueue&) = delete;
  ~CallQueue() {
    queue_.Shutdown();
    WaitForOne();
  }

  grpc::CompletionQueue* get() { return &queue_; }

  void WaitForOne() {
    void* tag = nullptr;
    bool ok = false;
    queue_.Next(&tag, &ok);
  }

  // Lends this thread to gRPC, which needs one to write what is left.
  void Poll(absl::Duration duration) {
    void* tag = nullptr;
    bool ok = false;
    queue_.AsyncNext(&tag, &ok, absl::ToChronoTime(absl::Now() + duration));
  }

 private:
  grpc::CompletionQueue queue_;
};

bool AllReleased(const BorrowedSlices& borrowed, absl::Duration patience, CallQueue* queue) {
  for (const absl::Time end = absl::Now() + patience; !borrowed.all_released();) {
    if (absl::Now() >= end) return false;
    queue->Poll(kReleasePoll);
  }
  return true;
}

struct Attempt {
  grpc::Status status;
  std::optional<absl::Duration> pushback;  // the server allows another attempt after this
};

std::optional<absl::Duration> Pushback(const grpc::ClientContext& context) {
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto it = trailers.find("grpc-retry-pushback-ms");
  int64_t ms = -1;
  if (it == trailers.end() || !absl::SimpleAtoi(absl::string_view(it->second.data(), it->second.size()), &ms) ||
      ms < 0) {
    return std::nullopt;
  }
  return absl::Milliseconds(ms);
}

Attempt TryOnce(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                std::span<const wire::Piece> request, absl::Time deadline, BorrowedSlices* borrowed, CallQueue* queue,
                wire::ReceivedBytes* response) {
  grpc::ClientContext context;
  if (deadline != absl::InfiniteFuture()) context.set_deadline(absl::ToChronoTime(deadline));
  context.AddMetadata("lossd-request-bytes", absl::StrCat(wire::SizeBytes(request)));
  Attempt attempt;
  grpc::ByteBuffer answer;
  grpc::GenericStub stub(channel);
  const auto call = stub.PrepareUnaryCall(
      &context, method, wire::MakeByteBuffer(request, [&](Segment segment) { return borrowed->Make(segment); }),
      queue->get());
  call->StartCall();
  call->Finish(&answer, &attempt.status, nullptr);
  queue->WaitForOne();
  if (attempt.status.ok()) {
    *response = wire::ReceivedBytes(answer);
  } else if (attempt.status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
    attempt.pushback = Pushback(context);
  }
  return attempt;
}

}  // namespace

Connection::Connection(const ClientOptions& options) : options_(options), channel_(MakeChannel(options)) {}

std::shared_ptr<grpc::Channel> Connection::channel() const {
  absl::MutexLock lock(&mutex_);
  return channel_;
}

std::shared_ptr<grpc::Channel> Connection::stream_channel() const {
  absl::MutexLock lock(&mutex_);
  if (stream_channel_ == nullptr) {
    ClientOptions once = options_;
    once.retry.max_attempts = 1;
    stream_channel_ = MakeChannel(once);
  }
  return stream_channel_;
}

void Connection::Drop(std::shared_ptr<grpc::Channel> channel) {
  std::shared_ptr<grpc::Channel> fresh = MakeChannel(options_);
  absl::MutexLock lock(&mutex_);
  if (channel_ == channel) channel_.swap(fresh);
}

absl::Status Connection::Call(const std::string& method, std::span<const wire::Piece> request, absl::Time deadline,
                              wire::ReceivedBytes* response) {
  if (const size_t size = wire::SizeBytes(request); size > options_.max_message_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("request: ", size, " bytes; max_message_bytes is ", options_.max_message_bytes));
  }
  for (int attempt_number = 1;; ++attempt_number) {
    std::shared_ptr<grpc::Channel> channel = this->channel();
    BorrowedSlices borrowed;
    CallQueue queue;
    const Attempt attempt = TryOnce(channel, method, request, deadline, &borrowed, &queue, response);
    if (!AllReleased(borrowed, kReleaseGrace, &queue)) {
      Drop(std::exchange(channel, nullptr));
      AllReleased(borrowed, absl::InfiniteDuration(), &queue);
    }
    const bool again = attempt.pushback.has_value() && attempt_number < options_.retry.max_attempts &&
                       absl::Now() + *attempt.pushback < deadline;
    if (!again) return ToAbslStatus(attempt.status);
    absl::SleepFor(*attempt.pushback);
  }
}

}  // namespace lossd
