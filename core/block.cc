#include "core/block.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/tensor/convert.h"

namespace lossd {
namespace {

// Reads elements [begin, begin + count) of a view as doubles. REQUIRES: raw holds them as sent.
void ReadDoubles(const TensorView& view, size_t begin, size_t count, std::byte* raw, double* out) {
  ConvertElements(view.dtype(), view.Block(begin, count, raw), count, out);
}

// The elements of `per_item` that the items of a run read: one element may serve many items.
Run Elements(const PerItem& per_item, Run run) {
  const size_t first = run.begin / per_item.repeat;
  return {first, (run.begin + run.count - 1) / per_item.repeat - first + 1};
}

// --- Inputs ---------------------------------------------------------------------------------------------------------

// Integers as int32, each within its range; a label that stands for "ignored" becomes 0, so that no kernel meets it.
const int32_t* LoadIntegers(const Problem& problem, size_t i, Run elements, Workspace& workspace) {
  const TensorView& view = *problem.inputs[i].view;
  auto* const out = reinterpret_cast<int32_t*>(workspace.inputs[i].converted);
  const std::byte* const bytes = view.Block(elements.begin, elements.count, workspace.inputs[i].raw);
  if (problem.ignore_index && i == problem.y_true) {
    WithType(view.dtype(), [&]<class S>(S) {
      for (size_t k = 0; k < elements.count; ++k) {
        S x;
        std::memcpy(&x, bytes + k * sizeof(S), sizeof(S));
        const auto label = To<int64_t>(x);
        out[k] = label == *problem.ignore_index ? 0 : static_cast<int32_t>(label);
      }
    });
  } else {
    ConvertElements(view.dtype(), bytes, elements.count, out);
  }
  if (problem.contract().inputs[i].content == Content::kBool) {  // a U8 may hold any byte
    for (size_t k = 0; k < elements.count; ++k) out[k] = out[k] != 0;
  }
  return out;
}

// The class of element `at` of the first input, and of a target beside it.
size_t ClassOf(const Problem& problem, size_t at) { return at % problem.num_classes; }

// One-hot rows of labels, smoothed and weighted.
template <class T>
const T* ExpandLabels(const Problem& problem, const int32_t* labels, Run run, Workspace& workspace) {
  auto* const out = reinterpret_cast<T*>(workspace.expanded);
  const TargetTransform& target = problem.target;
  for (size_t item = 0; item < run.count; ++item) {
    for (size_t c = 0; c < problem.width; ++c) {
      double t = target.shift + (static_cast<size_t>(labels[item]) == c ? target.scale : 0);
      if (!problem.class_mask.empty() && problem.class_mask[c] == 0) t = 0;
      if (!problem.class_weight.empty()) t *= problem.class_weight[c];
      out[item * problem.width + c] = static_cast<T>(t);
    }
  }
  return out;
}

// What the kernel must not see as it was sent: targets before smoothing and class weights, classes that are masked.
template <class T>
void Transform(const Problem& problem, size_t i, Run elements, T* x) {
  const bool weighs = i == problem.y_true && !problem.class_weight.empty() && !problem.elementwise();
  const bool masks = !problem.class_mask.empty() && (i == 0 || i == problem.y_true);
  if (i == problem.y_true && (problem.target.scale != 1 || problem.target.shift != 0)) {
    for (size_t k = 0; k < elements.count; ++k) {
      x[k] = static_cast<T>(problem.target.scale * x[k] + problem.target.shift);
    }
  }
  if (!weighs && !masks) return;
  const bool logits = problem.form.input_kind != InputKind::kProbabilities;
  const T absent = i == 0 && logits ? -std::numeric_limits<T>::infinity() : T{0};
  for (size_t k = 0; k < elements.count; ++k) {
    const size_t c = ClassOf(problem, elements.begin + k);
    if (weighs) x[k] = static_cast<T>(x[k] * problem.class_weight[c]);
    if (masks && problem.class_mask[c] == 0) x[k] = absent;
  }
}

bool IsTransformed(const Problem& problem, size_t i) {
  if (!problem.class_mask.empty() && (i == 0 || i == problem.y_true)) return true;
  return i == problem.y_true && (problem.target.scale != 1 || problem.target.shift != 0 ||
                                 (!problem.class_weight.empty() && !problem.elementwise()));
}

// Elements as T: where they lie when they are T already and nothing is done to them. Kernels in double read aligned
// memory that stays as it is; those in float and double alike (native) take any: they decide nothing by what they read.
template <class T>
const T* LoadNumbers(const Problem& problem, size_t i, Run elements, Workspace& workspace) {
  const TensorView& view = *problem.inputs[i].view;
  const std::byte* const bytes = view.Block(elements.begin, elements.count, workspace.inputs[i].raw);
  const bool changed = IsTransformed(problem, i);
  const bool aligned = reinterpret_cast<uintptr_t>(bytes) % alignof(T) == 0;
  if (view.dtype() == kDTypeOf<T> && !changed && ((aligned && !view.changes()) || problem.f32 != nullptr)) {
    return reinterpret_cast<const T*>(bytes);
  }
  auto* const out = reinterpret_cast<T*>(workspace.inputs[i].converted);
  ConvertElements(view.dtype(), bytes, elements.count, out);
  if (changed) Transform(problem, i, elements, out);
  return out;
}

// One number per class, laid beside the elements of the last axis.
template <class T>
const T* SpreadClasses(const Problem& problem, size_t i, Run elements, Workspace& workspace) {
  const BoundInput& input = problem.inputs[i];
  const TensorView& view = *input.view;
  const std::byte* const bytes = view.Block(0, view.count(), workspace.inputs[i].raw);
  auto* const out = reinterpret_cast<T*>(workspace.inputs[i].converted);
  WithType(view.dtype(), [&]<class S>(S) {
    for (size_t k = 0; k < elements.count; ++k) {
      S x;
      std::memcpy(&x, bytes + (elements.begin + k) % input.width * sizeof(S), sizeof(S));
      out[k] = To<T>(x);
    }
  });
  return out;
}

template <class T>
void LoadInputs(const Problem& problem, Run run, Workspace& workspace, Block<T>& block) {
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    const BoundInput& input = problem.inputs[i];
    block.widths[i] = input.width;
    if (!input.view) continue;
    const Run items{problem.kernel_items(run.begin), problem.kernel_items(run.count)};
    const Run elements = input.shared ? Run{0, input.width} : Run{items.begin * input.width, items.count * input.width};
    if (input.per_class) {
      block.in[i] = SpreadClasses<T>(problem, i, items, workspace);
    } else if (!input.integer) {
      block.in[i] = LoadNumbers<T>(problem, i, elements, workspace);
    } else {
      block.index[i] = LoadIntegers(problem, i, elements, workspace);
      if (i == problem.y_true && problem.target.expand) {
        block.in[i] = ExpandLabels<T>(problem, block.index[i], run, workspace);
      }
    }
  }
}

// --- Weights --------------------------------------------------------------------------------------------------------

// Weights of a run into workspace.weights, 0 where left out, and what they add up to.
Partial LoadWeights(const Problem& problem, Run run, const int32_t* labels, Workspace& workspace) {
  Partial partial{.weight_sum = static_cast<double>(run.count), .valid_count = static_cast<int64_t>(run.count)};
  if (!problem.weighted()) return partial;
  double* const weights = workspace.weights;
  std::fill_n(weights, run.count, 1.0);
  std::fill_n(workspace.kept, run.count, uint8_t{1});
  if (problem.sample_weight) {
    const auto& [view, repeat] = *problem.sample_weight;
    const Run elements = Elements(*problem.sample_weight, run);
    const std::byte* const bytes = view.Block(elements.begin, elements.count, workspace.weights_raw);
    WithType(view.dtype(), [&]<class S>(S) {
      for (size_t i = 0; i < run.count; ++i) {
        S x;
        std::memcpy(&x, bytes + ((run.begin + i) / repeat - elements.begin) * sizeof(S), sizeof(S));
        weights[i] = To<double>(x);
      }
    });
  }
  if (problem.mask) {
    const auto& [view, repeat] = *problem.mask;
    const Run elements = Elements(*problem.mask, run);
    const std::byte* const bytes = view.Block(elements.begin, elements.count, workspace.weights_raw);
    for (size_t i = 0; i < run.count; ++i) {
      if (bytes[(run.begin + i) / repeat - elements.begin] == std::byte{0}) workspace.kept[i] = 0;
    }
  }
  if (problem.ignore_index) {
    const TensorView& view = *problem.inputs[problem.y_true].view;
    const std::byte* const bytes = view.Block(run.begin, run.count, workspace.inputs[problem.y_true].raw);
    WithType(view.dtype(), [&]<class S>(S) {
      for (size_t i = 0; i < run.count; ++i) {
        S x;
        std::memcpy(&x, bytes + i * sizeof(S), sizeof(S));
        if (To<int64_t>(x) == *problem.ignore_index) workspace.kept[i] = 0;
      }
    });
  }
  for (size_t i = 0; i < run.count; ++i) {
    if (workspace.kept[i] != 0) continue;
    weights[i] = 0;
    --partial.valid_count;
  }
  if (problem.label_weights()) {
    // The weight of an item's own class: part of the divisor; part of the value where the kernel did not see it.
    double sum = 0;
    for (size_t i = 0; i < run.count; ++i) {
      const double weight = weights[i] * problem.class_weight[labels[i]];
      if (workspace.kept[i] != 0) sum += weight;
      if (!problem.target.expand) weights[i] = weight;
    }
    partial.weight_sum = sum;
  } else {
    partial.weight_sum = Sum(weights, run.count);
  }
  return partial;
}

// Factors of the elements of an elementwise loss: element weight, class weight, and the share of a fold.
void LoadElementFactors(const Problem& problem, Run elements, Workspace& workspace) {
  double* const factors = workspace.per_element;
  const double share = problem.last_axis == LastAxis::kMean ? 1 / static_cast<double>(problem.width) : 1;
  std::fill_n(factors, elements.count, share);
  if (problem.element_weight) {
    ReadDoubles(*problem.element_weight, elements.begin, elements.count, workspace.weights_raw, factors);
    for (size_t k = 0; k < elements.count; ++k) factors[k] *= share;
  }
  if (problem.class_weight.empty()) return;
  for (size_t k = 0; k < elements.count; ++k) factors[k] *= problem.class_weight[ClassOf(problem, elements.begin + k)];
}

// --- Values and slopes
// ------------------------------------------------------------------------------------------------

// Values of the items: as the kernel wrote them, or folded from elements into workspace.folded.
template <class T>
void Fold(const Problem& problem, Run run, const T* value, Workspace& workspace) {
  const size_t width = problem.width;
  for (size_t item = 0; item < run.count; ++item) {
    double sum = 0;
    for (size_t k = item * width; k < (item + 1) * width; ++k) {
      sum += workspace.per_element[k] == 0 ? 0 : static_cast<double>(value[k]) * workspace.per_element[k];
    }
    workspace.folded[item] = sum;
  }
}

template <class V>
void FinishValues(const Problem& problem, Run run, V* value, const Outputs& outputs, Workspace& workspace,
                  Partial& partial) {
  const bool weighted = problem.weighted();
  const uint8_t* const kept = weighted ? workspace.kept : nullptr;
  if (kept != nullptr) {  // selected away: a NaN or an infinity there must not reach a sum as 0 * NaN
    for (size_t i = 0; i < run.count; ++i) value[i] = kept[i] != 0 ? value[i] : V{0};
  }
  partial.sum = weighted ? WeightedSum(value, workspace.weights, run.count) : Sum(value, run.count);
  if (problem.divisor == Divisor::kNonZero) {
    for (size_t i = 0; i < run.count; ++i) partial.nonzero += value[i] > 0;
  }
  if (workspace.extra != nullptr) {
    double sum = 0;
    for (size_t i = 0; i < run.count; ++i) sum += kept == nullptr || kept[i] != 0 ? workspace.extra[i] : 0;
    partial.terms = partial.extra = sum;
  }
  if (outputs.extra != nullptr) {
    std::memcpy(outputs.extra + run.begin * sizeof(double), workspace.extra, run.count * sizeof(double));
  }
  if (outputs.per_item == nullptr) return;
  const size_t size = SizeOf(problem.dtype);
  StoreScaled(value, weighted ? workspace.weights : nullptr, 1, kept, run.count, 1, problem.dtype,
              outputs.per_item + run.begin * size);
}

// weights times upstream, where there is either.
const double* ItemFactors(const Problem& problem, Run run, Workspace& workspace, double* out) {
  if (!problem.upstream) return problem.weighted() ? workspace.weights : nullptr;
  ReadDoubles(*problem.upstream, run.begin, run.count, workspace.weights_raw, out);
  if (problem.weighted()) {
    for (size_t i = 0; i < run.count; ++i) out[i] *= workspace.weights[i];
  }
  return out;
}

// Slopes or second derivatives of one input: scaled where they lie, or converted into the output.
template <class T>
void Finish(const double* factors, double factor, const uint8_t* kept, size_t items, size_t width, T* numbers,
            DType dtype, std::byte* to) {
  if (reinterpret_cast<std::byte*>(numbers) != to) {
    StoreScaled(numbers, factors, factor, kept, items, width, dtype, to);
    return;
  }
  if (kept != nullptr) {
    for (size_t item = 0; item < items; ++item) {
      if (kept[item] == 0) std::memset(to + item * width * sizeof(T), 0, width * sizeof(T));
    }
  }
  if (factors != nullptr) {
    ScaleItems(factors, factor, numbers, items, width);
  } else if (factor != 1) {
    Scale(factor, numbers, items * width);
  }
}

template <class T>
Partial EvaluateAs(const Problem& problem, Run run, const Outputs& outputs, double factor, Kernel<T> kernel,
                   Workspace& workspace) {
  const bool batch = problem.batch();
  Block<T> block{.items = problem.kernel_items(run.count),
                 .width = problem.elementwise() ? 1 : problem.width,
                 .dims = &problem.dims,
                 .value = reinterpret_cast<T*>(workspace.value),
                 .extra = workspace.extra,
                 .scratch = workspace.scratch};
  LoadInputs(problem, run, workspace, block);
  Partial partial = LoadWeights(
      problem, run, problem.y_true < problem.inputs.size() ? block.index[problem.y_true] : nullptr, workspace);
  const uint8_t* const kept = problem.weighted() ? workspace.kept : nullptr;

  // Where each slope is written: straight into the output if its bytes are what is wanted there.
  std::array<std::byte*, kMaxInputs> to{};
  bool slopes = false;
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    if (outputs.gradients[i] == nullptr) continue;
    const BoundInput& input = problem.inputs[i];
    const size_t first = input.shared ? 0 : problem.kernel_items(run.begin) * input.width;
    to[i] = outputs.gradients[i] + first * SizeOf(input.view->dtype());
    block.slope[i] = reinterpret_cast<T*>(WritesInPlace(problem, i) ? to[i] : workspace.inputs[i].slope);
    slopes = true;
  }
  if (outputs.hessian != nullptr) block.curvature = reinterpret_cast<T*>(workspace.curvature);

