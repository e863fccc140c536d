// Answers as a person or a program wants to read them.
#pragma once

#include <iosfwd>
#include <string>

#include "google/protobuf/message.h"
#include "lossd/client.h"
#include "lossd/v1/catalogue.pb.h"

namespace lossd::lossctl {

// In the JSON of protobuf, with the field names of the .proto files. NaN and infinities are strings there.
void PrintJson(const google::protobuf::Message& message, std::ostream& out);

void PrintList(const v1::ListLossesResponse& response, std::ostream& out);
void PrintDescription(const v1::DescribeLossResponse& response, std::ostream& out);

// The answer has a gradient with respect to y_pred.
bool HasGradient(const GradientResult& result);

// What `evaluate` and `gradient` have in common; the gradient is null for the former. A tensor that was written to
// `out_path` is named instead of shown.
void PrintResult(const EvaluateResult& result, const GradientResult* gradient, const std::string& out_path,
                 std::ostream& out);
// As v1.EvaluateResponse or v1.GradientResponse, tensors as lists of numbers; without the one that was written to a
// file.
void PrintResultJson(const EvaluateResult& result, const GradientResult* gradient, const std::string& out_path,
                     std::ostream& out);

}  // namespace lossd::lossctl
