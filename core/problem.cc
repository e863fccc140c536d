#include "core/problem.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/errors.h"
#include "core/limits.h"
#include "core/registry.h"

namespace lossd {
namespace {

// Tensors are little-endian on the wire and read where they lie.
static_assert(std::endian::native == std::endian::little,
              "lossd reads tensors in place and needs a little-endian machine");

using Params = std::array<double, 4>;

absl::StatusOr<Params> ResolveParams(const Contract& contract,
                                     const std::vector<std::pair<std::string, double>>& given) {
  Params params{};
  std::array<bool, 4> seen{};
  for (size_t i = 0; i < contract.params.size(); ++i) params[i] = contract.params[i].fallback;
  for (const auto& [name, value] : given) {
    const auto* const param =
        std::find_if(contract.params.begin(), contract.params.end(), [&](const Param& p) { return p.name == name; });
    if (param == contract.params.end()) {
      std::vector<std::string_view> known;
      for (const Param& p : contract.params) known.push_back(p.name);
      return error::UnknownParam(contract.name, name, known);
    }
    const size_t i = param - contract.params.begin();
    if (seen[i]) return error::RepeatedParam(contract.name, name);
    seen[i] = true;
    if (!param->domain.Contains(value)) return error::ParamOutOfDomain(contract.name, *param, value);
    params[i] = value;
  }
  return params;
}

// The form that the options and the name ask for.
absl::StatusOr<const FormKernels*> ResolveForm(const ResolvedLoss& resolved, std::string_view name,
                                               const Options& options) {
  const Contract& contract = *resolved.loss.contract;
  InputKind kind = options.input_kind;
  if (resolved.implied != InputKind::kUnspecified) {
    if (kind != InputKind::kUnspecified && kind != resolved.implied) {
      return error::InputKindConflict(name, resolved.implied, kind);
    }
    kind = resolved.implied;
  }
  const bool plain = contract.forms.size() == 1;
  if (kind == InputKind::kUnspecified && !plain) return error::InputKindMissing(contract);
  for (const FormKernels& kernels : resolved.loss.forms) {
    if (kernels.form == Form{kind, options.clip_policy}) return &kernels;
  }
  return error::FormNotAccepted(contract, kind, options.clip_policy);
}

// The shape of the items: where values live.
absl::StatusOr<Shape> ItemShape(Family family, const TensorView& y_pred) {
  const Shape& shape = y_pred.shape();
  if (family == Family::kElementwise) return shape;
  if (shape.empty() || shape.back() < 1) return error::NoClasses(shape);
  if (shape.back() > static_cast<int64_t>(kMaxRowWidth)) return error::TooManyClasses(shape.back());
  return Shape(shape.begin(), shape.end() - 1);
}

absl::Status CheckTarget(Family family, const TensorView& y_true, const TensorView& y_pred, const Shape& items) {
  const DType dtype = y_true.dtype();
  if (family == Family::kRowWithIndex) {
    if (dtype != DType::kI32 && dtype != DType::kI64 && dtype != DType::kU8) {
      return error::BadDType("y_true", dtype, "class indices, I32, I64 or U8");
    }
    if (y_true.shape() == items) return absl::OkStatus();
    return error::ShapeMismatch("y_true", y_true.shape(), y_pred.shape(), "sparse labels need " + ToString(items));
  }
  if (dtype == DType::kF16 || dtype == DType::kBF16) return error::DTypeNotServed("y_true", dtype);
  if (IsFloatingPoint(dtype) && dtype != y_pred.dtype()) {
    return error::BadDType("y_true", dtype,
                           "the dtype of y_pred, " + std::string(Name(y_pred.dtype())) + ", or an integer or BOOL one");
  }
  if (y_true.shape() == y_pred.shape()) return absl::OkStatus();
  return error::ShapeMismatch("y_true", y_true.shape(), y_pred.shape(), "expected the same shape");
}

// Labels are read whole: out of range is an error of the request, never a number.
template <class T>
absl::Status CheckLabelsAs(const TensorView& labels, size_t classes) {
  constexpr size_t kRun = 4096;
  T scratch[kRun];
  for (size_t begin = 0; begin < labels.count(); begin += kRun) {
    const size_t count = std::min(kRun, labels.count() - begin);
    const std::byte* const bytes = labels.Block(begin, count, reinterpret_cast<std::byte*>(scratch));
    if (bytes != reinterpret_cast<std::byte*>(scratch)) std::memcpy(scratch, bytes, count * sizeof(T));
    bool good = true;
    for (size_t i = 0; i < count; ++i) good &= scratch[i] >= 0 && static_cast<uint64_t>(scratch[i]) < classes;
    if (good) continue;
    for (size_t i = 0; i < count; ++i) {
      if (scratch[i] < 0 || static_cast<uint64_t>(scratch[i]) >= classes) {
        return error::LabelOutOfRange(begin + i, static_cast<int64_t>(scratch[i]), classes);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckLabels(const TensorView& labels, size_t classes) {
  switch (labels.dtype()) {
    case DType::kI32:
      return CheckLabelsAs<int32_t>(labels, classes);
    case DType::kI64:
      return CheckLabelsAs<int64_t>(labels, classes);
    default:
      return CheckLabelsAs<uint8_t>(labels, classes);
  }
}

// Bytes of a BOOL are 0 or 1: anything else is a tensor of another dtype.
absl::Status CheckBools(std::string_view field, const TensorView& view) {
  size_t index = 0;
  for (const Segment& segment : view.segments()) {
    const auto* const end = segment.data + segment.size;
    const auto* const bad = std::find_if(segment.data, end, [](std::byte b) { return b > std::byte{1}; });
    if (bad != end) return error::NotBool(field, index + (bad - segment.data), static_cast<int>(*bad));
    index += segment.size;
  }
  return absl::OkStatus();
}

template <class T>
absl::Status CheckFiniteAs(std::string_view field, const TensorView& view) {
  constexpr size_t kRun = 1024;
  T scratch[kRun];
  for (size_t begin = 0; begin < view.count(); begin += kRun) {
    const size_t count = std::min(kRun, view.count() - begin);
    const std::byte* const bytes = view.Block(begin, count, reinterpret_cast<std::byte*>(scratch));
    if (bytes != reinterpret_cast<std::byte*>(scratch)) std::memcpy(scratch, bytes, count * sizeof(T));
    for (size_t i = 0; i < count; ++i) {
      if (!std::isfinite(scratch[i])) return error::NonFinite(field, begin + i, scratch[i]);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFinite(std::string_view field, const TensorView& view) {
  if (view.dtype() == DType::kF32) return CheckFiniteAs<float>(field, view);
  if (view.dtype() == DType::kF64) return CheckFiniteAs<double>(field, view);
  return absl::OkStatus();
}

// Aligns a weight or mask to the leading axes of the items: its shape must be a prefix of theirs, trailing ones aside.
absl::StatusOr<PerItem> AlignToItems(std::string_view field, TensorView view, const Shape& items, const Shape& y_pred) {
  const Shape& shape = view.shape();
  size_t prefix = 0;
  while (prefix < shape.size() && prefix < items.size() && shape[prefix] == items[prefix]) ++prefix;
  const bool rest_is_ones = std::all_of(shape.begin() + prefix, shape.end(), [](int64_t size) { return size == 1; });
  if (!rest_is_ones || shape.size() > items.size()) {
    return error::ShapeMismatch(field, shape, y_pred,
                                "expected the leading axes of the items' shape " + ToString(items) + ", or all of it");
  }
  const std::span<const int64_t> inner(items.begin() + prefix, items.end());
  return PerItem{std::move(view), ElementCount(inner).value_or(0)};
}

absl::StatusOr<Divisor> ResolveDivisor(const Options& options) {
  if (options.reduction != Reduction::kMean && (options.divisor || options.normalizer))
    return error::DivisorWithoutMean();
  if (options.divisor && options.normalizer) return error::NormalizerAndDivisor();
  if (options.normalizer && !(*options.normalizer > 0 && std::isfinite(*options.normalizer))) {
    return error::BadNormalizer(*options.normalizer);
  }
  return options.divisor.value_or(Divisor::kCount);
}

}  // namespace

absl::StatusOr<Problem> MakeProblem(Request request) {
  const absl::StatusOr<ResolvedLoss> resolved = FindLoss(request.loss);
  if (!resolved.ok()) return resolved.status();
  const Loss& loss = resolved->loss;
  const std::string_view name = loss.contract->name;

  const absl::StatusOr<const FormKernels*> kernels = ResolveForm(*resolved, request.loss, request.options);
  if (!kernels.ok()) return kernels.status();
  const absl::StatusOr<Params> params = ResolveParams(*loss.contract, request.params);
  if (!params.ok()) return params.status();
  const absl::StatusOr<Divisor> divisor = ResolveDivisor(request.options);
  if (!divisor.ok()) return divisor.status();

  if (!request.y_pred) return error::TensorMissing("y_pred", name);
  if (!request.y_true) return error::TensorMissing("y_true", name);
  const DType dtype = request.y_pred->dtype();
  if (dtype == DType::kF16 || dtype == DType::kBF16) return error::DTypeNotServed("y_pred", dtype);
  if (!IsFloatingPoint(dtype)) return error::BadDType("y_pred", dtype, "F32 or F64");

  absl::StatusOr<Shape> items = ItemShape(loss.family, *request.y_pred);
  if (!items.ok()) return items.status();
  if (absl::Status s = CheckTarget(loss.family, *request.y_true, *request.y_pred, *items); !s.ok()) return s;
  const size_t width = loss.family == Family::kElementwise ? 1 : static_cast<size_t>(request.y_pred->shape().back());

  std::optional<PerItem> sample_weight, mask;
  if (request.sample_weight) {
    const DType given = request.sample_weight->dtype();
    if (given != DType::kF32 && given != DType::kF64) return error::BadDType("sample_weight", given, "F32 or F64");
    absl::StatusOr<PerItem> aligned =
        AlignToItems("sample_weight", *std::move(request.sample_weight), *items, request.y_pred->shape());
    if (!aligned.ok()) return aligned.status();
    sample_weight = *std::move(aligned);
  }
  if (request.mask) {
    const DType given = request.mask->dtype();
    if (given != DType::kBool && given != DType::kU8) return error::BadDType("mask", given, "BOOL or U8");
    absl::StatusOr<PerItem> aligned = AlignToItems("mask", *std::move(request.mask), *items, request.y_pred->shape());
    if (!aligned.ok()) return aligned.status();
    mask = *std::move(aligned);
  }

  // From here on the contents are looked at; shapes are known to fit.
  if (loss.family == Family::kRowWithIndex) {
    if (absl::Status s = CheckLabels(*request.y_true, width); !s.ok()) return s;
  }
  if (request.y_true->dtype() == DType::kBool) {
    if (absl::Status s = CheckBools("y_true", *request.y_true); !s.ok()) return s;
  }
  if (mask && mask->view.dtype() == DType::kBool) {
    if (absl::Status s = CheckBools("mask", mask->view); !s.ok()) return s;
  }
  if (request.options.non_finite_policy == NonFinitePolicy::kError) {
    if (absl::Status s = CheckFinite("y_pred", *request.y_pred); !s.ok()) return s;
    if (absl::Status s = CheckFinite("y_true", *request.y_true); !s.ok()) return s;
    if (sample_weight) {
      if (absl::Status s = CheckFinite("sample_weight", sample_weight->view); !s.ok()) return s;
    }
  }

  const size_t num_items = width == 0 ? 0 : request.y_pred->count() / width;
  return Problem{
      .loss = loss,
      .form = (*kernels)->form,
      .f32 = (*kernels)->f32,
      .f64 = (*kernels)->f64,
      .params = *params,
      .dtype = dtype,
      .y_pred = *std::move(request.y_pred),
      .y_true = *std::move(request.y_true),
      .sample_weight = std::move(sample_weight),
      .mask = std::move(mask),
      .item_shape = *std::move(items),
      .num_items = num_items,
      .width = width,
      .reduction = request.options.reduction,
      .divisor = *divisor,
      .normalizer = request.options.normalizer,
      .empty_policy = request.options.empty_policy,
      .gradient = request.gradient,
  };
}

}  // namespace lossd
