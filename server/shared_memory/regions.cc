#include "server/shared_memory/regions.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstring>

#include "spdlog/fmt/fmt.h"

namespace lossd::server {
namespace {

absl::StatusOr<std::string> NewName() {
  unsigned char bytes[16];  // 128 bits: nobody finds one by trying
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return absl::InternalError("no random numbers to be had");
  std::string name(Regions::kPrefix);
  for (const unsigned char byte : bytes) name += fmt::format("{:02x}", byte);
  return name;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Region>> Region::Map(int file, size_t most_bytes) {
  const int seals = fcntl(file, F_GET_SEALS);
  if (seals < 0)
    return absl::InvalidArgumentError("the file is no memfd; expected one from memfd_create(MFD_ALLOW_SEALING)");
  // Huge pages may be taken away (a hole is punched) and not to be had again: reading them is then SIGBUS too.
  struct statfs system {};
  if (fstatfs(file, &system) != 0 || system.f_type != TMPFS_MAGIC) {
    return absl::InvalidArgumentError("the file has no ordinary pages; expected a memfd without MFD_HUGETLB");
  }
  if ((seals & F_SEAL_SHRINK) == 0) {
    return absl::InvalidArgumentError("the file may shrink; expected fcntl(F_ADD_SEALS, F_SEAL_SHRINK) on it before");
  }
  struct stat status {};  // behind the seal: from now on it can only grow
  if (fstat(file, &status) != 0 || status.st_size <= 0) return absl::InvalidArgumentError("the file is empty");
  const auto size = static_cast<size_t>(status.st_size);
  if (size > most_bytes) {
    return absl::ResourceExhaustedError(
        fmt::format("a region of {} bytes; {} are left of what this server maps", size, most_bytes));
  }
  bool writable = true;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED && (errno == EPERM || errno == EACCES)) {  // F_SEAL_WRITE, or opened so
    writable = false;
    memory = mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
  }
  if (memory == MAP_FAILED) {
    return absl::ResourceExhaustedError(fmt::format("{} bytes cannot be mapped: {}", size, std::strerror(errno)));
  }
  return std::shared_ptr<const Region>(new Region(static_cast<std::byte*>(memory), size, writable));
}

Region::~Region() { munmap(data_, size_); }

absl::StatusOr<std::string> Regions::Add(int file) {
  auto name = NewName();
  if (!name.ok()) return name.status();
  const std::lock_guard lock(mutex_);
  auto region = Region::Map(file, most_bytes_ - bytes_);
  if (!region.ok()) return region.status();
  bytes_ += (*region)->size();
  regions_.emplace(*name, *std::move(region));
  return *std::move(name);
}

void Regions::Remove(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = regions_.find(name);
  if (found == regions_.end()) return;
  bytes_ -= found->second->size();
  regions_.erase(found);
}

std::shared_ptr<const Region> Regions::Find(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = regions_.find(name);
  return found == regions_.end() ? nullptr : found->second;
}

}  // namespace lossd::server
