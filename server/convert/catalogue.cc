#include "server/convert/catalogue.h"

#include <cmath>
#include <string>
#include <string_view>

#include "core/errors.h"
#include "proto/wire/enums.h"

namespace lossd::server {
namespace {

using wire::ToWire;

std::string_view TargetShape(Family family) {
  switch (family) {
    case Family::kElementwise:
      return "that of y_pred";
    case Family::kRowWithIndex:
      return "that of y_pred without the last axis";
    case Family::kRowWithRow:
      return "that of y_pred";
  }
  return "";
}

std::string TargetDomain(const Loss& loss) {
  if (loss.family == Family::kRowWithIndex) return "class indices, integers in [0, K)";
  return error::ToString(loss.contract->target);
}

void AddExample(const Loss& loss, const Example& example, v1::DescribeLossResponse* response) {
  v1::Example* added = response->add_examples();
  added->set_input_kind(ToWire(example.form.input_kind));
  added->set_clip_policy(ToWire(example.form.clip_policy));
  for (size_t i = 0; i < example.params.size(); ++i) {
    const std::string name(loss.contract->params[i].name);
    (*added->mutable_params()->mutable_fields())[name].set_number_value(example.params[i]);
  }
  added->mutable_y_true()->Add(example.target.begin(), example.target.end());
  added->mutable_y_pred()->Add(example.prediction.begin(), example.prediction.end());
  added->set_value(example.value);
  added->mutable_gradient()->Add(example.gradient.begin(), example.gradient.end());
}

}  // namespace

v1::LossSummary ToSummary(const Loss& loss) {
  v1::LossSummary summary;
  summary.set_name(std::string(loss.contract->name));
  for (const Alias& alias : loss.contract->aliases) summary.add_aliases(std::string(alias.name));
  summary.set_family(std::string(Name(loss.family)));
  summary.set_summary(std::string(loss.contract->summary));
  return summary;
}

v1::DescribeLossResponse ToDescription(const Loss& loss) {
  const Contract& contract = *loss.contract;
  v1::DescribeLossResponse response;
  *response.mutable_loss() = ToSummary(loss);
  response.set_formula(std::string(contract.formula));
  response.set_gradient(std::string(contract.gradient));
  response.set_source(std::string(contract.source));
  response.set_notes(std::string(contract.notes));
  for (const Param& param : contract.params) {
    v1::Parameter* added = response.add_parameters();
    added->set_name(std::string(param.name));
    added->set_default_value(param.fallback);
    added->set_domain(error::ToString(param.domain));
    added->set_summary(std::string(param.summary));
  }
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
  response.set_target(TargetDomain(loss));
  response.set_y_true_shape(std::string(TargetShape(loss.family)));
  response.set_kinks(std::string(contract.kinks_note));
  for (const Example& example : contract.examples) AddExample(loss, example, &response);
  response.mutable_tolerance_f32()->set_value_ulp(contract.f32.value_ulp);
  response.mutable_tolerance_f32()->set_gradient_ulp(contract.f32.slope_ulp);
  response.mutable_tolerance_f64()->set_value_ulp(contract.f64.value_ulp);
  response.mutable_tolerance_f64()->set_gradient_ulp(contract.f64.slope_ulp);
  return response;
}

}  // namespace lossd::server
