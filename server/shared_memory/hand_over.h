// The Unix socket through which callers hand over regions, since gRPC carries no file descriptors.
//
// SOCK_SEQPACKET. A message of any one byte, with one memfd beside it (SCM_RIGHTS), is answered with a message: "OK "
// and the region's name, or the name of a status code, ": " and why not. A region lives as long as its connection.
#pragma once

#include <poll.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "server/shared_memory/regions.h"

namespace lossd::server {

class HandOver {
 public:
  // Listens at `path`. UNAVAILABLE with the reason. `regions` outlives it.
  static absl::StatusOr<std::unique_ptr<HandOver>> Start(const std::string& path, mode_t mode, Regions& regions);
  ~HandOver();  // all regions are released
  HandOver(const HandOver&) = delete;

 private:
  struct Peer {
    int socket;
    std::vector<std::string> regions;
  };

  HandOver(std::string path, int listener, int wake, Regions& regions);
  void Run();
  void Accept();
  bool Serve(Peer& peer);  // false: the peer is gone
  void Release(Peer& peer);

  const std::string path_;
  const int listener_, wake_;
  Regions& regions_;
  std::vector<Peer> peers_;  // of the thread
  std::thread thread_;
};

}  // namespace lossd::server
