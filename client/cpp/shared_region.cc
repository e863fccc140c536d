#include "lossd/shared_region.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace lossd {
namespace {

absl::Status Failed(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", strerror(errno)));
}

// Closes a file at the end of its scope.
struct File {
  int number;
  ~File() {
    if (number >= 0) close(number);
  }
};

absl::Status Connect(const std::string& path, int socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return absl::InvalidArgumentError("socket_path: too long for a socket");
  std::memcpy(address.sun_path, path.data(), path.size());
  if (connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Failed(absl::StrCat("cannot connect to ", path));
  }
  return absl::OkStatus();
}

// The server's answer to a file.
absl::StatusOr<std::string> Send(int socket, int file) {
  char byte = 'R';
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof file)] = {};
  iovec place{&byte, 1};
  msghdr message{};
  message.msg_iov = &place;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof file);
  std::memcpy(CMSG_DATA(part), &file, sizeof file);
  if (sendmsg(socket, &message, MSG_NOSIGNAL) != 1) return Failed("cannot hand over memory");
  char answer[1024];
  const ssize_t size = recv(socket, answer, sizeof answer, 0);
  if (size <= 0) return Failed("no answer to a region");
  return std::string(answer, static_cast<size_t>(size));
}

}  // namespace

absl::StatusOr<SharedRegion> SharedRegion::Create(const std::string& socket_path, size_t size_bytes) {
  if (size_bytes == 0) return absl::InvalidArgumentError("size_bytes: expected more than 0");
  SharedRegion region;
  region.socket_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (region.socket_ < 0) return Failed("no socket");
  if (absl::Status status = Connect(socket_path, region.socket_); !status.ok()) return status;
  const File file{memfd_create("lossd", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (file.number < 0 || ftruncate(file.number, static_cast<off_t>(size_bytes)) != 0 ||
      fcntl(file.number, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
    return Failed(absl::StrCat("no memory file of ", size_bytes, " bytes"));
  }
  void* const memory = mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.number, 0);
  if (memory == MAP_FAILED) return Failed(absl::StrCat(size_bytes, " bytes cannot be mapped"));
  region.data_ = static_cast<std::byte*>(memory);
  region.size_ = size_bytes;
  absl::StatusOr<std::string> answer = Send(region.socket_, file.number);
  if (!answer.ok()) return answer.status();
  absl::string_view name = *answer;
  if (!absl::ConsumePrefix(&name, "OK ")) {
    const bool full = absl::ConsumePrefix(&name, "RESOURCE_EXHAUSTED: ");
    return full ? absl::ResourceExhaustedError(name)
                : absl::InternalError(absl::StrCat("the server refused memory: ", name));
  }
  region.name_ = std::string(name);
  return region;
}

SharedRegion::SharedRegion(SharedRegion&& other) noexcept { *this = std::move(other); }

SharedRegion& SharedRegion::operator=(SharedRegion&& other) noexcept {
  if (this == &other) return *this;
  Release();
  name_ = std::move(other.name_);
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  socket_ = std::exchange(other.socket_, -1);
  return *this;
}

SharedRegion::~SharedRegion() { Release(); }

void SharedRegion::Release() {
  if (data_ != nullptr) munmap(data_, size_);
  if (socket_ >= 0) close(socket_);
}

ConstTensor SharedRegion::Tensor(DType dtype, std::vector<int64_t> shape, size_t offset) const {
  size_t size = SizeOf(dtype);
  for (const int64_t axis : shape) size *= static_cast<size_t>(axis);
  return {
      .dtype = dtype, .shape = std::move(shape), .bytes = bytes().subspan(offset, size), .shared = Place(offset, size)};
}

}  // namespace lossd
