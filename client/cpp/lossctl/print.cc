#include "client/cpp/lossctl/print.h"

#include <algorithm>
#include <ostream>
#include <span>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cpp/lossctl/text.h"
#include "core/tensor/convert.h"
#include "google/protobuf/util/json_util.h"
#include "lossd/v1/loss_service.pb.h"
#include "proto/wire/enums.h"

namespace lossd::lossctl {
namespace {

// Elements of a tensor that are shown; more are cut off.
constexpr size_t kShownElements = 8;

// The elements of a floating-point tensor.
std::vector<double> Numbers64(const Tensor& tensor) {
  std::vector<double> numbers(tensor.bytes().size() / SizeOf(tensor.dtype()));
  ConvertElements(tensor.dtype(), tensor.bytes().data(), numbers.size(), numbers.data());
  return numbers;
}

// What was computed in float is shown as the shortest float.
std::string Shown(const Tensor& tensor) {
  const std::vector<double> numbers = Numbers64(tensor);
  const bool cut = numbers.size() > kShownElements, wide = tensor.dtype() == DType::kF64;
  return absl::StrCat(absl::StrJoin(numbers.begin(), numbers.begin() + std::min(numbers.size(), kShownElements), " ",
                                    [&](std::string* out, double value) {
                                      absl::StrAppend(out, wide ? Number(value) : Number(static_cast<float>(value)));
                                    }),
                      cut ? " ..." : "");
}

std::string Describe(const Tensor& tensor, const std::string& path) {
  const std::string type = absl::StrCat(absl::string_view(Name(tensor.dtype()).data(), Name(tensor.dtype()).size()),
                                        " [", absl::StrJoin(tensor.shape(), ", "), "]");
  if (!path.empty()) return absl::StrCat(type, " written to ", path);
  return absl::StrCat(type, "  ", Shown(tensor));
}

void ToLists(const Tensor& tensor, v1::Tensor* list) {
  list->mutable_shape()->Add(tensor.shape().begin(), tensor.shape().end());
  list->set_dtype(wire::ToWire(tensor.dtype()));
  for (const double value : Numbers64(tensor)) {
    if (tensor.dtype() == DType::kF64) {
      list->mutable_doubles()->add_values(value);
    } else {
      list->mutable_floats()->add_values(static_cast<float>(value));
    }
  }
}

template <class Response>
void FillResponse(const EvaluateResult& result, bool with_per_item, Response* response) {
  if (result.value) response->set_value(*result.value);
  response->set_sum(result.sum);
  response->set_divisor(result.divisor);
  response->set_valid_count(result.valid_count);
  response->set_weight_sum(result.weight_sum);
  response->set_loss(result.loss);
  if (with_per_item && result.per_item) ToLists(*result.per_item, response->mutable_per_item());
  for (const auto& [name, tensor] : result.outputs) ToLists(tensor, &(*response->mutable_outputs())[name]);
}

}  // namespace

// A tensor without a shape that holds nothing is no scalar.
bool HasGradient(const GradientResult& result) {
  return !result.gradient.shape().empty() || !result.gradient.bytes().empty();
}

void PrintJson(const google::protobuf::Message& message, std::ostream& out) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  std::string json;
  static_cast<void>(google::protobuf::util::MessageToJsonString(message, &json, options));
  out << json;
  if (!json.ends_with('\n')) out << '\n';
}

void PrintList(const v1::ListLossesResponse& response, std::ostream& out) {
  size_t name_width = 4;
  size_t family_width = 6;
  for (const v1::LossSummary& loss : response.losses()) {
    name_width = std::max(name_width, loss.name().size());
    family_width = std::max(family_width, loss.family().size());
  }
  const auto row = [&](const std::string& name, const std::string& family, const std::string& summary) {
    out << absl::StreamFormat("%-*s  %-*s  %s\n", static_cast<int>(name_width), name, static_cast<int>(family_width),
                              family, summary);
  };
  row("LOSS", "FAMILY", "SUMMARY");
  for (const v1::LossSummary& loss : response.losses()) row(loss.name(), loss.family(), loss.summary());
}

void PrintResult(const EvaluateResult& result, const GradientResult* gradient, const std::string& out_path,
                 std::ostream& out) {
  std::vector<Row> rows = {{"loss", result.loss},
                           {"value", result.value ? Number(*result.value) : ""},
                           {"sum", Number(result.sum)},
                           {"divisor", Number(result.divisor)},
                           {"valid_count", absl::StrCat(result.valid_count)},
                           {"weight_sum", Number(result.weight_sum)}};
  if (result.per_item) rows.emplace_back("per_item", Describe(*result.per_item, gradient == nullptr ? out_path : ""));
  if (gradient != nullptr && HasGradient(*gradient)) {
    rows.emplace_back("gradient", Describe(gradient->gradient, out_path));
  }
  if (gradient != nullptr) {
    for (const auto& [name, tensor] : gradient->gradients) {
      rows.emplace_back(absl::StrCat("gradient of ", name), Describe(tensor, ""));
    }
    if (gradient->hessian_diagonal) rows.emplace_back("hessian", Describe(*gradient->hessian_diagonal, ""));
  }
  for (const auto& [name, tensor] : result.outputs) rows.emplace_back(name, Describe(tensor, ""));
  PrintRows(rows, out);
}

void PrintResultJson(const EvaluateResult& result, const GradientResult* gradient, const std::string& out_path,
                     std::ostream& out) {
  if (gradient == nullptr) {
    v1::EvaluateResponse response;
    FillResponse(result, out_path.empty(), &response);
    return PrintJson(response, out);
  }
  v1::GradientResponse response;
  FillResponse(result, true, &response);
  if (out_path.empty() && HasGradient(*gradient)) {
    ToLists(gradient->gradient, &(*response.mutable_gradients())["y_pred"]);
  }
  for (const auto& [name, tensor] : gradient->gradients) ToLists(tensor, &(*response.mutable_gradients())[name]);
  if (gradient->hessian_diagonal) {
    ToLists(*gradient->hessian_diagonal, &(*response.mutable_hessian_diagonals())["y_pred"]);
  }
  PrintJson(response, out);
}

}  // namespace lossd::lossctl
