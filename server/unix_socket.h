// Unix domain sockets as addresses: what gRPC leaves to the file system.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace lossd::server {

// unix:/PATH or unix-abstract:NAME.
bool IsUnixAddress(std::string_view address);

// UNAVAILABLE where a server listens on the path of a `unix:` address (gRPC would take its file away), or where
// something lies there that is no socket. The file of a server that is gone is no obstacle. OK for other addresses.
absl::Status CheckVacant(const std::string& address);

// While it lives, sockets that this process binds get `mode` as their files' permissions. The mask is the process's:
// for the start, before threads make files.
class ScopedSocketMode {
 public:
  explicit ScopedSocketMode(mode_t mode);
  ~ScopedSocketMode();
  ScopedSocketMode(const ScopedSocketMode&) = delete;

 private:
  const mode_t before_;
};

// A listening SOCK_SEQPACKET socket at `path`, whose file it replaces if nobody listens there. UNAVAILABLE with the
// reason.
absl::StatusOr<int> ListenAt(const std::string& path, mode_t mode);

}  // namespace lossd::server
