#include "core/conventions.h"

#include <algorithm>
#include <cmath>

#include "core/errors.h"

namespace lossd {
namespace {

using Params = std::array<double, kMaxParams>;

// Infinities have no number in JSON: their names are taken too.
std::optional<double> NumberIn(const ParamValue& given) {
  if (const double* const number = std::get_if<double>(&given)) return *number;
  const std::string* const word = std::get_if<std::string>(&given);
  if (word == nullptr) return std::nullopt;
  if (*word == "inf" || *word == "Infinity") return kInf;
  if (*word == "-inf" || *word == "-Infinity") return -kInf;
  return std::nullopt;
}

absl::StatusOr<double> ToNumber(const Contract& contract, const Param& param, const ParamValue& given) {
  if (!param.is_choice()) {
    const std::optional<double> number = NumberIn(given);
    if (!number) return error::ParamNotANumber(contract.name, param);
    if (!param.domain.Contains(*number)) return error::ParamOutOfDomain(contract.name, param, *number);
    return *number;
  }
  std::string_view word;
  if (const bool* const flag = std::get_if<bool>(&given)) word = *flag ? "true" : "false";
  if (const std::string* const text = std::get_if<std::string>(&given)) word = *text;
  const auto* const found = std::find(param.choices.begin(), param.choices.end(), word);
  if (found == param.choices.end()) return error::ParamNotAChoice(contract.name, param, word);
  return static_cast<double>(found - param.choices.begin());
}

absl::StatusOr<Params> ResolveParams(const Contract& contract, const Bundle& bundle, Reduction reduction,
                                     const Request& request) {
  Params params{};
  std::array<bool, kMaxParams> seen{};
  for (size_t i = 0; i < contract.params.size(); ++i) params[i] = contract.params[i].fallback;
  const auto set = [&](const Setting& setting) { params[contract.ParamIndex(setting.param)] = setting.value; };
  for (const Setting& setting : bundle.params) set(setting);
  if (reduction == Reduction::kMean) {
    for (const Setting& setting : bundle.mean_params) set(setting);
  }
  for (const auto& [name, value] : request.params) {
    const size_t i = contract.ParamIndex(name);
    if (i == contract.params.size()) {
      std::vector<std::string_view> known;
      for (const Param& p : contract.params) known.push_back(p.name);
      return error::UnknownParam(contract.name, name, known);
    }
    if (seen[i]) return error::RepeatedParam(contract.name, name);
    seen[i] = true;
    const absl::StatusOr<double> number = ToNumber(contract, contract.params[i], value);
    if (!number.ok()) return number.status();
    params[i] = *number;
  }
  return params;
}

bool Takes(const Contract& contract, InputKind kind, ClipPolicy policy) {
  return std::any_of(contract.forms.begin(), contract.forms.end(), [&](const Form& form) {
    return form == Form{kind, policy};
  });
}

// What a library assumes about y_pred where the call does not say. Keras: from_logits=False.
InputKind UsualKind(const Contract& contract, const Bundle& bundle) {
  if (bundle.input_kind) return *bundle.input_kind;
  constexpr InputKind kProbabilities = InputKind::kProbabilities;
  const bool has =
      Takes(contract, kProbabilities, ClipPolicy::kNone) || Takes(contract, kProbabilities, ClipPolicy::kKeras);
  return bundle.convention == Convention::kKeras && has ? kProbabilities : InputKind::kUnspecified;
}

ClipPolicy UsualClip(const Contract& contract, const Bundle& bundle, InputKind kind) {
  const bool keras = bundle.convention == Convention::kKeras;
  const ClipPolicy clip = bundle.clip_policy.value_or(keras ? ClipPolicy::kKeras : ClipPolicy::kNone);
  return Takes(contract, kind, clip) ? clip : ClipPolicy::kNone;
}

// The form that the options, the name and the convention ask for.
absl::StatusOr<const FormKernels*> ResolveForm(const ResolvedLoss& resolved, const Bundle* bundle,
                                               const Request& request) {
  const Contract& contract = *resolved.loss.contract;
  const Options& options = request.options;
  InputKind kind = options.input_kind;
  if (resolved.implied != InputKind::kUnspecified) {
    if (kind != InputKind::kUnspecified && kind != resolved.implied) {
      return error::InputKindConflict(request.loss, resolved.implied, kind);
    }
    kind = resolved.implied;
  }
  if (kind == InputKind::kUnspecified && bundle != nullptr) kind = UsualKind(contract, *bundle);
  if (kind == InputKind::kUnspecified && contract.forms.size() == 1) kind = contract.forms[0].input_kind;
  if (kind == InputKind::kUnspecified && contract.forms[0].input_kind != kind) return error::InputKindMissing(contract);
  const ClipPolicy usual = bundle == nullptr ? ClipPolicy::kNone : UsualClip(contract, *bundle, kind);
  const ClipPolicy clip = options.clip_policy.value_or(usual);
  for (const FormKernels& kernels : resolved.loss.forms) {
    if (kernels.form == Form{kind, clip}) return &kernels;
  }
  return error::FormNotAccepted(contract, kind, clip);
}

absl::Status CheckApplicable(const Contract& contract, const Request& request) {
  const Options& options = request.options;
  const auto refuse = [&](bool given, std::string_view field, std::string_view reason) {
    return given ? error::NotApplicable(field, contract.name, reason) : absl::OkStatus();
  };
  const size_t y_true = contract.InputIndex("y_true");
  // One label an item: its items can be ignored.
  const bool indexed = y_true < contract.inputs.size() && contract.inputs[y_true].content == Content::kIndex &&
                       (contract.inputs[y_true].shape == "..." || contract.inputs[y_true].shape == "N");
  const bool elementwise = contract.family == Family::kElementwise;
  for (const absl::Status& status : {
           refuse(options.last_axis && *options.last_axis != LastAxis::kKeep && !elementwise, "options.last_axis",
                  "which is no elementwise loss"),
           refuse(options.label_smoothing != 0 && contract.smoothing == Smoothing::kNone, "options.label_smoothing",
                  "whose targets are no probabilities"),
           refuse(options.ignore_index && !indexed, "options.ignore_index", "whose items have no class index each"),
           refuse(options.axis && *options.axis != -1 && contract.family != Family::kRow, "options.axis",
                  "which has no class axis"),
           refuse(options.item_axes.has_value() && contract.family != Family::kRegion, "options.item_axes",
                  "whose items are not regions"),
           refuse(options.kink_policy && *options.kink_policy != KinkPolicy::kLeastNorm && !contract.has_kinks,
                  "options.kink_policy", "which has no kink with a choice"),
           refuse(options.divisor == Divisor::kTerms && contract.extra != Extra::kTerms, "options.divisor",
                  "whose items are not sums of terms: TERMS"),
           refuse(request.element_weight && !elementwise, "element_weight", "which is no elementwise loss"),
           refuse(request.class_weight && !contract.class_weights &&
                      contract.InputIndex("class_weight") == contract.inputs.size(),
                  "class_weight", "which is no sum over classes"),
           refuse(request.class_mask && !contract.class_mask, "class_mask", "which has no softmax over classes"),
       }) {
    if (!status.ok()) return status;
  }
  if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1)) {
    return error::BadLabelSmoothing(options.label_smoothing);
  }
  return absl::OkStatus();
}

