#include "core/strip.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "core/convert_block.h"
#include "core/stretches.h"

namespace lossd {
namespace {

// Values of the items, folded from those of their elements into workspace.folded.
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
  if (!problem.kernel_sums()) {
    partial.sum = weighted ? WeightedSum(value, workspace.weights, run.count) : Sum(value, run.count);
  }
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
  StoreBlock(value, weighted ? workspace.weights : nullptr, 1, run.count, 1, problem.dtype,
             outputs.per_item + run.begin * SizeOf(problem.dtype));
}

// The factors of a fold's elements, which are items from here on: that of the row times the element's own.
Factors SpreadFactors(const Problem& problem, Run run, const Factors& rows, Workspace& workspace) {
  for (size_t i = 0; i < run.count; ++i) {
    const bool kept = rows.kept == nullptr || rows.kept[i] != 0;
    const double row = !kept ? 0 : rows.own == nullptr ? 1 : rows.own[i];
    for (size_t k = i * problem.width; k < (i + 1) * problem.width; ++k) {
      workspace.per_element[k] = row == 0 ? 0 : workspace.per_element[k] * row;
    }
  }
  return {workspace.per_element, rows.common, nullptr};
}

// Slopes or second derivatives [items, width] to the bytes of their output, which may be where they lie.
template <class T>
void Finish(const Factors& factors, size_t items, size_t width, T* numbers, DType dtype, std::byte* to) {
  if (factors.kept != nullptr) {
    for (size_t item = 0; item < items; ++item) {
      if (factors.kept[item] == 0) std::memset(numbers + item * width, 0, width * sizeof(T));
    }
  }
  const bool in_place = reinterpret_cast<std::byte*>(numbers) == to;
  if (in_place && factors.own == nullptr && factors.common == 1) return;
  StoreBlock(numbers, factors.own, factors.common, items, width, dtype, to);
}

// A class that is masked has no slope, whatever the kernel made of its absence.
void ClearMasked(const Problem& problem, Run run, std::byte* numbers) {
  if (problem.class_mask.empty()) return;
  const size_t size = SizeOf(problem.dtype);
  for (size_t item = 0; item < run.count; ++item) {
    for (size_t c = 0; c < problem.width; ++c) {
      if (problem.class_mask[c % problem.num_classes] != 0) continue;
      std::memset(numbers + (item * problem.width + c) * size, 0, size);
    }
  }
}

// The elements of an input that a run of items reads.
Run ElementsOf(const Problem& problem, const BoundInput& input, Run items) {
  if (input.shared) return {0, input.width};
  return {problem.kernel_items(items.begin) * input.width, problem.kernel_items(items.count) * input.width};
}

// Where slopes that are written over their elements go: there, or to scratch that is cut into pieces afterwards.
std::byte* PlaceOver(const BoundInput& input, Run elements, std::byte* scratch) {
  std::byte* const place = input.view->Find(elements.begin, elements.count);
  return place == nullptr ? scratch : place;
}

template <class T>
bool IsBlockFactor(double factor) {
  const double size = std::abs(factor);
  return std::is_same_v<T, double> || (size >= kLeastFloatFactor && size <= kMostFloatFactor);
}

KernelCall CallOf(const Problem& problem, const Workspace& workspace) {
  const bool wide = problem.dtype == DType::kF64;
  return {.params = problem.params,
          .kink = problem.kink,
          .clip_low = wide ? 1e-7 : static_cast<double>(1e-7f),
          .clip_high = wide ? 1 - 1e-7 : static_cast<double>(1.0f - 1e-7f),
          .crew = workspace.crew};
}

// The items of a run that the kernel is called with at once: those whose elements lie in one segment of each input, in
// whole turns of the lanes that it adds values to. Where a segment ends within a turn that turn alone, which is
// gathered. REQUIRES: problem.kernel_sums().
Run FirstPiece(const Problem& problem, Run run) {
  size_t whole = run.count;
  for (const BoundInput& input : problem.inputs) {
    if (!input.view || input.shared || input.per_class) continue;
    whole = std::min(whole, input.view->Contiguous(ElementsOf(problem, input, run).begin).count);
  }
  if (whole == run.count) return run;
  return {run.begin, std::min(run.count, std::max<size_t>(1, whole / kSumLanes) * kSumLanes)};
}

// `lanes`: where the kernel adds the values of a strip that comes in pieces; null: it comes in one.
template <class T>
Partial EvaluateAs(const Problem& problem, Run run, const Outputs& outputs, double factor, Kernel<T> kernel,
                   double* lanes, Workspace& workspace) {
  Block<T> block{.items = problem.kernel_items(run.count),
                 .width = problem.elementwise() ? 1 : problem.width,
                 .dims = &problem.dims,
                 .value = reinterpret_cast<T*>(workspace.value),
                 .extra = workspace.extra,
                 .scratch = workspace.scratch};
  LoadInputs(problem, run, workspace, block);
  const int32_t* const labels = problem.y_true < problem.inputs.size() ? block.index[problem.y_true] : nullptr;
  Partial partial = LoadWeights(problem, run, labels, workspace);

  // Where each slope is written: straight into the output if its bytes are what is wanted there.
  std::array<std::byte*, kMaxInputs> to{};
  bool slopes = false;
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    if (outputs.gradients[i] == nullptr && !outputs.over_input[i]) continue;
    const BoundInput& input = problem.inputs[i];
    const Run elements = ElementsOf(problem, input, run);
    to[i] = outputs.over_input[i] ? PlaceOver(input, elements, workspace.inputs[i].raw)
                                  : outputs.gradients[i] + elements.begin * SizeOf(input.view->dtype());
    block.slope[i] = reinterpret_cast<T*>(workspace.inputs[i].slope == nullptr ? to[i] : workspace.inputs[i].slope);
    slopes = true;
  }
  if (outputs.hessian != nullptr) block.curvature = reinterpret_cast<T*>(workspace.curvature);
  const bool derivatives = slopes || outputs.hessian != nullptr;

