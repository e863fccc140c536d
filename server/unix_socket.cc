#include "server/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "spdlog/fmt/fmt.h"

namespace lossd::server {
namespace {

constexpr std::string_view kScheme = "unix:", kAbstractScheme = "unix-abstract:";

absl::Status Unavailable(const std::string& path, std::string_view what) {
  return absl::UnavailableError(fmt::format("cannot listen on unix:{}: {}", path, what));
}

absl::StatusOr<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Unavailable(path, fmt::format("a path has 1 to {} bytes", sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

absl::Status CheckPath(const std::string& path) {
  struct stat file {};
  if (lstat(path.c_str(), &file) != 0) return absl::OkStatus();  // whatever else is wrong, bind says
  if (!S_ISSOCK(file.st_mode)) return Unavailable(path, "a file that is no socket lies there");
  const auto address = AddressOf(path);
  if (!address.ok()) return address.status();
  // A socket of another type refuses too, with EPROTOTYPE, but only where somebody listens.
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const bool served = connect(probe, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) == 0 ||
                      errno == EPROTOTYPE || errno == EAGAIN;
  close(probe);
  return served ? Unavailable(path, "another server listens there") : absl::OkStatus();
}

}  // namespace

bool IsUnixAddress(std::string_view address) {
  for (const std::string_view scheme : {kScheme, kAbstractScheme}) {
    if (address.substr(0, scheme.size()) == scheme && address.size() > scheme.size()) return true;
  }
  return false;
}

absl::Status CheckVacant(const std::string& address) {
  return address.rfind(kScheme, 0) == 0 ? CheckPath(address.substr(kScheme.size())) : absl::OkStatus();
}

ScopedSocketMode::ScopedSocketMode(mode_t mode) : before_(umask(~mode & 0777)) {}
ScopedSocketMode::~ScopedSocketMode() { umask(before_); }

absl::StatusOr<int> ListenAt(const std::string& path, mode_t mode) {
  const auto address = AddressOf(path);
  if (!address.ok()) return address.status();
  if (absl::Status status = CheckPath(path); !status.ok()) return status;
  unlink(path.c_str());
  const int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const ScopedSocketMode scoped(mode);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0 ||
      listen(listener, SOMAXCONN) != 0) {
    const int reason = errno;
    close(listener);
    return Unavailable(path, std::strerror(reason));
  }
  return listener;
}

}  // namespace lossd::server
