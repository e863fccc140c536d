// Every error that a request can cause in core, as a function: the wording lives here, call sites read as sentences.
// Messages name the field, what was given and what was expected.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "core/losses/contract.h"
#include "core/tensor/dtype.h"

namespace lossd::error {

// A caller's text, shortened and in quotes, control characters escaped.
std::string Quote(std::string_view text);
// The same without quotes, for the name of a field.
std::string Escape(std::string_view text);
// "(0, inf)"
std::string ToString(const Interval& domain);

absl::Status NoLoss();
absl::Status UnknownLoss(std::string_view name, const std::vector<std::string_view>& near);
absl::Status UnknownParam(std::string_view loss, std::string_view param, const std::vector<std::string_view>& known);
absl::Status RepeatedParam(std::string_view loss, std::string_view param);
absl::Status ParamOutOfDomain(std::string_view loss, const Param& param, double given);
// Of a parameter that picks one of `size` (Param::index_of).
absl::Status ParamNotAnIndex(std::string_view loss, const Param& param, double given, size_t size);
absl::Status ParamNotANumber(std::string_view loss, const Param& param);
absl::Status ParamNotAChoice(std::string_view loss, const Param& param, std::string_view given);

absl::Status NotApplicable(std::string_view field, std::string_view loss, std::string_view reason);
absl::Status NoSuchConvention(const Contract& contract, Convention given);
absl::Status BadLabelSmoothing(double given);
absl::Status BadAxis(std::string_view field, int64_t given, size_t rank);
absl::Status NoClassLeft();
absl::Status UnknownInput(std::string_view name, std::string_view loss, const std::vector<std::string_view>& known);
absl::Status NotDifferentiable(std::string_view name, std::string_view loss,
                               const std::vector<std::string_view>& known);
absl::Status NoHessian(std::string_view loss);
absl::Status UpstreamWithoutNone();

absl::Status InputKindMissing(const Contract& contract);
absl::Status InputKindConflict(std::string_view alias, InputKind implied, InputKind given);
absl::Status FormNotAccepted(const Contract& contract, InputKind kind, ClipPolicy policy);

absl::Status TensorMissing(std::string_view field, std::string_view loss);
absl::Status BadDType(std::string_view field, DType given, std::string_view expected);
absl::Status RankTooLarge(std::string_view field, size_t rank);
absl::Status BadShape(std::string_view field, std::span<const int64_t> shape);
absl::Status WrongByteCount(std::string_view field, DType dtype, std::span<const int64_t> shape, uint64_t given,
                            uint64_t expected);
// `rule`: "row losses take labels of shape [32]"
absl::Status ShapeMismatch(std::string_view field, std::span<const int64_t> given, std::span<const int64_t> y_pred,
                           std::string_view rule);
absl::Status NoClasses(std::span<const int64_t> y_pred);
absl::Status TooManyClasses(int64_t classes);
absl::Status ListTooLong(size_t entries);
absl::Status BatchTooLarge(std::string_view loss, double work);

absl::Status IndexOutOfRange(std::string_view field, size_t index, int64_t given, int64_t lo, int64_t hi);
absl::Status NotBool(std::string_view field, size_t index, int byte);
absl::Status NonFinite(std::string_view field, size_t index, double value);
absl::Status BadNormalizer(double given);
absl::Status NormalizerAndDivisor();
absl::Status DivisorWithoutMean();
absl::Status Cancelled();

}  // namespace lossd::error
