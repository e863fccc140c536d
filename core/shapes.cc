#include "core/shapes.h"

#include <algorithm>
#include <numeric>

#include "absl/container/inlined_vector.h"
#include "core/errors.h"
#include "core/limits.h"
#include "core/strings.h"

namespace lossd {
namespace {

constexpr std::string_view kItemAxes = "...";

// "... T U+1 C" taken apart.
struct Pattern {
  bool shared = true;                             // no "..."
  absl::InlinedVector<std::string_view, 4> axes;  // behind it

  explicit Pattern(std::string_view text) {
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find(' ', at), text.size());
      const std::string_view word = text.substr(at, end - at);
      if (word == kItemAxes) {
        shared = false;
      } else {
        axes.push_back(word);
      }
      at = end + 1;
    }
  }
};

constexpr size_t kUnbound = Dims::kUnbound;

// Matches one axis; sizes of letters are bound where they are met first.
bool Matches(std::string_view axis, int64_t size, Dims& dims) {
  if (axis[0] >= '0' && axis[0] <= '9') return size == axis[0] - '0';
  if (axis.ends_with("+1")) --size;
  if (size < 0) return false;
  size_t& bound = dims[axis[0]];
  if (bound == kUnbound) bound = size;
  return bound == static_cast<size_t>(size);
}

// What the shape should have been, with the sizes that are known: "[32, 10]", "[..., T, C]".
std::string Expected(const Pattern& pattern, const Shape* items, const Dims& dims) {
  std::vector<std::string> words;
  if (!pattern.shared) {
    if (items == nullptr) {
      words.emplace_back(kItemAxes);
    } else {
      for (const int64_t size : *items) words.push_back(Cat(size));
    }
  }
  for (const std::string_view axis : pattern.axes) {
    const bool letter = axis[0] >= 'A' && axis[0] <= 'Z';
    const bool known = letter && dims[axis[0]] != kUnbound;
    words.push_back(known ? Cat(dims[axis[0]] + axis.ends_with("+1")) : std::string(axis));
  }
  return Cat("[", JoinNames(words), "]");
}

// The class axis of a row brought to the end.
absl::StatusOr<Order> ClassAxisLast(int64_t axis, size_t rank) {
  const int64_t at = axis < 0 ? axis + static_cast<int64_t>(rank) : axis;
  if (at < 0 || at >= static_cast<int64_t>(rank)) return error::BadAxis("options.axis", axis, rank);
  if (at + 1 == static_cast<int64_t>(rank)) return Order{};
  Order order(rank);
  std::iota(order.begin(), order.end(), 0);
  std::rotate(order.begin() + at, order.begin() + at + 1, order.end());
  return order;
}

// The axes of the items first, those within an item behind them; the class axis, where there is one, stays last.
struct RegionAxes {
  Order order;       // of all axes of the first input
  size_t outer = 0;  // how many of them are the items'
};
absl::StatusOr<RegionAxes> SplitRegion(const Request& request, bool whole, size_t rank, size_t class_axes) {
  std::vector<bool> inner(rank, true);
  if (request.options.item_axes) {
    inner.assign(rank, false);
    for (const int64_t axis : *request.options.item_axes) {
      const int64_t at = axis < 0 ? axis + static_cast<int64_t>(rank) : axis;
      if (at < 0 || at >= static_cast<int64_t>(rank)) return error::BadAxis("options.item_axes", axis, rank);
      inner[at] = true;
    }
  } else if (!whole && rank > 1) {
    inner[0] = false;
  }
  for (size_t i = rank - std::min(class_axes, rank); i < rank; ++i) inner[i] = true;
  RegionAxes axes;
  for (const bool want : {false, true}) {
    for (size_t i = 0; i < rank; ++i) {
      if (inner[i] == want) axes.order.push_back(static_cast<int>(i));
    }
    if (!want) axes.outer = axes.order.size();
  }
  return axes;
}

bool IsIdentity(const Order& order) { return std::is_sorted(order.begin(), order.end()); }

