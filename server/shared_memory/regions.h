// Memory that a caller on the same host shares with this server, by name.
//
// A region is a sealed memfd (F_SEAL_SHRINK): a file that became shorter would kill this process by SIGBUS when it
// reads behind the end. Its owner may write to it at any time, also while it is read: nothing in it is looked at twice
// where that could lead out of bounds (TensorView::changes).
//
// A name is all that a call needs to use a region, so names cannot be guessed. Calls in flight hold a reference; a
// region whose owner has gone is unmapped when the last of them ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace lossd::server {

class Region {
 public:
  // Maps the whole file, writable where its seals allow. The file stays the caller's to close. INVALID_ARGUMENT: not a
  // memfd (ordinary pages), not sealed against shrinking, or empty. RESOURCE_EXHAUSTED: larger than `most_bytes`, or
  // not to be mapped.
  static absl::StatusOr<std::shared_ptr<const Region>> Map(int file, size_t most_bytes);
  ~Region();
  Region(const Region&) = delete;

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  bool writable() const { return writable_; }

 private:
  Region(std::byte* data, size_t size, bool writable) : data_(data), size_(size), writable_(writable) {}

  std::byte* const data_;
  const size_t size_;
  const bool writable_;
};

// Thread-safe.
class Regions {
 public:
  // Begins every name: a message without it refers to no region.
  static constexpr std::string_view kPrefix = "lossd-region-";

  explicit Regions(size_t most_bytes) : most_bytes_(most_bytes) {}

  // Maps a file and returns the region's name. Errors of Region::Map; RESOURCE_EXHAUSTED where all regions together
  // would be larger than the limit.
  absl::StatusOr<std::string> Add(int file);
  void Remove(const std::string& name);
  // Null: there is none.
  std::shared_ptr<const Region> Find(const std::string& name) const;

 private:
  const size_t most_bytes_;
  mutable std::mutex mutex_;
  size_t bytes_ = 0;
  std::map<std::string, std::shared_ptr<const Region>> regions_;
};

}  // namespace lossd::server