  const double* factors = nullptr;
  if (slopes || outputs.hessian != nullptr) {
    factors = ItemFactors(problem, run, workspace, workspace.factors);
  }
  if (batch && slopes) {  // its values are coupled: they are weighted before they are differentiated
    for (size_t i = 0; i < run.count; ++i) workspace.factors[i] = (factors == nullptr ? 1 : factors[i]) * factor;
    block.upstream = workspace.factors;
  }

  const KernelCall call{.params = problem.params,
                        .kink = problem.kink,
                        .clip_low = problem.dtype == DType::kF64 ? 1e-7 : static_cast<double>(1e-7f),
                        .clip_high = problem.dtype == DType::kF64 ? 1 - 1e-7 : static_cast<double>(1.0f - 1e-7f)};
  kernel(call, block);

  size_t items = block.items, share = 1;
  if (problem.element_factors()) {
    LoadElementFactors(problem, {problem.kernel_items(run.begin), items}, workspace);
    Fold(problem, run, block.value, workspace);
    FinishValues(problem, run, workspace.folded, outputs, workspace, partial);
    if (!slopes && outputs.hessian == nullptr) return partial;
    // From here on an element is an item: its factor is that of its row times its own.
    for (size_t i = run.count; i-- > 0;) {
      const double row = kept != nullptr && kept[i] == 0 ? 0 : factors == nullptr ? 1 : factors[i];
      for (size_t k = i * problem.width; k < (i + 1) * problem.width; ++k) {
        workspace.per_element[k] = row == 0 ? 0 : workspace.per_element[k] * row;
      }
    }
    factors = workspace.per_element;
    share = problem.width;
    const auto clear = [&](T* numbers) {  // left out with the values: an infinity there must not become 0 * inf
      if (numbers == nullptr) return;
      for (size_t k = 0; k < items; ++k) {
        if (factors[k] == 0) std::memset(numbers + k, 0, sizeof(T));
      }
    };
    for (T* const slope : block.slope) clear(slope);
    clear(block.curvature);
  } else {
    FinishValues(problem, run, block.value, outputs, workspace, partial);
  }

  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    if (to[i] == nullptr) continue;
    const BoundInput& input = problem.inputs[i];
    if (batch) {
      Finish(nullptr, 1, nullptr, 1, input.width, block.slope[i], input.view->dtype(), to[i]);
      continue;
    }
    if (share == 1) {
      Finish(factors, factor, kept, items, input.width, block.slope[i], input.view->dtype(), to[i]);
    } else {
      Finish(factors, factor, nullptr, items, 1, block.slope[i], input.view->dtype(), to[i]);
    }
  }
  // A class that is masked has no slope, whatever the kernel made of its absence.
  const auto clear_masked = [&](std::byte* numbers) {
    if (problem.class_mask.empty() || numbers == nullptr) return;
    const size_t size = SizeOf(problem.dtype);
    for (size_t k = 0; k < run.count * problem.width; ++k) {
      if (problem.class_mask[ClassOf(problem, k)] == 0) std::memset(numbers + k * size, 0, size);
    }
  };
  clear_masked(to[0]);
  if (outputs.hessian != nullptr) {
    const size_t width = block.width;
    std::byte* const hessian = outputs.hessian + problem.kernel_items(run.begin) * width * SizeOf(problem.dtype);
    Finish(factors, factor, share == 1 ? kept : nullptr, items, width, block.curvature, problem.dtype, hessian);
    clear_masked(hessian);
  }
  return partial;
}

}  // namespace

Partial WeighBlock(const Problem& problem, Run run, Workspace& workspace) {
  const int32_t* labels = nullptr;
  if (problem.label_weights()) labels = LoadIntegers(problem, problem.y_true, run, workspace);
  return LoadWeights(problem, run, labels, workspace);
}

Partial EvaluateBlock(const Problem& problem, Run run, const Outputs& outputs, double factor, Workspace& workspace) {
  return problem.arithmetic == DType::kF32 ? EvaluateAs<float>(problem, run, outputs, factor, problem.f32, workspace)
                                           : EvaluateAs<double>(problem, run, outputs, factor, problem.f64, workspace);
}

}  // namespace lossd