// The shape in which the contract's letters are looked for, and the order of axes that leads to it.
struct Arranged {
  Order order;
  Shape shape;
};
absl::StatusOr<Arranged> Arrange(const Pattern& pattern, const Pattern& first, const Shape& shape, Family family,
                                 const std::optional<int64_t>& axis, const std::optional<RegionAxes>& region) {
  Arranged arranged{{}, shape};
  if (pattern.shared) return arranged;
  if (family == Family::kRow && axis && pattern.axes == first.axes) {
    absl::StatusOr<Order> order = ClassAxisLast(*axis, shape.size());
    if (!order.ok()) return order.status();
    arranged.order = *std::move(order);
    arranged.shape = Permuted(shape, arranged.order);
  }
  if (family == Family::kRegion) {
    // y_true without the class axis has the other axes of the first input.
    const size_t dropped = first.axes.size() - pattern.axes.size();
    Order order;
    for (const int at : region->order) {
      if (static_cast<size_t>(at) < region->order.size() - dropped) order.push_back(at);
    }
    const size_t tail = pattern.axes.size() - 1;  // class axes, which stay apart
    // The letters will not match either.
    if (order.size() != shape.size() || shape.size() < region->outer + tail) return arranged;
    Shape sorted = Permuted(shape, order);
    Shape flat(sorted.begin(), sorted.begin() + region->outer);
    const std::span<const int64_t> inner(sorted.begin() + region->outer, sorted.end() - tail);
    flat.push_back(static_cast<int64_t>(ElementCount(inner).value_or(0)));
    flat.insert(flat.end(), sorted.end() - tail, sorted.end());
    if (!IsIdentity(order)) arranged.order = std::move(order);
    arranged.shape = std::move(flat);
  }
  return arranged;
}

absl::Status CheckDType(const Input& input, DType dtype, DType first) {
  if (input.content == Content::kBool) {
    if (dtype == DType::kBool || dtype == DType::kU8) return absl::OkStatus();
    return error::BadDType(input.name, dtype, "BOOL or U8");
  }
  if (input.content != Content::kNumbers) {
    if (dtype == DType::kI32 || dtype == DType::kI64 || dtype == DType::kU8) return absl::OkStatus();
    return error::BadDType(
        input.name, dtype,
        input.content == Content::kCount ? "a count, I32, I64 or U8" : "class indices, I32, I64 or U8");
  }
  if (!IsFloatingPoint(dtype) || dtype == first) return absl::OkStatus();
  return error::BadDType(input.name, dtype,
                         Cat("the dtype of the first input, ", Name(first), ", or an integer or BOOL one"));
}

// Takes the tensor called `name` out of the request.
std::optional<TensorView> Take(Request& request, std::string_view name) {
  if (name == "y_pred" && request.y_pred) return std::exchange(request.y_pred, std::nullopt);
  if (name == "y_true" && request.y_true) return std::exchange(request.y_true, std::nullopt);
  if (name == "class_weight" && request.class_weight) return std::exchange(request.class_weight, std::nullopt);
  for (auto& input : request.inputs) {
    if (input.first != name) continue;
    std::swap(input, request.inputs.back());
    std::optional<TensorView> taken(std::move(request.inputs.back().second));
    request.inputs.pop_back();
    return taken;
  }
  return std::nullopt;
}

// Nothing may be left over: a tensor that no one reads is a mistake of the caller.
absl::Status CheckAllTaken(const Request& request, const Contract& contract) {
  std::string_view left;
  if (request.y_pred) {
    left = "y_pred";
  } else if (request.y_true) {
    left = "y_true";
  } else if (!request.inputs.empty()) {
    left = request.inputs.front().first;
  } else {
    return absl::OkStatus();
  }
  std::vector<std::string_view> known;
  for (const Input& input : contract.inputs) known.push_back(input.name);
  return error::UnknownInput(left, contract.name, known);
}

