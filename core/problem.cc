#include "core/problem.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/contents.h"
#include "core/conventions.h"
#include "core/errors.h"
#include "core/registry.h"
#include "core/shapes.h"
#include "core/strings.h"
#include "core/tensor/convert.h"

namespace lossd {
namespace {

// Tensors are little-endian on the wire and read where they lie.
static_assert(std::endian::native == std::endian::little,
              "lossd reads tensors in place and needs a little-endian machine");

absl::Status CheckWeightDType(std::string_view field, const TensorView& view) {
  if (IsFloatingPoint(view.dtype())) return absl::OkStatus();
  return error::BadDType(field, view.dtype(), "F32, F64, F16 or BF16");
}

absl::StatusOr<std::optional<PerItem>> BindPerItem(std::string_view field, std::optional<TensorView> view,
                                                   const Problem& problem) {
  if (!view) return std::optional<PerItem>();
  absl::StatusOr<PerItem> aligned = AlignToItems(field, *std::move(view), problem);
  if (!aligned.ok()) return aligned.status();
  return std::optional<PerItem>(*std::move(aligned));
}

absl::Status BindWeights(Request& request, Problem& problem) {
  if (request.sample_weight) {
    if (absl::Status s = CheckWeightDType("sample_weight", *request.sample_weight); !s.ok()) return s;
  }
  auto weight = BindPerItem("sample_weight", std::move(request.sample_weight), problem);
  if (!weight.ok()) return weight.status();
  problem.sample_weight = *std::move(weight);

  if (request.mask && request.mask->dtype() != DType::kBool && request.mask->dtype() != DType::kU8) {
    return error::BadDType("mask", request.mask->dtype(), "BOOL or U8");
  }
  auto mask = BindPerItem("mask", std::move(request.mask), problem);
  if (!mask.ok()) return mask.status();
  problem.mask = *std::move(mask);

  if (request.element_weight) {
    const Shape& shape = problem.inputs[0].view->shape();
    if (absl::Status s = CheckWeightDType("element_weight", *request.element_weight); !s.ok()) return s;
    if (request.element_weight->shape() != shape) {
      return error::ShapeMismatch("element_weight", request.element_weight->shape(), shape, "expected the same shape");
    }
    problem.element_weight = std::move(request.element_weight);
  }
  if (request.upstream) {
    if (!request.gradient || problem.reduction != Reduction::kNone) return error::UpstreamWithoutNone();
    if (absl::Status s = CheckWeightDType("upstream", *request.upstream); !s.ok()) return s;
    if (request.upstream->shape() != problem.item_shape) {
      return error::ShapeMismatch("upstream", request.upstream->shape(), problem.inputs[0].view->shape(),
                                  Cat("expected the shape of the items, ", ToString(problem.item_shape)));
    }
    problem.upstream = std::move(request.upstream);
  }
  return absl::OkStatus();
}

// [C] numbers, small: kept as doubles.
absl::Status BindClasses(Request& request, Problem& problem) {
  const auto check = [&](std::string_view field, const TensorView& view) {
    const Shape& shape = view.shape();
    const bool fits = shape.size() == 1 && static_cast<size_t>(shape[0]) == problem.num_classes;
    return fits ? absl::OkStatus()
                : error::ShapeMismatch(field, shape, problem.inputs[0].view->shape(),
                                       Cat("expected [", problem.num_classes, "], one for each class"));
  };
  if (request.class_weight) {
    const TensorView& view = *request.class_weight;
    if (absl::Status s = CheckWeightDType("class_weight", view); !s.ok()) return s;
    if (absl::Status s = check("class_weight", view); !s.ok()) return s;
    std::vector<std::byte> raw(view.size_bytes());
    problem.class_weight.resize(view.count());
    ConvertElements(view.dtype(), view.Block(0, view.count(), raw.data()), view.count(), problem.class_weight.data());
  }
  if (request.class_mask) {
    const TensorView& view = *request.class_mask;
    if (view.dtype() != DType::kBool && view.dtype() != DType::kU8) {
      return error::BadDType("class_mask", view.dtype(), "BOOL or U8");
    }
    if (absl::Status s = check("class_mask", view); !s.ok()) return s;
    std::vector<std::byte> raw(view.size_bytes());
    problem.class_mask.resize(view.count());
    ConvertElements(view.dtype(), view.Block(0, view.count(), raw.data()), view.count(), problem.class_mask.data());
    if (std::all_of(problem.class_mask.begin(), problem.class_mask.end(), [](uint8_t keep) { return keep == 0; })) {
      return error::NoClassLeft();
    }
  }
  return absl::OkStatus();
}

// REQUIRES: inputs are bound, and what is asked for is known.
void UseKernels(const FormKernels& kernels, Problem& problem) {
  problem.f32 = kernels.f32;
  problem.f64 = kernels.f64;
  problem.arithmetic = kernels.f32 != nullptr && problem.dtype != DType::kF64 ? DType::kF32 : DType::kF64;
  problem.scratch = kernels.scratch == nullptr ? 0 : kernels.scratch(problem.dims, problem.width);
  const DType sent_as = problem.inputs[0].view->dtype();
  problem.finishes = kernels.finishes && IsFloatingPoint(sent_as) &&
                     (!problem.hessian_diagonal || sent_as == problem.arithmetic);  // curvature reads the arithmetic
}

// Label smoothing and label encodings are affine in the target; class indices become rows where they must.
absl::Status TransformTarget(const Request& request, Problem& problem) {
  const Contract& contract = problem.contract();
  const double a = request.options.label_smoothing;
  TargetTransform& target = problem.target;
  if (!contract.label_encoding.empty()) {
    enum Encoding { kSigned, kBinary, kAuto };
    const auto encoding = static_cast<Encoding>(problem.params[contract.ParamIndex(contract.label_encoding)]);
    if (encoding == kBinary || (encoding == kAuto && HoldsOnlyZeroAndOne(*problem.inputs[problem.y_true].view))) {
      target.scale = 2;
      target.shift = -1;
    }
  }
  if (a == 0) return absl::OkStatus();
  const size_t left = problem.class_mask.empty() ? problem.num_classes
                                                 : std::count_if(problem.class_mask.begin(), problem.class_mask.end(),
                                                                 [](uint8_t k) { return k; });
  target.scale = 1 - a;
  target.shift = contract.smoothing == Smoothing::kBinary ? a / 2 : a / static_cast<double>(left);
  if (contract.dense_twin.empty()) return absl::OkStatus();
  target.expand = true;
  const absl::StatusOr<ResolvedLoss> twin = FindLoss(contract.dense_twin);
  if (!twin.ok()) return twin.status();
  for (const FormKernels& kernels : twin->loss.forms) {
    if (kernels.form != problem.form) continue;
    UseKernels(kernels, problem);
  }
  return absl::OkStatus();
}

// Indices among the parameters, now that the sizes of the axes are known.
absl::Status CheckIndexParams(const Problem& problem) {
  const Contract& contract = problem.contract();
  for (size_t i = 0; i < contract.params.size(); ++i) {
    const Param& param = contract.params[i];
    if (param.index_of == 0) continue;
    const size_t size = problem.dims[param.index_of];
    const double given = problem.params[i];
    if (given != std::floor(given) || given >= static_cast<double>(size)) {
      return error::ParamNotAnIndex(contract.name, param, given, size);
    }
  }
  return absl::OkStatus();
}

absl::Status ChooseGradients(const Request& request, Problem& problem) {
  const Contract& contract = problem.contract();
  problem.gradient = request.gradient;
  if (!request.gradient) return absl::OkStatus();
  if (request.hessian_diagonal) {
    if (!contract.curvature) return error::NoHessian(contract.name);
    problem.hessian_diagonal = true;
  }
  if (request.with_respect_to.empty()) {
    const bool plain = contract.inputs[0].name == "y_pred";
    for (size_t i = 0; i < problem.inputs.size(); ++i) {
      problem.inputs[i].wanted = contract.inputs[i].differentiable && problem.inputs[i].view && (i == 0 || !plain);
    }
  }
  for (const std::string& name : request.with_respect_to) {
    const size_t i = contract.InputIndex(name);
    if (i == contract.inputs.size() || !contract.inputs[i].differentiable) {
      std::vector<std::string_view> known;
      for (const Input& input : contract.inputs) {
        if (input.differentiable) known.push_back(input.name);
      }
      return error::NotDifferentiable(name, contract.name, known);
    }
    if (!problem.inputs[i].view) return error::TensorMissing(name, "with_respect_to");
    problem.inputs[i].wanted = true;
  }
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    if (problem.inputs[i].wanted && !IsFloatingPoint(problem.inputs[i].view->dtype())) {
      return error::BadDType(contract.inputs[i].name, problem.inputs[i].view->dtype(),
                             "a floating-point dtype, to be differentiated");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::InlinedVector<TensorView*, 4> Problem::tensors() {
  absl::InlinedVector<TensorView*, 4> all;
  const auto add = [&](std::optional<TensorView>& view) {
    if (view) all.push_back(&*view);
  };
  for (BoundInput& input : inputs) add(input.view);
  if (sample_weight) all.push_back(&sample_weight->view);
  if (mask) all.push_back(&mask->view);
  add(element_weight);
  add(upstream);
  return all;
}

bool Problem::repeats() const {
  return class_weight.empty() && class_mask.empty() && contract().label_encoding.empty();
}

size_t Problem::permuted_bytes() const {
  size_t bytes = 0;
  for (const BoundInput& input : inputs) {
    if (!input.order.empty()) bytes += input.view->size_bytes() * (input.wanted ? 2 : 1);
  }
  return bytes;
}

absl::StatusOr<Problem> MakeProblem(Request request) {
  const absl::StatusOr<ResolvedLoss> found = FindLoss(request.loss);
  if (!found.ok()) return found.status();
  const absl::StatusOr<Resolved> resolved = ResolveOptions(*found, request);
  if (!resolved.ok()) return resolved.status();

  Problem problem{};
  problem.loss = found->loss;
  const FormKernels& kernels = *resolved->kernels;
  problem.form = kernels.form;
  problem.params = resolved->params;
  problem.kink = resolved->kink;
  problem.last_axis = resolved->last_axis;
  problem.reduction = resolved->reduction;
  problem.divisor = resolved->divisor;
  problem.normalizer = resolved->normalizer;
  problem.empty_policy = resolved->empty_policy;
  problem.non_finite_policy = request.options.non_finite_policy;
  problem.ignore_index = request.options.ignore_index;
  problem.y_true = problem.contract().InputIndex("y_true");

  if (absl::Status s = BindInputs(request, *resolved, problem); !s.ok()) return s;
  if (absl::Status s = CheckIndexParams(problem); !s.ok()) return s;
  if (absl::Status s = BindWeights(request, problem); !s.ok()) return s;
  if (absl::Status s = BindClasses(request, problem); !s.ok()) return s;
  if (absl::Status s = ChooseGradients(request, problem); !s.ok()) return s;
  UseKernels(kernels, problem);

  // From here on the contents are looked at; shapes are known to fit.
  if (absl::Status s = TransformTarget(request, problem); !s.ok()) return s;
  if (absl::Status s = CheckContents(problem); !s.ok()) return s;
  return problem;
}

}  // namespace lossd
