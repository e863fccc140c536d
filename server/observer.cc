#include "server/observer.h"

#include <chrono>

#include "absl/status/status.h"

namespace lossd::server {
namespace {

bool IsWarning(grpc::StatusCode code) {
  return code == grpc::StatusCode::INTERNAL || code == grpc::StatusCode::UNKNOWN ||
         code == grpc::StatusCode::DATA_LOSS || code == grpc::StatusCode::UNAVAILABLE ||
         code == grpc::StatusCode::RESOURCE_EXHAUSTED;
}

// The peer is asked for its name only where a line is written.
void LogFailure(const FinishedCall& call, int64_t suppressed) {
  const std::string code = absl::StatusCodeToString(static_cast<absl::StatusCode>(call.status.error_code()));
  Log(LogLevel::kWarning, "call failed",
      {{"method", call.method},
       {"code", code},
       {"reason", call.status.error_message()},
       {"peer", call.context.peer()},
       {"received_bytes", call.received_bytes},
       {"suppressed_lines", suppressed}});
}

void LogCall(const FinishedCall& call) {
  const std::string code = absl::StatusCodeToString(static_cast<absl::StatusCode>(call.status.error_code()));
  Log(LogLevel::kDebug, "call",
      {{"method", call.method},
       {"code", code},
       {"reason", call.status.error_message()},
       {"peer", call.context.peer()},
       {"ms", std::chrono::duration<double, std::milli>(call.duration).count()},
       {"received_bytes", call.received_bytes},
       {"sent_bytes", call.sent_bytes}});
}

}  // namespace

void Observer::OnReceived(size_t bytes) {
  series_.received.Add();
  series_.received_bytes.Add(bytes);
}

void Observer::OnSent(size_t bytes) {
  series_.sent.Add();
  series_.sent_bytes.Add(bytes);
}

void Observer::OnFinished(const FinishedCall& call) {
  series_.handled[static_cast<size_t>(call.status.error_code())].Add();
  series_.handling_seconds.Observe(call.duration);
  if (int64_t suppressed = 0;
      IsWarning(call.status.error_code()) && throttle_.Allow(std::chrono::steady_clock::now(), &suppressed)) {
    LogFailure(call, suppressed);
  } else if (LogEnabled(LogLevel::kDebug)) {
    LogCall(call);
  }
}

}  // namespace lossd::server