absl::Status BindOne(const Input& input, const Pattern& first_pattern, TensorView view,
                     const std::optional<int64_t>& axis, const std::optional<RegionAxes>& region, bool is_first,
                     bool takes_column, Problem& problem, BoundInput& bound) {
  const Contract& contract = problem.contract();
  const Pattern pattern(input.shape);
  bound.shared = pattern.shared;
  if (contract.family == Family::kElementwise && pattern.shared) {  // one number per class, or one for all
    bound.per_class = true;
    const Shape& shape = view.shape();
    const size_t classes = problem.num_classes;
    if (!(shape.empty() || (shape.size() == 1 && (shape[0] == 1 || static_cast<size_t>(shape[0]) == classes)))) {
      return error::ShapeMismatch(input.name, shape, problem.inputs[0].view->shape(), Cat("expected [", classes, "]"));
    }
    bound.width = view.count();
    bound.shape = shape;
    bound.view = std::move(view);
    return absl::OkStatus();
  }
  absl::StatusOr<Arranged> arranged = Arrange(pattern, first_pattern, view.shape(), contract.family, axis, region);
  if (!arranged.ok()) return arranged.status();
  bound.order = std::move(arranged->order);
  Shape shape = std::move(arranged->shape);
  const size_t rank = pattern.axes.size();
  const Shape* const items = is_first ? nullptr : &problem.item_shape;
  const auto mismatch = [&](const Dims& dims) {
    return error::ShapeMismatch(input.name, view.shape(), is_first ? view.shape() : problem.inputs[0].view->shape(),
                                Cat("expected ", Expected(pattern, items, dims)));
  };
  // A column of one integer an item may stand for a plain list: for counts always, for labels where Keras is followed.
  const size_t lead = pattern.shared ? 0 : is_first ? shape.size() - std::min(rank, shape.size()) : items->size();
  if (!is_first && !pattern.shared && takes_column && shape.size() == lead + rank + 1 && shape.back() == 1) {
    shape.pop_back();
  }
  const Dims before = problem.dims;
  if (shape.size() != lead + rank) return mismatch(before);
  if (items != nullptr && !pattern.shared && !std::equal(items->begin(), items->end(), shape.begin())) {
    return mismatch(before);
  }
  size_t width = 1;
  for (size_t i = 0; i < rank; ++i) {
    if (!Matches(pattern.axes[i], shape[lead + i], problem.dims)) return mismatch(before);
    width *= shape[lead + i];
  }
  if (is_first && !pattern.shared) problem.item_shape.assign(shape.begin(), shape.begin() + lead);
  bound.width = width;
  bound.shape = std::move(shape);
  bound.view = std::move(view);
  return absl::OkStatus();
}

// Work that grows faster than the message: what looks at every pair, or multiplies matrices, is bounded.
absl::Status CheckWork(const Problem& problem) {
  const size_t list = problem.dims['K'];
  if (list != kUnbound && list > kMaxListLength) return error::ListTooLong(list);
  if (!problem.batch()) return absl::OkStatus();
  const Shape& shape = problem.inputs[0].view->shape();
  const double rows = shape.empty() ? 1 : static_cast<double>(shape[0]);
  double work = rows * static_cast<double>(problem.inputs[0].width);
  for (size_t i = 1; i < problem.inputs.size(); ++i) {
    if (!problem.inputs[i].integer) work += rows * static_cast<double>(problem.inputs[i].width);
  }
  return work > kMaxBatchWork ? error::BatchTooLarge(problem.contract().name, work) : absl::OkStatus();
}

}  // namespace

