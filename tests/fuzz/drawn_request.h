// Requests of what a fuzzer's bytes choose: of any loss, sound at first, then changed by lies about shapes, dtypes,
// bytes, options and names. Bytes at random would seldom get past protobuf, and hardly ever past the first check of a
// shape.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <string>
#include <vector>

#include "lossd/v1/loss_service.pb.h"
#include "tests/support/cases.h"

namespace lossd::fuzz {

// A sound request: tensors of a form of a loss, by name.
v1::GradientRequest MessageOf(const Contract& contract, const Form& form, DType dtype, const testing::Tensors& tensors);

// `region`: the name of the one that the server knows.
v1::GradientRequest DrawRequest(FuzzedDataProvider& data, const std::string& region);

// The messages of an EvaluateBatch call: the header with, it may be, a chunk; then chunks alone.
std::vector<v1::EvaluateBatchRequest> DrawBatch(FuzzedDataProvider& data, const std::string& region);

}  // namespace lossd::fuzz