  const bool multiplies = problem.one_pass() && IsBlockFactor<T>(factor);
  if (multiplies) block.factors.common = factor;
  const bool in_place = to[0] != nullptr && reinterpret_cast<std::byte*>(block.slope[0]) == to[0];
  block.streams = problem.streams() && !outputs.over_input[0] && (problem.finishes || (multiplies && in_place));
  if (problem.kernel_sums()) block.sum = &partial.sum;
  block.lanes = lanes;
  if (problem.one_pass()) block.value = nullptr;

  Factors factors{.own = derivatives ? LoadItemFactors(problem, run, workspace) : nullptr,
                  .common = multiplies ? 1 : factor,
                  .kept = problem.weighted() ? workspace.kept : nullptr};
  if (problem.batch() && slopes) {  // its values are coupled: they are weighted before they are differentiated
    for (size_t i = 0; i < run.count; ++i) {
      workspace.factors[i] = (factors.own == nullptr ? 1 : factors.own[i]) * factor;
    }
    block.upstream = workspace.factors;
  }

  if (problem.finishes) {
    block.stored = problem.inputs[0].view->dtype();
    block.factors = factors;
  }

  kernel(CallOf(problem, workspace), block);

  if (problem.element_factors()) {
    LoadElementFactors(problem, {problem.kernel_items(run.begin), block.items}, workspace);
    Fold(problem, run, block.value, workspace);
    FinishValues(problem, run, workspace.folded, outputs, workspace, partial);
    if (!derivatives) return partial;
    factors = SpreadFactors(problem, run, factors, workspace);
    const auto clear = [&](T* numbers) {  // left out with the values: an infinity there must not become 0 * inf
      if (numbers == nullptr) return;
      for (size_t k = 0; k < block.items; ++k) {
        if (factors.own[k] == 0) std::memset(numbers + k, 0, sizeof(T));
      }
    };
    for (T* const slope : block.slope) clear(slope);
    clear(block.curvature);
  } else if (!problem.one_pass()) {
    FinishValues(problem, run, block.value, outputs, workspace, partial);
  }

  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    if (to[i] == nullptr || (i == 0 && problem.finishes)) continue;
    const BoundInput& input = problem.inputs[i];
    if (problem.batch()) {  // its kernel has multiplied already
      Finish({nullptr, 1, nullptr}, 1, input.width, block.slope[i], input.view->dtype(), to[i]);
    } else {
      Finish(factors, block.items, input.width, block.slope[i], input.view->dtype(), to[i]);
    }
  }
  if (to[0] != nullptr) ClearMasked(problem, run, to[0]);
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    if (!outputs.over_input[i] || to[i] != workspace.inputs[i].raw) continue;
    if (i == 0 && block.stretches != nullptr) {
      OverwriteStretches(problem, run, workspace);
      continue;
    }
    const Run elements = ElementsOf(problem, problem.inputs[i], run);
    problem.inputs[i].view->Overwrite(elements.begin, elements.count, to[i]);
  }
  if (outputs.hessian != nullptr) {
    std::byte* const hessian = outputs.hessian + problem.kernel_items(run.begin) * block.width * SizeOf(problem.dtype);
    const size_t width = problem.batch() ? block.width / std::max<size_t>(1, block.items) : block.width;
    Finish(factors, block.items, width, block.curvature, problem.dtype, hessian);
    ClearMasked(problem, run, hessian);
  }
  return partial;
}

}  // namespace

Partial WeighStrip(const Problem& problem, Run run, Workspace& workspace) {
  const int32_t* labels = nullptr;
  if (problem.label_weights()) labels = LoadIntegers(problem, problem.y_true, run, workspace);
  return LoadWeights(problem, run, labels, workspace);
}

Partial EvaluateStrip(const Problem& problem, Run run, const Outputs& outputs, double factor, Workspace& workspace) {
  const auto evaluate = [&](Run items, double* lanes) {
    return problem.arithmetic == DType::kF32
               ? EvaluateAs<float>(problem, items, outputs, factor, problem.f32, lanes, workspace)
               : EvaluateAs<double>(problem, items, outputs, factor, problem.f64, lanes, workspace);
  };
  Run piece = problem.kernel_sums() ? FirstPiece(problem, run) : run;
  if (piece.count == run.count) return evaluate(run, nullptr);
  double lanes[kSumLanes] = {};
  Partial total, last;
  for (;;) {
    last = evaluate(piece, lanes);
    Merge(last, total);
    run = {run.begin + piece.count, run.count - piece.count};
    if (run.count == 0) break;
    piece = FirstPiece(problem, run);
  }
  total.sum = last.sum;  // of all the pieces
  return total;
}

}  // namespace lossd
