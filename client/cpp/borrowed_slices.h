// Memory that the caller lends to gRPC, and how much of it is still lent.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/tensor/segment.h"
#include "grpcpp/support/slice.h"

namespace lossd {

// Thread-safe. REQUIRES: all_released() when it is destroyed.
class BorrowedSlices {
 public:
  grpc::Slice Make(Segment segment) {
    outstanding_.fetch_add(1, std::memory_order_relaxed);
    return grpc::Slice(const_cast<std::byte*>(segment.data), segment.size, &BorrowedSlices::Release, this);
  }

  // gRPC refers to none of the slices any more.
  bool all_released() const { return outstanding_.load(std::memory_order_acquire) == 0; }

 private:
  static void Release(void* self) {
    static_cast<BorrowedSlices*>(self)->outstanding_.fetch_sub(1, std::memory_order_release);
  }

  std::atomic<int64_t> outstanding_ = 0;
};

}  // namespace lossd
