#include "server/shared_memory/hand_over.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "server/unix_socket.h"
#include "spdlog/fmt/fmt.h"

namespace lossd::server {
namespace {

// A caller has a handful of buffers, and a host a handful of callers; both leave room under the usual limit of 1,024
// files.
constexpr size_t kMostPeers = 128, kMostRegionsOfAPeer = 64;
// Descriptors that are taken from one message, to be closed; the kernel drops further ones.
constexpr size_t kMostFiles = 8;

// The files beside one message. Nothing: the peer has closed. Closes them.
class Received {
 public:
  explicit Received(int socket) {
    char bytes[256];
    alignas(cmsghdr) char control[CMSG_SPACE(kMostFiles * sizeof(int))];
    iovec place{bytes, sizeof bytes};
    msghdr message{};
    message.msg_iov = &place;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    open_ = size > 0 || (size < 0 && (errno == EAGAIN || errno == EINTR));
    empty_ = size <= 0;
    if (size <= 0) return;
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
      if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
      const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      const size_t before = files_.size();
      files_.resize(before + count);
      std::memcpy(files_.data() + before, CMSG_DATA(part), count * sizeof(int));
    }
  }
  ~Received() {
    for (const int file : files_) close(file);
  }
  Received(const Received&) = delete;

  bool open() const { return open_; }
  bool empty() const { return empty_; }
  const std::vector<int>& files() const { return files_; }

 private:
  bool open_ = false, empty_ = true;
  std::vector<int> files_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HandOver>> HandOver::Start(const std::string& path, mode_t mode, Regions& regions) {
  const auto listener = ListenAt(path, mode);
  if (!listener.ok()) return listener.status();
  return std::unique_ptr<HandOver>(new HandOver(path, *listener, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), regions));
}

HandOver::HandOver(std::string path, int listener, int wake, Regions& regions)
    : path_(std::move(path)), listener_(listener), wake_(wake), regions_(regions), thread_([this] { Run(); }) {}

HandOver::~HandOver() {
  const uint64_t one = 1;
  (void)!write(wake_, &one, sizeof one);
  thread_.join();
  unlink(path_.c_str());
  for (Peer& peer : peers_) Release(peer);
  close(listener_);
  close(wake_);
}

void HandOver::Run() {
  pthread_setname_np(pthread_self(), "lossd-regions");
  while (true) {
    std::vector<pollfd> watched = {{wake_, POLLIN, 0}, {listener_, POLLIN, 0}};
    if (peers_.size() >= kMostPeers) watched[1].fd = -1;  // the others wait in the kernel
    for (const Peer& peer : peers_) watched.push_back({peer.socket, POLLIN, 0});
    if (poll(watched.data(), watched.size(), -1) < 0) continue;
    if (watched[0].revents != 0) return;
    for (size_t i = peers_.size(); i-- > 0;) {
      if (watched[2 + i].revents == 0 || Serve(peers_[i])) continue;
      Release(peers_[i]);
      peers_.erase(peers_.begin() + static_cast<ptrdiff_t>(i));
    }
    if (watched[1].revents != 0) Accept();
  }
}

void HandOver::Accept() {
  const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (socket >= 0) {
    peers_.push_back({socket, {}});
  } else if (errno == EMFILE || errno == ENFILE) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // or the loop would spin until a file is free
  }
}

bool HandOver::Serve(Peer& peer) {
  const Received received(peer.socket);
  if (!received.open()) return false;
  if (received.empty()) return true;
  absl::StatusOr<std::string> name = absl::InvalidArgumentError(
      fmt::format("{} file descriptors beside the message; expected one", received.files().size()));
  if (received.files().size() == 1) {
    name = peer.regions.size() < kMostRegionsOfAPeer
               ? regions_.Add(received.files()[0])
               : absl::ResourceExhaustedError(fmt::format("{} regions on one connection", kMostRegionsOfAPeer));
  }
  if (name.ok()) peer.regions.push_back(*name);
  const std::string answer =
      name.ok() ? "OK " + *name
                : absl::StatusCodeToString(name.status().code()) + ": " + std::string(name.status().message());
  return send(peer.socket, answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL) ==
         static_cast<ssize_t>(answer.size());
}

void HandOver::Release(Peer& peer) {
  for (const std::string& name : peer.regions) regions_.Remove(name);
  close(peer.socket);
}

}  // namespace lossd::server
