// Memory that a server on the same host reads and writes in place, instead of having it sent.
//
//   auto region = lossd::SharedRegion::Create("/run/lossd/memory.sock", 3 * n * sizeof(float));
//   float* y_pred = reinterpret_cast<float*>(region->bytes().data());  // fill y_pred and y_true
//   lossd::LossCall call{.loss = "huber",
//                        .y_true = region->Tensor(lossd::DType::kF32, {n}, n * sizeof(float)),
//                        .y_pred = region->Tensor(lossd::DType::kF32, {n}, 0),
//                        .output_regions = {{"gradients.y_pred", region->Place(2 * n * sizeof(float), n *
//                        sizeof(float))}}};
//   auto result = client->Gradient(call);  // the gradient is in the region; result->gradient has no bytes
//
// Do not write to a tensor while a call reads it, nor let an output overlap one: the numbers are then undefined.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lossd/tensor.h"

namespace lossd {

// Owns the memory, and the connection by which the server knows of it: with the region, its name goes. Not thread-safe
// to move or destroy while calls use it.
class SharedRegion {
 public:
  // Makes a sealed memfd of `size_bytes` zeros and hands it over at `socket_path`, the server's --shared_memory_socket.
  // UNAVAILABLE: nobody listens there; the errors of the server: RESOURCE_EXHAUSTED over its limits.
  static absl::StatusOr<SharedRegion> Create(const std::string& socket_path, size_t size_bytes);

  SharedRegion(SharedRegion&& other) noexcept;
  SharedRegion& operator=(SharedRegion&& other) noexcept;
  ~SharedRegion();

  std::span<std::byte> bytes() const { return {data_, size_}; }
  const std::string& name() const { return name_; }

  // Room for an output.
  SharedPlace Place(size_t offset, size_t size_bytes) const { return {name_, offset, size_bytes}; }
  // A tensor that lies at `offset`. REQUIRES: it ends within the region.
  ConstTensor Tensor(DType dtype, std::vector<int64_t> shape, size_t offset) const;

 private:
  SharedRegion() = default;
  void Release();

  std::string name_;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  int socket_ = -1;
};

}  // namespace lossd
