#include "server/convert/catalogue.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/conventions.h"
#include "core/errors.h"
#include "core/strings.h"
#include "proto/wire/enums.h"

namespace lossd::server {
namespace {

using wire::ToWire;

std::string ContentText(const Input& input) {
  const std::string bound(1, input.bound);
  switch (input.content) {
    case Content::kNumbers:
      return "numbers";
    case Content::kIndex:
      return "integers in [0, " + bound + ")";
    case Content::kIndexOrPad:
      return "integers in [-1, " + bound + "); -1: nothing";
    case Content::kCount:
      return "integers in [0, " + bound + "]";
    case Content::kPrefixIndex:
      return Cat("integers in [0, ", bound, "), as many as ", input.counted_by, " says");
    case Content::kBool:
      return "flags";
  }
  return "";
}

const Input* TargetOf(const Contract& contract) {
  const size_t i = contract.InputIndex("y_true");
  return i < contract.inputs.size() ? &contract.inputs[i] : nullptr;
}

// A parameter's value as a request would write it.
void SetParam(const Param& param, double value, google::protobuf::Struct* params) {
  google::protobuf::Value& wire = (*params->mutable_fields())[std::string(param.name)];
  if (!param.is_choice()) {
    std::isfinite(value) ? wire.set_number_value(value) : wire.set_string_value(value > 0 ? "inf" : "-inf");
    return;
  }
  const std::string_view word = param.choices[static_cast<size_t>(value)];
  if (word == "true" || word == "false") {
    wire.set_bool_value(word == "true");
  } else {
    wire.set_string_value(std::string(word));
  }
}

// The words of "... T C" behind the dots.
std::vector<std::string_view> Letters(std::string_view shape) {
  std::vector<std::string_view> letters;
  for (size_t at = 0; at < shape.size();) {
    const size_t end = std::min(shape.find(' ', at), shape.size());
    if (shape.substr(at, end - at) != "...") letters.push_back(shape.substr(at, end - at));
    at = end + 1;
  }
  return letters;
}

// Shapes of an example's tensors from the letters of the contract: those that the prediction binds are known, one more
// follows from the number of elements. A row, sequence or region is sent as a batch of one.
class ExampleShapes {
 public:
  ExampleShapes(const Contract& contract, const Example& example) : contract_(contract) {
    std::vector<int64_t> inner(example.shape.begin(), example.shape.end());
    if (inner.empty()) inner.push_back(static_cast<int64_t>(example.prediction.size()));
    const std::vector<std::string_view> letters = Letters(contract.inputs[0].shape);
    const size_t lead = inner.size() - std::min(inner.size(), letters.size());
    for (size_t i = 0; i < letters.size() && lead + i < inner.size(); ++i) {
      const bool one_more = letters[i].ends_with("+1");
      sizes_[letters[i][0]] = inner[lead + i] - (one_more ? 1 : 0);
    }
    first_ = inner;
    batched_ = contract.family != Family::kElementwise && contract.family != Family::kBatch && lead == 0;
    if (contract.family == Family::kRegion) batched_ = inner.size() == letters.size();
    items_.assign(inner.begin(), inner.begin() + lead);
    if (batched_) {
      first_.insert(first_.begin(), 1);
      items_ = {1};
    }
  }

  const std::vector<int64_t>& first() const { return first_; }

  std::vector<int64_t> Of(const Input& input, size_t count) const {
    if (contract_.family == Family::kElementwise) {
      return input.shape == "..." ? first_ : std::vector<int64_t>{static_cast<int64_t>(count)};
    }
    std::vector<int64_t> shape;
    if (input.shape.starts_with("...")) shape = items_;
    int64_t known = 1;
    for (const int64_t size : shape) known *= size;
    size_t open = ~size_t{0};
    for (const std::string_view letter : Letters(input.shape)) {
      const auto found = sizes_.find(letter[0]);
      const bool digit = letter[0] >= '0' && letter[0] <= '9';
      if (!digit && found == sizes_.end()) {
        open = shape.size();
        shape.push_back(1);
      } else {
        shape.push_back(digit ? letter[0] - '0' : found->second + (letter.ends_with("+1") ? 1 : 0));
        known *= shape.back();
      }
    }
    if (open < shape.size() && known > 0) shape[open] = static_cast<int64_t>(count) / known;
    return shape;
  }

