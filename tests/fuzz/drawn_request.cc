#include "tests/fuzz/drawn_request.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "proto/wire/enums.h"
#include "tests/fuzz/draw.h"
#include "tests/fuzz/lies.h"

namespace lossd::fuzz {
namespace {

using testing::Extent;
using testing::Rng;

void Send(v1::Tensor* tensor, DType dtype, const Shape& shape, const std::vector<double>& numbers) {
  const std::vector<std::byte> bytes = testing::Encode(dtype, numbers);
  tensor->set_dtype(wire::ToWire(dtype));
  tensor->mutable_shape()->Add(shape.begin(), shape.end());
  tensor->set_raw(bytes.data(), bytes.size());
}

// Sizes from 0 on. Now and then gradients of 64 KiB and more of losses that take time linear in them: those may go over
// their inputs.
Extent DrawExtent(FuzzedDataProvider& data, const Contract& contract) {
  Extent extent;
  if ((contract.family == Family::kElementwise || contract.family == Family::kRow) && Seldom(data, 24)) {
    const size_t width = data.ConsumeIntegralInRange<size_t>(1, 300);
    return testing::ExtentOf(contract, (size_t{20} << 10) / (contract.family == Family::kRow ? width : 1), width);
  }
  extent.items.resize(data.ConsumeIntegralInRange<size_t>(0, 3));
  for (int64_t& size : extent.items) size = data.ConsumeIntegralInRange<int64_t>(0, 9);
  for (const Input& input : contract.inputs) {
    for (const char letter : input.shape) {
      if (letter >= 'A' && letter <= 'Z' && data.ConsumeBool()) {
        extent.sizes[letter] = data.ConsumeIntegralInRange<size_t>(0, 20);
      }
    }
  }
  extent.optional = data.ConsumeBool();
  extent.hard = data.ConsumeBool();
  return extent;
}

// As testing::DrawInputs; large tensors repeat themselves, which takes less time.
testing::Tensors DrawTensors(Rng& rng, const Contract& contract, const Form& form, const Extent& extent) {
  constexpr size_t kMostDrawn = 509;
  if (ElementCount(testing::ShapeOf(contract, contract.inputs[0], extent)).value() <= kMostDrawn) {
    return testing::DrawInputs(rng, contract, form, extent);
  }
  testing::Tensors tensors;
  for (const Input& input : contract.inputs) {
    if (input.optional) continue;
    testing::Tensor& tensor = tensors[std::string(input.name)];
    tensor.shape = testing::ShapeOf(contract, input, extent);
    tensor.numbers.resize(ElementCount(tensor.shape).value());
    for (size_t i = 0; i < tensor.numbers.size(); ++i) {
      tensor.numbers[i] =
          i < kMostDrawn ? testing::DrawElement(rng, contract, form, input, extent) : tensor.numbers[i - kMostDrawn];
    }
  }
  return tensors;
}

// A weight, a mask, ...: of numbers in [0, 2), or flags.
void AddWeight(FuzzedDataProvider& data, Rng& rng, DType dtype, Shape shape, v1::Tensor* tensor) {
  const std::optional<size_t> count = ElementCount(shape);
  if (!count || *count > 1 << 20) return;
  std::vector<double> numbers(*count);
  const double below = IsFloatingPoint(dtype) ? 0.25 : 1;
  for (double& x : numbers) x = static_cast<double>(rng() % (IsFloatingPoint(dtype) ? 8 : 2)) * below;
  if (Seldom(data, 4)) shape.push_back(1);
  Send(tensor, dtype, shape, numbers);
}

void AddWeights(FuzzedDataProvider& data, Rng& rng, const Contract& contract, const Extent& extent, DType dtype,
                v1::GradientRequest* request) {
  const Shape items = testing::ItemShape(contract, extent);
  const Shape whole = testing::ShapeOf(contract, contract.inputs[0], extent);
  const Shape classes = whole.empty() ? Shape() : Shape{whole.back()};
  const auto leading = [&] {
    return Shape(items.begin(), items.begin() + data.ConsumeIntegralInRange<ptrdiff_t>(0, items.size()));
  };
  const DType flags = data.ConsumeBool() ? DType::kBool : DType::kU8;
  if (Seldom(data, 3)) AddWeight(data, rng, dtype, leading(), request->mutable_sample_weight());
  if (Seldom(data, 3)) AddWeight(data, rng, flags, leading(), request->mutable_mask());
  if (Seldom(data, 6)) AddWeight(data, rng, dtype, whole, request->mutable_element_weight());
  if (Seldom(data, 6)) AddWeight(data, rng, dtype, classes, request->mutable_class_weight());
  if (Seldom(data, 6)) AddWeight(data, rng, flags, classes, request->mutable_class_mask());
  if (Seldom(data, 6)) AddWeight(data, rng, dtype, classes, request->mutable_pos_weight());
  if (Seldom(data, 6)) {
    AddWeight(data, rng, dtype, items, request->mutable_upstream());
    request->mutable_options()->set_reduction(v1::NONE);
  }
}

void DrawParams(FuzzedDataProvider& data, const Contract& contract, google::protobuf::Struct* params) {
  const auto set = [&](std::string_view name) -> google::protobuf::Value& {
    return (*params->mutable_fields())[std::string(name)];
  };
  for (const Param& param : contract.params) {
    if (!Seldom(data, 3)) continue;
    if (param.is_choice() && !Seldom(data, 8)) {
      const auto choice = data.ConsumeIntegralInRange<size_t>(0, param.choices.size() - 1);
      set(param.name).set_string_value(std::string(param.choices[choice]));
    } else if (Seldom(data, 4)) {
      set(param.name).set_number_value(DrawHostileNumber(data));
    } else {
      Rng rng(data.ConsumeIntegral<uint8_t>());
      const double drawn = testing::DrawNumber(rng, param.domain);
      set(param.name).set_number_value(param.index_of != 0 ? std::floor(drawn) : drawn);
    }
  }
  if (Seldom(data, 32)) set(data.ConsumeRandomLengthString(16)).set_bool_value(data.ConsumeBool());
  if (Seldom(data, 32)) set("delta").mutable_list_value()->add_values()->set_null_value({});
}

void DrawOptions(FuzzedDataProvider& data, v1::Options* options) {
  if (Seldom(data, 32)) options->set_input_kind(DrawEnum<v1::InputKind>(data, v1::InputKind_MAX));
  if (data.ConsumeBool()) options->set_reduction(DrawEnum<v1::Reduction>(data, v1::Reduction_MAX));
  if (Seldom(data, 4)) options->set_divisor(DrawEnum<v1::Divisor>(data, v1::Divisor_MAX));
  if (Seldom(data, 16)) options->set_normalizer(DrawHostileNumber(data));
  if (Seldom(data, 6)) options->set_convention(DrawEnum<v1::Convention>(data, v1::Convention_MAX));
  if (Seldom(data, 16)) options->set_clip_policy(DrawEnum<v1::ClipPolicy>(data, v1::ClipPolicy_MAX));
  if (Seldom(data, 8)) options->set_non_finite_policy(DrawEnum<v1::NonFinitePolicy>(data, v1::NonFinitePolicy_MAX));
  if (Seldom(data, 8)) options->set_empty_policy(DrawEnum<v1::EmptyPolicy>(data, v1::EmptyPolicy_MAX));
  if (Seldom(data, 8)) options->set_label_smoothing(data.ConsumeBool() ? 0.125 : DrawHostileNumber(data));
  if (Seldom(data, 8)) options->set_ignore_index(data.ConsumeIntegralInRange(-2, 5));
  if (Seldom(data, 6)) options->set_axis(data.ConsumeIntegralInRange(-4, 4));
  if (Seldom(data, 6)) options->set_last_axis(DrawEnum<v1::LastAxis>(data, v1::LastAxis_MAX));
  if (Seldom(data, 16)) options->set_kink_policy(DrawEnum<v1::KinkPolicy>(data, v1::KinkPolicy_MAX));
  while (Seldom(data, 6)) options->add_item_axes(data.ConsumeIntegralInRange(-4, 4));
}

void MakeObjective(FuzzedDataProvider& data, v1::GradientRequest* request) {
  v1::Objective* const objective = request->mutable_objective();
  do {
    v1::LossTerm* const term = objective->add_losses();
    term->set_loss(Seldom(data, 4) ? std::string(DrawLoss(data).contract->name) : request->loss());
    *term->mutable_options() = request->options();
    if (term->options().reduction() == v1::NONE) term->mutable_options()->set_reduction(v1::SUM);
    if (Seldom(data, 4)) term->set_weight(DrawHostileNumber(data));
    if (Seldom(data, 8)) term->set_y_pred("y_true");
    if (Seldom(data, 8)) term->set_name("same");
  } while (Seldom(data, 2) && objective->losses_size() < 4);
  while (Seldom(data, 2) && objective->regularizers_size() < 4) {
    v1::RegularizerTerm* const term = objective->add_regularizers();
    static const std::vector<std::string> names = {"l1", "l2", "l1_l2", "orthogonal_regularizer", "total_variation"};
    term->set_regularizer(Pick(data, names));
    term->add_inputs(data.ConsumeBool() ? "w" : "y_pred");
    if (request->has_y_pred()) (*request->mutable_inputs())["w"] = request->y_pred();
  }
  if (!Seldom(data, 8)) {
    request->clear_loss();
    request->clear_params();
  }
}

}  // namespace

v1::GradientRequest MessageOf(const Contract& contract, const Form& form, DType dtype,
                              const testing::Tensors& tensors) {
  v1::GradientRequest request;
  request.set_loss(contract.name.data(), contract.name.size());
  request.mutable_options()->set_input_kind(wire::ToWire(form.input_kind));
  if (form.clip_policy != ClipPolicy::kNone) request.mutable_options()->set_clip_policy(wire::ToWire(form.clip_policy));
  for (const auto& [name, tensor] : tensors) {
    const DType sent = testing::SentAs(contract.inputs[contract.InputIndex(name)], dtype);
    Send(Field(request, name), sent, tensor.shape, tensor.numbers);
  }
  return request;
}

v1::GradientRequest DrawRequest(FuzzedDataProvider& data, const std::string& region) {
  const Loss& loss = DrawLoss(data);
  const Contract& contract = *loss.contract;
  const Form& form = loss.forms[data.ConsumeIntegralInRange<size_t>(0, loss.forms.size() - 1)].form;
  const auto dtype = static_cast<DType>(data.ConsumeIntegralInRange(0, static_cast<int>(DType::kBF16)));
  const Extent extent = DrawExtent(data, contract);
  Rng rng(data.ConsumeIntegral<uint16_t>());
  v1::GradientRequest request = MessageOf(contract, form, dtype, DrawTensors(rng, contract, form, extent));
  if (data.ConsumeBool()) DrawOptions(data, request.mutable_options());
  if (data.ConsumeBool()) DrawParams(data, contract, request.mutable_params());
  if (data.ConsumeBool()) AddWeights(data, rng, contract, extent, dtype, &request);
  if (data.ConsumeBool()) {
    for (const Input& input : contract.inputs) {
      if (input.differentiable && data.ConsumeBool()) request.add_with_respect_to(std::string(input.name));
    }
  }
  request.set_hessian_diagonal(contract.curvature ? data.ConsumeBool() : Seldom(data, 16));
  if (Seldom(data, 12)) MakeObjective(data, &request);
  for (int lies = data.ConsumeIntegralInRange(0, 3); lies > 0; --lies) {
    auto tensors = TensorsOf(request);
    if (tensors.empty() || Seldom(data, 3)) {
      LieAboutNames(data, region, &request);
    } else {
      LieAboutTensor(data, region, Pick(data, tensors).second);
    }
  }
  return request;
}

std::vector<v1::EvaluateBatchRequest> DrawBatch(FuzzedDataProvider& data, const std::string& region) {
  std::vector<v1::EvaluateBatchRequest> messages;
  v1::GradientRequest request = DrawRequest(data, region);
  const auto chunk_of = [&](v1::GradientRequest& from) {
    v1::EvaluateBatchRequest chunk;
    if (from.has_y_true()) chunk.mutable_y_true()->Swap(from.mutable_y_true());
    if (from.has_y_pred()) chunk.mutable_y_pred()->Swap(from.mutable_y_pred());
    if (from.has_sample_weight()) chunk.mutable_sample_weight()->Swap(from.mutable_sample_weight());
    if (from.has_element_weight()) chunk.mutable_element_weight()->Swap(from.mutable_element_weight());
    if (from.has_mask()) chunk.mutable_mask()->Swap(from.mutable_mask());
    if (!Seldom(data, 4)) chunk.mutable_inputs()->swap(*from.mutable_inputs());
    return chunk;
  };
  messages.push_back(chunk_of(request));
  request.clear_y_true();  // what Swap left
  request.clear_y_pred();
  request.clear_sample_weight();
  request.clear_element_weight();
  request.clear_mask();
  if (request.options().reduction() == v1::NONE) request.mutable_options()->clear_reduction();
  const v1::EvaluateBatchRequest first = messages.front();
  if (Seldom(data, 4)) messages.front() = v1::EvaluateBatchRequest();
  messages.front().mutable_header()->ParseFromString(request.SerializeAsString());
  if (Seldom(data, 16)) messages.front().clear_header();
  for (int more = data.ConsumeIntegralInRange(0, 4); more > 0; --more) {
    messages.push_back(first);
    if (Seldom(data, 16)) *messages.back().mutable_header() = messages.front().header();
    if (Seldom(data, 4) && first.has_y_pred()) LieAboutTensor(data, region, messages.back().mutable_y_pred());
    if (Seldom(data, 4) && first.has_y_true()) LieAboutTensor(data, region, messages.back().mutable_y_true());
  }
  return messages;
}

}  // namespace lossd::fuzz
