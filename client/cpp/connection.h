// The channel to a server, and one call over it whose request is lent by the caller.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/cpp/lossd/client.h"
#include "grpcpp/channel.h"
#include "proto/wire/byte_buffer.h"
#include "proto/wire/payload.h"

namespace lossd {

// Thread-safe.
class Connection {
 public:
  explicit Connection(const ClientOptions& options);

  std::shared_ptr<grpc::Channel> channel() const;
  // Another connection to the same server, for calls with many messages: with retries, even those that no policy asks
  // for, gRPC would hold every message until the server has answered something.
  std::shared_ptr<grpc::Channel> stream_channel() const;

  // Sends `request` to `method` ("/package.Service/Method") and waits for the answer. When this returns, nothing refers
  // to the memory of the request's payloads any more (see lossd/client.h for how long that may take).
  absl::Status Call(const std::string& method, std::span<const wire::Piece> request, absl::Time deadline,
                    wire::ReceivedBytes* response);

 private:
  // Replaces the channel where it still is this one. Its socket closes when no call and no write uses it any more.
  void Drop(std::shared_ptr<grpc::Channel> channel);

  const ClientOptions options_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mutex_);
  mutable std::shared_ptr<grpc::Channel> stream_channel_ ABSL_GUARDED_BY(mutex_);  // null: not needed yet
};

}  // namespace lossd
