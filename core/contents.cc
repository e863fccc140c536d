#include "core/contents.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/errors.h"
#include "core/tensor/convert.h"

namespace lossd {
namespace {

// Calls each(index, element as T) until it returns an error.
template <class T, class Each>
absl::Status ForEachElement(const TensorView& view, const Each& each) {
  constexpr size_t kRun = 1024;
  std::byte raw[kRun * sizeof(double)];
  T converted[kRun];
  for (size_t begin = 0; begin < view.count(); begin += kRun) {
    const size_t count = std::min(kRun, view.count() - begin);
    ConvertElements(view.dtype(), view.Block(begin, count, raw), count, converted);
    for (size_t i = 0; i < count; ++i) {
      if (absl::Status s = each(begin + i, converted[i]); !s.ok()) return s;
    }
  }
  return absl::OkStatus();
}

// Elements in [lo, hi), or equal to `but`. A whole run is tested before one is looked for.
absl::Status CheckRange(std::string_view field, const TensorView& view, int64_t lo, int64_t hi,
                        std::optional<int64_t> but) {
  return ForEachElement<int64_t>(view, [&](size_t index, int64_t x) {
    if ((x >= lo && x < hi) || x == but) return absl::OkStatus();
    return error::IndexOutOfRange(field, index, x, lo, hi);
  });
}

// Per item a run of labels, of which the first `count` are read.
absl::Status CheckPrefixes(std::string_view field, const BoundInput& labels, const BoundInput* counts,
                           int64_t classes) {
  std::vector<int64_t> count;
  if (counts != nullptr && counts->view) {
    count.resize(counts->view->count());
    std::vector<std::byte> raw(counts->view->size_bytes());
    ConvertElements(counts->view->dtype(), counts->view->Block(0, count.size(), raw.data()), count.size(),
                    count.data());
  }
  return ForEachElement<int64_t>(*labels.view, [&](size_t index, int64_t x) {
    const bool read = count.empty() || static_cast<int64_t>(index % labels.width) < count[index / labels.width];
    if (!read || (x >= 0 && x < classes)) return absl::OkStatus();
    return error::IndexOutOfRange(field, index, x, 0, classes);
  });
}

// Bytes of a BOOL are 0 or 1: anything else is a tensor of another dtype.
absl::Status CheckBools(std::string_view field, const TensorView& view) {
  if (view.dtype() != DType::kBool) return absl::OkStatus();
  size_t index = 0;
  for (const Segment& segment : view.segments()) {
    const auto* const end = segment.data + segment.size;
    const auto* const bad = std::find_if(segment.data, end, [](std::byte b) { return b > std::byte{1}; });
    if (bad != end) return error::NotBool(field, index + (bad - segment.data), static_cast<int>(*bad));
    index += segment.size;
  }
  return absl::OkStatus();
}

absl::Status CheckFiniteView(std::string_view field, const TensorView& view) {
  if (!IsFloatingPoint(view.dtype())) return absl::OkStatus();
  return ForEachElement<double>(view, [&](size_t index, double x) {
    return std::isfinite(x) ? absl::OkStatus() : error::NonFinite(field, index, x);
  });
}

absl::Status CheckInput(const Problem& problem, size_t i) {
  const Contract& contract = problem.contract();
  const Input& input = contract.inputs[i];
  const BoundInput& bound = problem.inputs[i];
  if (absl::Status s = CheckBools(input.name, *bound.view); !s.ok()) return s;
  const bool last_axis = problem.elementwise() && input.bound == 'C';
  const size_t bound_size = input.bound_of != nullptr ? input.bound_of(problem.dims)
                            : last_axis               ? problem.num_classes
                                                      : problem.dims[input.bound];
  const bool unbound = bound_size == Dims::kUnbound;  // labels that only tell items apart
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  const int64_t size = unbound ? kMost : static_cast<int64_t>(bound_size);
  switch (input.content) {
    case Content::kNumbers:
    case Content::kBool:
      return absl::OkStatus();
    case Content::kIndex:
      return CheckRange(input.name, *bound.view, unbound ? -kMost : 0, size, problem.ignore_index);
    case Content::kIndexOrPad:
      return CheckRange(input.name, *bound.view, -1, size, std::nullopt);
    case Content::kCount:
      return CheckRange(input.name, *bound.view, 0, size + 1, std::nullopt);
    case Content::kPrefixIndex: {
      const size_t counts = contract.InputIndex(input.counted_by);
      return CheckPrefixes(input.name, bound, counts < problem.inputs.size() ? &problem.inputs[counts] : nullptr, size);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFinite(const Problem& problem) {
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    if (!problem.inputs[i].view) continue;
    if (absl::Status s = CheckFiniteView(problem.contract().inputs[i].name, *problem.inputs[i].view); !s.ok()) return s;
  }
  for (size_t c = 0; c < problem.class_weight.size(); ++c) {
    if (!std::isfinite(problem.class_weight[c])) return error::NonFinite("class_weight", c, problem.class_weight[c]);
  }
  if (problem.upstream) {
    if (absl::Status s = CheckFiniteView("upstream", *problem.upstream); !s.ok()) return s;
  }
  if (problem.element_weight) {
    if (absl::Status s = CheckFiniteView("element_weight", *problem.element_weight); !s.ok()) return s;
  }
  return problem.sample_weight ? CheckFiniteView("sample_weight", problem.sample_weight->view) : absl::OkStatus();
}

}  // namespace

absl::Status CheckContents(const Problem& problem) {
  // Counts before what they count.
  for (const bool prefixes : {false, true}) {
    for (size_t i = 0; i < problem.inputs.size(); ++i) {
      if (!problem.inputs[i].view) continue;
      if ((problem.contract().inputs[i].content == Content::kPrefixIndex) != prefixes) continue;
      if (absl::Status s = CheckInput(problem, i); !s.ok()) return s;
    }
  }
  if (problem.mask) {
    if (absl::Status s = CheckBools("mask", problem.mask->view); !s.ok()) return s;
  }
  return problem.non_finite_policy == NonFinitePolicy::kError ? CheckFinite(problem) : absl::OkStatus();
}

bool HoldsOnlyZeroAndOne(const TensorView& view) {
  return ForEachElement<double>(
             view, [](size_t, double x) { return x == 0 || x == 1 ? absl::OkStatus() : absl::CancelledError(); })
      .ok();
}

}  // namespace lossd
