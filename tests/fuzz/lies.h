// Changes to a sound request that make it a hostile one.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <string>
#include <utility>
#include <vector>

#include "lossd/v1/loss_service.pb.h"

namespace lossd::fuzz {

// Of the region of shared memory that the server knows.
inline constexpr size_t kRegionBytes = 4096;

// The tensor of that name, in its field or in `inputs`; it is there afterwards.
v1::Tensor* Field(v1::GradientRequest& request, const std::string& name);

// Tensors that were sent, by name, in an order that no hash could change.
std::vector<std::pair<std::string, v1::Tensor*>> TensorsOf(v1::GradientRequest& request);

// About dtype, shape or bytes; or the same tensor in another way. `region` names the one that the server knows.
void LieAboutTensor(FuzzedDataProvider& data, const std::string& region, v1::Tensor* tensor);

// About which tensor, loss or output is which.
void LieAboutNames(FuzzedDataProvider& data, const std::string& region, v1::GradientRequest* request);

}  // namespace lossd::fuzz
