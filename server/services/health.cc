#include "server/services/health.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "grpc/health/v1/health.pb.h"
#include "server/handlers/answer.h"

namespace lossd::server {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

HealthCheckResponse Response(int status) {
  HealthCheckResponse response;
  response.set_status(static_cast<HealthCheckResponse::ServingStatus>(status));
  return response;
}

}  // namespace

Health::Health(const std::vector<std::string>& services) : services_(services) { services_.emplace_back(); }

int Health::StatusOf(const std::string& service) const {
  if (std::find(services_.begin(), services_.end(), service) == services_.end())
    return HealthCheckResponse::SERVICE_UNKNOWN;
  return serving_.load(std::memory_order_acquire) ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

void Health::Check(UnaryCall& call) const {
  Answer(call, [&]() -> absl::StatusOr<grpc::ByteBuffer> {
    HealthCheckRequest request;
    if (auto status = Parse(call.request().segments(), &request); !status.ok()) return status;
    const int status = StatusOf(request.service());
    if (status == HealthCheckResponse::SERVICE_UNKNOWN) {
      return absl::NotFoundError("service: this server has no such service; the empty name stands for the server");
    }
    return Serialize(Response(status));
  });
}

// One message in; the status out, now and after each change.
class Health::Watcher final : public Stream {
 public:
  explicit Watcher(const Health& health) : health_(health) {}

  void OnMessage(std::span<const Segment> message, StreamWriter& writer) override {
    HealthCheckRequest request;
    if (const auto status = Parse(message, &request); !status.ok()) {
      writer.Finish({grpc::StatusCode::INVALID_ARGUMENT, std::string(status.message())});
      return;
    }
    service_ = request.service();
    OnWake(writer);
  }
  void OnEnd(StreamWriter& writer) override {
    if (!service_) writer.Finish({grpc::StatusCode::INVALID_ARGUMENT, "no request message came"});
  }
  void OnWake(StreamWriter& writer) override {
    if (!service_) return;
    const int status = health_.StatusOf(*service_);
    if (status == sent_) return;
    sent_ = status;
    writer.Send(*Serialize(Response(status)));
  }

 private:
  const Health& health_;
  std::optional<std::string> service_;
  int sent_ = -1;
};

std::unique_ptr<Stream> Health::Watch() const { return std::make_unique<Watcher>(*this); }

}  // namespace lossd::server
