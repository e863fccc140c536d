#include "lossd/client.h"

#include <climits>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cpp/connection.h"
#include "client/cpp/message_stream.h"
#include "client/cpp/messages.h"
#include "client/cpp/status.h"
#include "google/protobuf/empty.pb.h"
#include "google/protobuf/unknown_field_set.h"
#include "grpcpp/client_context.h"
#include "lossd/batch.h"
#include "lossd/stream.h"
#include "lossd/v1/loss_service.grpc.pb.h"

namespace lossd {
namespace {

absl::Status CheckOptions(const ClientOptions& options) {
  const RetryOptions& retry = options.retry;
  if (options.address.empty()) return absl::InvalidArgumentError("address: empty; expected HOST:PORT or unix:PATH");
  if (options.timeout <= absl::ZeroDuration()) return absl::InvalidArgumentError("timeout: expected more than 0");
  if (retry.max_attempts < 1 || retry.max_attempts > 5) {
    return absl::InvalidArgumentError(absl::StrCat("retry.max_attempts = ", retry.max_attempts, "; expected 1 to 5"));
  }
  if (retry.initial_backoff < absl::Milliseconds(1) || retry.max_backoff < retry.initial_backoff ||
      retry.max_backoff > absl::Hours(1)) {
    return absl::InvalidArgumentError("retry: expected 1 ms <= initial_backoff <= max_backoff <= 1 h");
  }
  if (!(retry.backoff_multiplier >= 1 && retry.backoff_multiplier <= 100)) {
    return absl::InvalidArgumentError("retry.backoff_multiplier: expected 1 to 100");
  }
  if (options.stall_timeout < absl::Milliseconds(1) || options.stall_timeout > absl::Hours(24)) {
    return absl::InvalidArgumentError("stall_timeout: expected 1 ms to 24 h");
  }
  if (options.max_message_bytes == 0 || options.max_message_bytes > INT_MAX) {
    return absl::InvalidArgumentError("max_message_bytes: expected 1 to 2^31 - 1");
  }
  return absl::OkStatus();
}

// The answer to a health check has one field: 1, the status, where 1 is SERVING. Generated code for it would clash with
// that of a program which links its own, so it is read as a message without known fields.
constexpr int kHealthStatusField = 1;
constexpr uint64_t kServing = 1;

uint64_t HealthStatus(const wire::ReceivedBytes& bytes) {
  google::protobuf::Empty message;
  wire::Payloads none;
  if (!wire::Decode(bytes.segments(), &message, &none).ok()) return 0;
  const auto& fields = message.GetReflection()->GetUnknownFields(message);
  uint64_t status = 0;
  for (int i = 0; i < fields.field_count(); ++i) {
    const auto& field = fields.field(i);
    if (field.number() == kHealthStatusField && field.type() == field.TYPE_VARINT) status = field.varint();
  }
  return status;
}

}  // namespace

class Client::Impl {
 public:
  explicit Impl(ClientOptions options) : options_(std::move(options)), connection_(options_) {}

  absl::Status Call(const std::string& method, std::span<const wire::Piece> request,
                    std::optional<absl::Duration> timeout, wire::ReceivedBytes* response) {
    return connection_.Call(method, request, absl::Now() + timeout.value_or(options_.timeout), response);
  }

  absl::StatusOr<std::unique_ptr<MessageStream>> Open(const std::string& method, const StreamOptions& options) const {
    if (options.timeout <= absl::ZeroDuration()) return absl::InvalidArgumentError("timeout: expected more than 0");
    if (options.max_request_bytes == 0 || options.max_request_bytes > options_.max_message_bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("max_request_bytes: expected 1 to max_message_bytes, ", options_.max_message_bytes));
    }
    return std::make_unique<MessageStream>(connection_.stream_channel(), method, absl::Now() + options.timeout,
                                           options.max_request_bytes);
  }

