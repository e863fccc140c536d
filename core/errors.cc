#include "core/errors.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "core/limits.h"
#include "core/strings.h"
#include "core/tensor/shape.h"

namespace lossd::error {
namespace {

using absl::InvalidArgumentError;

std::string Endpoint(double x) {
  if (x == kInf) return "inf";
  if (x == -kInf) return "-inf";
  return absl::StrFormat("%g", x);
}

std::string FormsOf(const Contract& contract) {
  std::vector<std::string> names;
  for (const Form& form : contract.forms) {
    names.emplace_back(Name(form.input_kind));
    if (form.clip_policy != ClipPolicy::kNone) names.back() += Cat(" with ", Name(form.clip_policy));
  }
  return JoinNames(names);
}

}  // namespace

std::string Quote(std::string_view text) { return Cat("\"", Escape(text), "\""); }

std::string Escape(std::string_view text) {
  return Cat(absl::CHexEscape(ForAbsl(text.substr(0, kMaxEcho))), text.size() > kMaxEcho ? "..." : "");
}

std::string ToString(const Interval& domain) {
  return Cat(domain.open_lo ? "(" : "[", Endpoint(domain.lo), ", ", Endpoint(domain.hi), domain.open_hi ? ")" : "]");
}

absl::Status NoLoss() { return InvalidArgumentError("loss: empty; expected the name of a loss, see ListLosses"); }

absl::Status UnknownLoss(std::string_view name, const std::vector<std::string_view>& near) {
  return absl::NotFoundError(Cat("loss: no loss is called ", Quote(name), "; ",
                                 near.empty() ? "see ListLosses" : Cat("did you mean ", JoinNames(near), "?")));
}

absl::Status UnknownParam(std::string_view loss, std::string_view param, const std::vector<std::string_view>& known) {
  return InvalidArgumentError(Cat("params: ", loss, " has no parameter ", Quote(param), "; ",
                                  known.empty() ? "it takes none" : Cat("it takes ", JoinNames(known))));
}

absl::Status RepeatedParam(std::string_view loss, std::string_view param) {
  return InvalidArgumentError(Cat("params.", param, ": given more than once for ", loss));
}

absl::Status ParamOutOfDomain(std::string_view loss, const Param& param, double given) {
  return InvalidArgumentError(
      Cat("params.", param.name, ": ", given, " for ", loss, "; expected ", ToString(param.domain)));
}

absl::Status ParamNotAnIndex(std::string_view loss, const Param& param, double given, size_t size) {
  const std::string_view axis(&param.index_of, 1);
  return InvalidArgumentError(Cat("params.", param.name, ": ", given, " for ", loss, "; expected an integer in [-1, ",
                                  axis, ") with ", axis, " = ", size));
}

absl::Status ParamNotANumber(std::string_view loss, const Param& param) {
  return InvalidArgumentError(
      Cat("params.", param.name, ": not a number; ", loss, " expects ", ToString(param.domain)));
}

absl::Status ParamNotAChoice(std::string_view loss, const Param& param, std::string_view given) {
  return InvalidArgumentError(Cat("params.", param.name, ": ", given.empty() ? "a number" : Quote(given), " for ", loss,
                                  "; expected one of ", JoinNames(param.choices)));
}

absl::Status NotApplicable(std::string_view field, std::string_view loss, std::string_view reason) {
  return InvalidArgumentError(Cat(field, ": set for ", loss, ", ", reason, "; leave it out"));
}

absl::Status NoSuchConvention(const Contract& contract, Convention given) {
  std::vector<std::string_view> known = {Name(Convention::kLossd)};
  for (const Bundle& bundle : contract.conventions) known.push_back(Name(bundle.convention));
  return InvalidArgumentError(
      Cat("options.convention: ", Name(given), " has no ", contract.name, "; expected one of ", JoinNames(known)));
}

absl::Status BadLabelSmoothing(double given) {
  return InvalidArgumentError(Cat("options.label_smoothing: ", given, "; expected [0, 1]"));
}

absl::Status BadAxis(std::string_view field, int64_t given, size_t rank) {
  return InvalidArgumentError(Cat(field, ": ", given, " of a tensor with ", rank, " axes"));
}

absl::Status NoClassLeft() { return InvalidArgumentError("class_mask: leaves no class; expected at least one"); }

absl::Status UnknownInput(std::string_view name, std::string_view loss, const std::vector<std::string_view>& known) {
  return InvalidArgumentError(Cat("inputs: ", loss, " reads no tensor ", Quote(name), "; expected ", JoinNames(known)));
}

absl::Status NotDifferentiable(std::string_view name, std::string_view loss,
                               const std::vector<std::string_view>& known) {
  return InvalidArgumentError(Cat("with_respect_to: ", Quote(name), " for ", loss, "; expected ", JoinNames(known)));
}

absl::Status NoHessian(std::string_view loss) {
  return absl::UnimplementedError(
      Cat("hessian_diagonal: ", loss, " has no second derivative that is defined item by item here"));
}

absl::Status UpstreamWithoutNone() {
  return InvalidArgumentError("upstream: is for the reduction NONE of Gradient; leave it out");
}

absl::Status InputKindMissing(const Contract& contract) {
  return InvalidArgumentError(Cat("options.input_kind: not set; ", contract.name,
                                  " differs by what y_pred is and never guesses: expected one of ", FormsOf(contract)));
}

absl::Status InputKindConflict(std::string_view alias, InputKind implied, InputKind given) {
  return InvalidArgumentError(Cat("options.input_kind: ", Name(given), " contradicts the name ", Quote(alias),
                                  ", which stands for ", Name(implied)));
}

absl::Status FormNotAccepted(const Contract& contract, InputKind kind, ClipPolicy policy) {
  if (contract.forms.size() == 1 && contract.forms[0] == Form{}) {
    const std::string_view field = kind != InputKind::kUnspecified ? "options.input_kind" : "options.clip_policy";
    return InvalidArgumentError(Cat(field, ": ", kind != InputKind::kUnspecified ? Name(kind) : Name(policy), " for ",
                                    contract.name, ", which takes plain values; leave it out"));
  }
  const bool kind_known = [&] {
    for (const Form& form : contract.forms) {
      if (form.input_kind == kind) return true;
    }
    return false;
  }();
  return InvalidArgumentError(Cat(kind_known ? "options.clip_policy: " : "options.input_kind: ", Name(kind), " with ",
                                  Name(policy), " for ", contract.name, "; expected ", FormsOf(contract)));
}

absl::Status TensorMissing(std::string_view field, std::string_view loss) {
  return InvalidArgumentError(Cat(field, ": missing; ", loss, " needs it"));
}

absl::Status BadDType(std::string_view field, DType given, std::string_view expected) {
  return InvalidArgumentError(Cat(field, ": dtype ", Name(given), "; expected ", expected));
}

absl::Status RankTooLarge(std::string_view field, size_t rank) {
  return InvalidArgumentError(Cat(field, ": ", rank, " axes; expected at most ", kMaxRank));
}

absl::Status BadShape(std::string_view field, std::span<const int64_t> shape) {
  return InvalidArgumentError(
      Cat(field, ": shape ", lossd::ToString(shape), "; expected sizes >= 0 whose product fits 63 bits"));
}

absl::Status WrongByteCount(std::string_view field, DType dtype, std::span<const int64_t> shape, uint64_t given,
                            uint64_t expected) {
  return InvalidArgumentError(
      Cat(field, ": ", given, " bytes of data; ", Name(dtype), " ", lossd::ToString(shape), " has ", expected));
}

absl::Status ShapeMismatch(std::string_view field, std::span<const int64_t> given, std::span<const int64_t> y_pred,
                           std::string_view rule) {
  return InvalidArgumentError(
      Cat(field, ": shape ", lossd::ToString(given), " does not match y_pred ", lossd::ToString(y_pred), "; ", rule));
}

absl::Status NoClasses(std::span<const int64_t> y_pred) {
  return InvalidArgumentError(
      Cat("y_pred: shape ", lossd::ToString(y_pred), "; row losses need a last axis of at least one class"));
}

absl::Status TooManyClasses(int64_t classes) {
  return InvalidArgumentError(Cat("y_pred: ", classes, " classes; expected at most ", kMaxRowWidth));
}

absl::Status ListTooLong(size_t entries) {
  return InvalidArgumentError(
      Cat("y_pred: lists of ", entries, " entries; expected at most ", kMaxListLength, ": every pair is looked at"));
}

absl::Status BatchTooLarge(std::string_view loss, double work) {
  return InvalidArgumentError(
      absl::StrFormat("y_pred: %s of these sizes takes %.3g multiplications; expected at most %.3g", std::string(loss),
                      work, kMaxBatchWork));
}

absl::Status IndexOutOfRange(std::string_view field, size_t index, int64_t given, int64_t lo, int64_t hi) {
  return InvalidArgumentError(Cat(field, ": ", field == "y_true" ? "label " : "", given, " at flat index ", index,
                                  "; expected [", lo, ", ", hi, ")"));
}

absl::Status NotBool(std::string_view field, size_t index, int byte) {
  return InvalidArgumentError(Cat(field, ": byte ", byte, " at flat index ", index, "; BOOL is 0 or 1"));
}

absl::Status NonFinite(std::string_view field, size_t index, double value) {
  return InvalidArgumentError(Cat(field, ": ", absl::StrFormat("%g", value), " at flat index ", index,
                                  "; expected finite values (non_finite_policy ERROR)"));
}

absl::Status BadNormalizer(double given) {
  return InvalidArgumentError(Cat("options.normalizer: ", given, "; expected (0, inf)"));
}

absl::Status NormalizerAndDivisor() {
  return InvalidArgumentError("options.normalizer: set beside options.divisor; expected one of the two");
}

absl::Status DivisorWithoutMean() {
  return InvalidArgumentError(
      "options.divisor: a divisor is used by the reduction MEAN alone; leave divisor and normalizer out");
}

absl::Status Cancelled() { return absl::CancelledError("stopped before the end"); }

}  // namespace lossd::error
