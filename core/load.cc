#include "core/load.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/convert_block.h"
#include "core/stretches.h"
#include "core/tensor/convert.h"

namespace lossd {
namespace {

// Elements [begin, begin + count) of a view as T. REQUIRES: raw holds them as sent.
template <class T>
void Read(const TensorView& view, Run elements, std::byte* raw, T* out) {
  ConvertBlock(view.dtype(), view.Block(elements.begin, elements.count, raw), elements.count, out);
}

// The elements of `per_item` that the items of a run read: one element may serve many items.
Run Elements(const PerItem& per_item, Run run) {
  const size_t first = run.begin / per_item.repeat;
  return {first, (run.begin + run.count - 1) / per_item.repeat - first + 1};
}

// Calls body(k, j) for k in [0, count), where j = (begin + k) % period: the class of each element of a run. Without a
// division for each, which would take longer than the loss.
template <class Body>
void EachInTurn(size_t begin, size_t count, size_t period, const Body& body) {
  if (count == 0) return;  // and period, perhaps
  for (size_t k = 0, j = begin % period; k < count; ++k) {
    body(k, j);
    if (++j == period) j = 0;
  }
}

// Calls body(i, element) for each item i of a run, where element is that of `per_item`, counted from the run's first.
template <class Body>
void EachItem(const PerItem& per_item, Run run, const Body& body) {
  size_t element = 0;
  EachInTurn(run.begin, run.count, per_item.repeat, [&](size_t i, size_t part) {
    if (i > 0 && part == 0) ++element;
    body(i, element);
  });
}

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

// The prediction for a class that is masked: that of no probability.
double AbsentPrediction(const Problem& problem) {
  return problem.form.input_kind == InputKind::kProbabilities ? 0 : -std::numeric_limits<double>::infinity();
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
  const T absent = i == 0 ? static_cast<T>(AbsentPrediction(problem)) : T{0};
  EachInTurn(elements.begin, elements.count, problem.num_classes, [&](size_t k, size_t c) {
    if (weighs) x[k] = static_cast<T>(x[k] * problem.class_weight[c]);
    if (masks && problem.class_mask[c] == 0) x[k] = absent;
  });
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
  ConvertBlock(view.dtype(), bytes, elements.count, out);
  if (changed) Transform(problem, i, elements, out);
  return out;
}

// Elements as they are sent, for a kernel that finishes; masked classes are absent.
const std::byte* LoadStored(const Problem& problem, size_t i, Run elements, Workspace& workspace) {
  const TensorView& view = *problem.inputs[i].view;
  std::byte* const raw = workspace.inputs[i].raw;
  const std::byte* const bytes = view.Block(elements.begin, elements.count, raw);
  if (problem.class_mask.empty()) return bytes;
  if (bytes != raw) std::memcpy(raw, bytes, elements.count * SizeOf(view.dtype()));
  WithType(view.dtype(), [&]<class S>(S) {
    const S absent = From<S>(AbsentPrediction(problem));
    EachInTurn(elements.begin, elements.count, problem.num_classes, [&](size_t k, size_t c) {
      if (problem.class_mask[c] == 0) std::memcpy(raw + k * sizeof(S), &absent, sizeof(S));
    });
  });
  return raw;
}

// One number per class, laid beside the elements of the last axis.
template <class T>
const T* SpreadClasses(const Problem& problem, size_t i, Run elements, Workspace& workspace) {
  const BoundInput& input = problem.inputs[i];
  const TensorView& view = *input.view;
  const std::byte* const bytes = view.Block(0, view.count(), workspace.inputs[i].raw);
  auto* const out = reinterpret_cast<T*>(workspace.inputs[i].converted);
  WithType(view.dtype(), [&]<class S>(S) {
    EachInTurn(elements.begin, elements.count, input.width, [&](size_t k, size_t c) {
      S x;
      std::memcpy(&x, bytes + c * sizeof(S), sizeof(S));
      out[k] = To<T>(x);
    });
  });
  return out;
}

// What load() answers, for a shared input the first time alone.
template <class T, class Load>
const T* Once(bool shared, const void*& loaded, const Load& load) {
  if (!shared) return load();
  if (loaded == nullptr) loaded = load();
  return static_cast<const T*>(loaded);
}

}  // namespace

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

template <class T>
void LoadInputs(const Problem& problem, Run run, Workspace& workspace, Block<T>& block) {
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    const BoundInput& input = problem.inputs[i];
    block.widths[i] = input.width;
    if (!input.view) continue;
    const Run items{problem.kernel_items(run.begin), problem.kernel_items(run.count)};
    const Run elements = input.shared ? Run{0, input.width} : Run{items.begin * input.width, items.count * input.width};
    if (i == 0 && problem.finishes) {
      block.stretches = FindStretches(problem, run, workspace);
      block.in[i] = reinterpret_cast<const T*>(block.stretches == nullptr ? LoadStored(problem, i, elements, workspace)
                                                                          : workspace.inputs[i].raw);
    } else if (input.per_class) {
      block.in[i] = SpreadClasses<T>(problem, i, items, workspace);
    } else if (!input.integer) {
      block.in[i] =
          Once<T>(input.shared, workspace.shared[i], [&] { return LoadNumbers<T>(problem, i, elements, workspace); });
    } else {
      block.index[i] = Once<int32_t>(input.shared, workspace.shared[i],
                                     [&] { return LoadIntegers(problem, i, elements, workspace); });
      if (i == problem.y_true && problem.target.expand) {
        block.in[i] = ExpandLabels<T>(problem, block.index[i], run, workspace);
      }
    }
  }
}