  // A call of the generated stub: `method` is one of its members.
  template <class Request, class Response>
  absl::StatusOr<Response> Catalogue(grpc::Status (v1::LossService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                                                   Response*),
                                     const Request& request) {
    grpc::ClientContext context;
    if (options_.timeout != absl::InfiniteDuration()) {
      context.set_deadline(absl::ToChronoTime(absl::Now() + options_.timeout));
    }
    v1::LossService::Stub stub(connection_.channel());
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    if (!status.ok()) return ToAbslStatus(status);
    return response;
  }

 private:
  const ClientOptions options_;
  Connection connection_;
};

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

absl::StatusOr<Client> Client::Create(ClientOptions options) {
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  return Client(std::make_unique<Impl>(std::move(options)));
}

absl::StatusOr<EvaluateResult> Client::Evaluate(const LossCall& call) const {
  wire::ReceivedBytes response;
  const wire::Pieces request = EncodeEvaluate(call);
  absl::Status status = impl_->Call("/lossd.v1.LossService/Evaluate", request, call.timeout, &response);
  if (!status.ok()) return status;
  return DecodeEvaluate(response);
}

absl::StatusOr<GradientResult> Client::Gradient(const LossCall& call) const {
  wire::ReceivedBytes response;
  const wire::Pieces request = EncodeGradient(call);
  absl::Status status = impl_->Call("/lossd.v1.LossService/Gradient", request, call.timeout, &response);
  if (!status.ok()) return status;
  return DecodeGradient(response);
}

absl::StatusOr<GradientResult> Client::GradientInto(const LossCall& call, std::span<std::byte> gradient) const {
  const size_t wanted = call.y_pred ? call.y_pred->bytes.size() : 0;
  if (gradient.size() != wanted) {
    return absl::InvalidArgumentError(
        absl::StrCat("gradient: room for ", gradient.size(), " bytes; y_pred has ", wanted));
  }
  wire::ReceivedBytes response;
  const wire::Pieces request = EncodeGradient(call);
  absl::Status status = impl_->Call("/lossd.v1.LossService/Gradient", request, call.timeout, &response);
  if (!status.ok()) return status;
  return DecodeGradientInto(response, gradient);
}

absl::StatusOr<LossStream<EvaluateResult>> Client::OpenEvaluateStream(const StreamOptions& options) const {
  auto messages = impl_->Open("/lossd.v1.LossService/EvaluateStream", options);
  if (!messages.ok()) return messages.status();
  return LossStream<EvaluateResult>(*std::move(messages));
}

absl::StatusOr<LossStream<GradientResult>> Client::OpenGradientStream(const StreamOptions& options) const {
  auto messages = impl_->Open("/lossd.v1.LossService/GradientStream", options);
  if (!messages.ok()) return messages.status();
  return LossStream<GradientResult>(*std::move(messages));
}

absl::StatusOr<Batch> Client::OpenBatch(const LossCall& header, const StreamOptions& options) const {
  auto messages = impl_->Open("/lossd.v1.LossService/EvaluateBatch", options);
  if (!messages.ok()) return messages.status();
  absl::Status begun = (*messages)->Send(EncodeHeader(header));
  if (!begun.ok() && !(*messages)->ended()) return begun;
  return Batch(*std::move(messages), std::move(begun));
}

absl::StatusOr<v1::ListLossesResponse> Client::ListLosses() const {
  return impl_->Catalogue(&v1::LossService::Stub::ListLosses, v1::ListLossesRequest());
}

absl::StatusOr<v1::DescribeLossResponse> Client::DescribeLoss(std::string_view loss) const {
  v1::DescribeLossRequest request;
  request.set_loss(std::string(loss));
  return impl_->Catalogue(&v1::LossService::Stub::DescribeLoss, request);
}

absl::Status Client::Check() const {
  wire::ReceivedBytes response;
  absl::Status status = impl_->Call("/grpc.health.v1.Health/Check", {}, std::nullopt, &response);
  if (!status.ok()) return status;
  return HealthStatus(response) == kServing ? absl::OkStatus() : absl::UnavailableError("the server is not serving");
}

}  // namespace lossd