absl::Status BindInputs(Request& request, const Resolved& resolved, Problem& problem) {
  const Contract& contract = problem.contract();
  problem.inputs.resize(contract.inputs.size());
  for (char letter = 'A'; letter <= 'Z'; ++letter) problem.dims[letter] = kUnbound;

  const Pattern first(contract.inputs[0].shape);
  std::optional<RegionAxes> region;
  std::optional<int64_t> axis = resolved.axis;
  for (size_t i = 0; i < contract.inputs.size(); ++i) {
    const Input& input = contract.inputs[i];
    BoundInput& bound = problem.inputs[i];
    bound.integer = input.content != Content::kNumbers;
    std::optional<TensorView> view = Take(request, input.name);
    if (!view) {
      if (!input.optional) return error::TensorMissing(input.name, contract.name);
      bound.shared = !input.shape.starts_with(kItemAxes);
      continue;
    }
    const DType dtype = view->dtype();
    if (i == 0) {
      if (!IsFloatingPoint(dtype)) return error::BadDType(input.name, dtype, "F32, F64, F16 or BF16");
      problem.dtype = dtype;
      // The class axis of a convention is that of batches; a single row has no other than its own.
      if (!request.options.axis && view->shape().size() == 1) axis.reset();
      if (contract.family == Family::kRegion) {
        absl::StatusOr<RegionAxes> split =
            SplitRegion(request, resolved.whole_batch_item, view->shape().size(), first.axes.size() - 1);
        if (!split.ok()) return split.status();
        region = *std::move(split);
      }
      if (contract.family == Family::kElementwise) {
        const Shape& shape = view->shape();
        problem.num_classes = shape.empty() ? 1 : static_cast<size_t>(shape.back());
      }
    }
    if (absl::Status s = CheckDType(input, dtype, problem.dtype); !s.ok()) return s;
    const bool takes_column =
        input.content == Content::kCount || (input.content == Content::kIndex && resolved.keras_columns);
    if (absl::Status s = BindOne(input, first, *std::move(view), axis, region, i == 0, takes_column, problem, bound);
        !s.ok()) {
      return s;
    }
    if (i == 0 && !first.shared && bound.width > kMaxRowWidth) return error::TooManyClasses(bound.width);
    if (i == 0 && contract.family == Family::kRow && bound.width == 0) return error::NoClasses(bound.view->shape());
  }
  if (absl::Status s = CheckAllTaken(request, contract); !s.ok()) return s;

  const BoundInput& prediction = problem.inputs[0];
  problem.width = prediction.width;
  if (problem.batch()) {
    for (BoundInput& bound : problem.inputs) bound.shared = true;
    const size_t rows = problem.dims['N'];
    if (rows != kUnbound) problem.item_shape = {static_cast<int64_t>(rows)};
  } else if (problem.elementwise() && resolved.last_axis != LastAxis::kKeep) {
    if (problem.item_shape.empty()) return error::BadAxis("options.last_axis", -1, 0);
    problem.item_shape.pop_back();
    problem.width = problem.num_classes;
  }
  if (!problem.elementwise()) {
    const size_t classes = problem.dims['C'];
    problem.num_classes = classes == kUnbound ? prediction.width : classes;
  }
  if (absl::Status s = CheckWork(problem); !s.ok()) return s;
  problem.num_items = ElementCount(problem.item_shape).value_or(0);
  return absl::OkStatus();
}

absl::StatusOr<PerItem> AlignToItems(std::string_view field, TensorView view, const Problem& problem) {
  const Shape& shape = view.shape();
  const Shape& items = problem.item_shape;
  size_t prefix = 0;
  while (prefix < shape.size() && prefix < items.size() && shape[prefix] == items[prefix]) ++prefix;
  const bool rest_is_ones = std::all_of(shape.begin() + prefix, shape.end(), [](int64_t size) { return size == 1; });
  // One weight a sample may come as a column, as Keras sends it, even where a sample is an item.
  const bool column = shape.size() == items.size() + 1 && prefix == items.size() && !shape.empty();
  if (!rest_is_ones || (shape.size() > items.size() && !column)) {
    return error::ShapeMismatch(field, shape, problem.inputs[0].view->shape(),
                                "expected the leading axes of the items' shape " + ToString(items) + ", or all of it");
  }
  const std::span<const int64_t> inner(items.begin() + prefix, items.end());
  return PerItem{std::move(view), ElementCount(inner).value_or(0)};
}

}  // namespace lossd