template void LoadInputs(const Problem&, Run, Workspace&, Block<float>&);
template void LoadInputs(const Problem&, Run, Workspace&, Block<double>&);

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
    if (repeat == 1) {
      ConvertBlock(view.dtype(), bytes, run.count, weights);
    } else {
      WithType(view.dtype(), [&]<class S>(S) {
        EachItem(*problem.sample_weight, run, [&](size_t i, size_t element) {
          S x;
          std::memcpy(&x, bytes + element * sizeof(S), sizeof(S));
          weights[i] = To<double>(x);
        });
      });
    }
  }
  if (problem.mask) {
    const Run elements = Elements(*problem.mask, run);
    const std::byte* const bytes = problem.mask->view.Block(elements.begin, elements.count, workspace.weights_raw);
    EachItem(*problem.mask, run, [&](size_t i, size_t element) {
      if (bytes[element] == std::byte{0}) workspace.kept[i] = 0;
    });
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

void LoadElementFactors(const Problem& problem, Run elements, Workspace& workspace) {
  double* const factors = workspace.per_element;
  const double share = problem.last_axis == LastAxis::kMean ? 1 / static_cast<double>(problem.width) : 1;
  std::fill_n(factors, elements.count, share);
  if (problem.element_weight) {
    Read(*problem.element_weight, elements, workspace.weights_raw, factors);
    for (size_t k = 0; k < elements.count; ++k) factors[k] *= share;
  }
  if (problem.class_weight.empty()) return;
  EachInTurn(elements.begin, elements.count, problem.num_classes,
             [&](size_t k, size_t c) { factors[k] *= problem.class_weight[c]; });
}

const double* LoadItemFactors(const Problem& problem, Run run, Workspace& workspace) {
  if (!problem.upstream) return problem.weighted() ? workspace.weights : nullptr;
  double* const factors = workspace.factors;
  Read(*problem.upstream, run, workspace.weights_raw, factors);
  if (problem.weighted()) {  // selected: an infinity upstream of what is left out must not become 0 * infinity
    for (size_t i = 0; i < run.count; ++i) {
      factors[i] = workspace.kept[i] != 0 ? factors[i] * workspace.weights[i] : 0;
    }
  }
  return factors;
}

}  // namespace lossd