absl::Status CheckDivisor(const Options& options, Reduction reduction) {
  if (reduction != Reduction::kMean && (options.divisor || options.normalizer)) return error::DivisorWithoutMean();
  if (options.divisor && options.normalizer) return error::NormalizerAndDivisor();
  if (options.normalizer && !(*options.normalizer > 0 && std::isfinite(*options.normalizer))) {
    return error::BadNormalizer(*options.normalizer);
  }
  return absl::OkStatus();
}

double Subgradient(KinkPolicy policy) {
  switch (policy) {
    case KinkPolicy::kLeastNorm:
      return 0;
    case KinkPolicy::kAverage:
      return 0.5;
    case KinkPolicy::kActive:
      return 1;
  }
  return 0;
}

}  // namespace

Options UsualOptions(const Contract& contract, const Bundle& bundle) {
  const Convention convention = bundle.convention;
  const bool averages = convention == Convention::kKeras || convention == Convention::kOptax;
  const bool folds = convention == Convention::kKeras && contract.family == Family::kElementwise &&
                     contract.inputs.size() > 1;  // a regulariser has no rows
  Options usual{.convention = convention};
  if (convention != Convention::kLossd) {
    usual.input_kind = UsualKind(contract, bundle);
    usual.clip_policy = UsualClip(contract, bundle, usual.input_kind);
  }
  usual.reduction = bundle.reduction.value_or(convention == Convention::kOptax ? Reduction::kNone : contract.reduction);
  usual.divisor = bundle.divisor.value_or(Divisor::kCount);
  usual.last_axis = bundle.last_axis.value_or(folds ? LastAxis::kMean : LastAxis::kKeep);
  usual.kink_policy = KinkPolicy::kLeastNorm;
  if (contract.has_kinks) {
    usual.kink_policy = bundle.kink_policy.value_or(averages ? KinkPolicy::kAverage : KinkPolicy::kLeastNorm);
  }
  usual.empty_policy = convention == Convention::kTorch ? EmptyPolicy::kNan : EmptyPolicy::kZero;
  if (bundle.axis) usual.axis = *bundle.axis;
  return usual;
}

absl::StatusOr<Resolved> ResolveOptions(const ResolvedLoss& loss, const Request& request) {
  const Contract& contract = *loss.loss.contract;
  const Options& options = request.options;
  const Convention convention = options.convention;
  const Bundle* bundle = nullptr;
  if (convention != Convention::kLossd) {
    bundle = std::find_if(contract.conventions.begin(), contract.conventions.end(),
                          [&](const Bundle& b) { return b.convention == convention; });
    if (bundle == contract.conventions.end()) return error::NoSuchConvention(contract, convention);
  }
  if (absl::Status s = CheckApplicable(contract, request); !s.ok()) return s;
  const absl::StatusOr<const FormKernels*> kernels = ResolveForm(loss, bundle, request);
  if (!kernels.ok()) return kernels.status();

  // What the caller set wins over what the convention stands for.
  static constexpr Bundle kNone;
  const Bundle& of = bundle == nullptr ? kNone : *bundle;
  const Options usual = UsualOptions(contract, of);
  const Reduction reduction = options.reduction.value_or(*usual.reduction);
  const absl::StatusOr<Params> params = ResolveParams(contract, of, reduction, request);
  if (!params.ok()) return params.status();
  Resolved resolved{.kernels = *kernels,
                    .params = *params,
                    .reduction = reduction,
                    .divisor = options.divisor.value_or(*usual.divisor),
                    .normalizer = options.normalizer,
                    .last_axis = options.last_axis.value_or(*usual.last_axis),
                    .kink = Subgradient(options.kink_policy.value_or(*usual.kink_policy)),
                    .empty_policy = options.empty_policy.value_or(*usual.empty_policy),
                    .axis = options.axis ? options.axis : usual.axis,
                    .whole_batch_item = of.whole_batch_item && !options.item_axes,
                    .keras_columns = convention == Convention::kKeras};
  if (absl::Status s = CheckDivisor(options, resolved.reduction); !s.ok()) return s;
  return resolved;
}

}  // namespace lossd