 private:
  const Contract& contract_;
  std::map<char, int64_t> sizes_;
  std::vector<int64_t> first_, items_;
  bool batched_;
};

v1::Tolerance ToWire(const Tolerance& tolerance, bool curvature) {
  v1::Tolerance wire;
  wire.set_value_ulp(tolerance.value_ulp);
  wire.set_gradient_ulp(tolerance.slope_ulp);
  if (curvature) wire.set_hessian_ulp(tolerance.curvature_ulp > 0 ? tolerance.curvature_ulp : tolerance.slope_ulp);
  return wire;
}

void AddExample(const Loss& loss, const Example& example, v1::DescribeLossResponse* response) {
  const Contract& contract = *loss.contract;
  v1::Example* added = response->add_examples();
  added->set_input_kind(ToWire(example.form.input_kind));
  added->set_clip_policy(ToWire(example.form.clip_policy));
  for (size_t i = 0; i < example.params.size(); ++i) {
    SetParam(contract.params[i], example.params[i], added->mutable_params());
  }
  added->mutable_y_true()->Add(example.target.begin(), example.target.end());
  added->mutable_y_pred()->Add(example.prediction.begin(), example.prediction.end());
  const ExampleShapes shapes(contract, example);
  added->mutable_shape()->Add(shapes.first().begin(), shapes.first().end());
  if (const Input* const target = TargetOf(contract); target != nullptr) {
    for (const int64_t size : shapes.Of(*target, example.target.size())) added->add_y_true_shape(size);
  }
  size_t other = 0;
  for (size_t i = 1; i < contract.inputs.size() && other < example.others.size(); ++i) {
    const Input& input = contract.inputs[i];
    if (input.name == "y_true" || input.optional) continue;
    v1::Values* values = added->add_others();
    values->set_name(std::string(input.name));
    values->mutable_values()->Add(example.others[other].begin(), example.others[other].end());
    for (const int64_t size : shapes.Of(input, example.others[other].size())) values->add_shape(size);
    ++other;
  }
  added->set_value(example.value);
  added->mutable_gradient()->Add(example.gradient.begin(), example.gradient.end());
  added->set_origin(std::string(example.origin));
}

void AddInputs(const Contract& contract, v1::DescribeLossResponse* response) {
  for (const Input& input : contract.inputs) {
    v1::Input* added = response->add_inputs();
    added->set_name(std::string(input.name));
    added->set_shape(std::string(input.shape));
    added->set_content(ContentText(input));
    const Interval& domain = input.name == "y_true" ? contract.target : input.domain;
    if (input.content == Content::kNumbers) added->set_domain(error::ToString(domain));
    added->set_summary(std::string(input.summary));
    added->set_differentiable(input.differentiable);
    added->set_optional(input.optional);
  }
  const Input* const target = TargetOf(contract);
  if (target == nullptr) return;
  response->set_target(target->content == Content::kNumbers ? error::ToString(contract.target) : ContentText(*target));
  response->set_y_true_shape(std::string(target->shape));
}

void AddParams(const Contract& contract, v1::DescribeLossResponse* response) {
  for (const Param& param : contract.params) {
    v1::Parameter* added = response->add_parameters();
    added->set_name(std::string(param.name));
    added->set_summary(std::string(param.summary));
    if (param.is_choice()) {
      for (const std::string_view choice : param.choices) added->add_choices(std::string(choice));
      added->set_default_choice(std::string(param.choices[static_cast<size_t>(param.fallback)]));
    } else {
      added->set_default_value(param.fallback);
      added->set_domain(error::ToString(param.domain));
    }
  }
}

// What a convention sets where it differs from the defaults of options.proto.
void AddConventions(const Contract& contract, v1::DescribeLossResponse* response) {
  for (const Bundle& bundle : contract.conventions) {
    v1::Bundle* added = response->add_conventions();
    added->set_convention(ToWire(bundle.convention));
    const Options usual = UsualOptions(contract, bundle);
    v1::Options* options = added->mutable_options();
    if (usual.input_kind != InputKind::kUnspecified) options->set_input_kind(ToWire(usual.input_kind));
    if (usual.clip_policy.value_or(ClipPolicy::kNone) != ClipPolicy::kNone)
      options->set_clip_policy(ToWire(*usual.clip_policy));
    if (usual.reduction != contract.reduction) options->set_reduction(ToWire(*usual.reduction));
    if (usual.divisor != Divisor::kCount) options->set_divisor(ToWire(*usual.divisor));
    if (usual.last_axis != LastAxis::kKeep) options->set_last_axis(ToWire(*usual.last_axis));
    if (usual.kink_policy != KinkPolicy::kLeastNorm) options->set_kink_policy(ToWire(*usual.kink_policy));
    if (usual.empty_policy != EmptyPolicy::kZero) options->set_empty_policy(ToWire(*usual.empty_policy));
    if (usual.axis) options->set_axis(*usual.axis);
    for (const Setting& setting : bundle.params) {
      SetParam(contract.params[contract.ParamIndex(setting.param)], setting.value, added->mutable_params());
    }
  }
}

}  // namespace

v1::LossSummary ToSummary(const Loss& loss) {
  v1::LossSummary summary;
  summary.set_name(std::string(loss.contract->name));
  for (const Alias& alias : loss.contract->aliases) summary.add_aliases(std::string(alias.name));
  summary.set_topic(std::string(loss.topic));
  summary.set_family(std::string(Name(loss.contract->family)));
  summary.set_summary(std::string(loss.contract->summary));
  return summary;
}

v1::DescribeLossResponse ToDescription(const Loss& loss) {
  const Contract& contract = *loss.contract;
  v1::DescribeLossResponse response;
  *response.mutable_loss() = ToSummary(loss);
  response.set_use(std::string(contract.use));
  response.set_formula(std::string(contract.formula));
  response.set_gradient(std::string(contract.gradient));
  response.set_tex(std::string(contract.tex));
  response.set_source(std::string(contract.source));
  response.set_notes(std::string(contract.notes));
  response.set_peers(std::string(contract.peers));
  response.set_kinks(std::string(contract.kinks_note));
  AddParams(contract, &response);
  for (const Form& form : contract.forms) {
    if (form.input_kind == InputKind::kUnspecified) continue;  // the loss has one reading, which has no name
    v1::Form* added = response.add_forms();
    added->set_input_kind(ToWire(form.input_kind));
    added->set_clip_policy(ToWire(form.clip_policy));
    added->set_prediction(error::ToString(form.prediction));
    for (const Alias& alias : contract.aliases) {
      if (alias.implies == form.input_kind) added->add_implied_by(std::string(alias.name));
    }
  }
  AddInputs(contract, &response);
  AddConventions(contract, &response);
  for (const Example& example : contract.examples) AddExample(loss, example, &response);
  *response.mutable_tolerance_f32() = ToWire(contract.f32, contract.curvature);
  *response.mutable_tolerance_f64() = ToWire(contract.f64, contract.curvature);
  response.set_tolerance_note(std::string(contract.tolerance_note));
  response.set_has_hessian_diagonal(contract.curvature);
  response.set_has_kink_policy(contract.has_kinks);
  response.set_takes_label_smoothing(contract.smoothing != Smoothing::kNone);
  response.set_takes_class_weight(contract.class_weights);
  response.set_takes_class_mask(contract.class_mask);
  response.set_default_reduction(ToWire(contract.reduction));
  response.set_output(std::string(contract.extra == Extra::kTerms ? std::string_view() : contract.extra_name));
  return response;
}

}  // namespace lossd::server
