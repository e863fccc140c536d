// Counts and logs the calls of one method.
#pragma once

#include <string>

#include "server/log.h"
#include "server/metrics.h"
#include "server/transport/method.h"

namespace lossd::server {

// One line a call at debug. A call that failed for a reason of the server's, or of its resources, is a warning with its
// peer and its reason; those are throttled.
class Observer final : public CallObserver {
 public:
  // Both outlive the observer.
  Observer(Metrics& metrics, LogThrottle& throttle, const MethodSeries& series)
      : metrics_(metrics), throttle_(throttle), series_(series) {}

  void OnStarted() override { series_.started.Add(); }
  void OnReceived(size_t bytes) override;
  void OnSent(size_t bytes) override;
  void OnRefused(Refusal refusal) override { metrics_.CountRefusal(refusal); }
  void OnFinished(const FinishedCall& call) override;

 private:
  Metrics& metrics_;
  LogThrottle& throttle_;
  const MethodSeries series_;
};

}  // namespace lossd::server
