#include "core/batch.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "core/errors.h"
#include "core/registry.h"
#include "core/strings.h"

namespace lossd {
namespace {

// Where a request keeps a tensor that has a field of its own; null for the others.
std::optional<TensorView>* FieldOf(Request& request, std::string_view name) {
  if (name == "y_true") return &request.y_true;
  if (name == "y_pred") return &request.y_pred;
  if (name == "sample_weight") return &request.sample_weight;
  if (name == "element_weight") return &request.element_weight;
  if (name == "class_weight") return &request.class_weight;
  if (name == "class_mask") return &request.class_mask;
  if (name == "mask") return &request.mask;
  return nullptr;
}

size_t RowsOf(const TensorView& view) { return static_cast<size_t>(view.shape()[0]); }

size_t RowBytes(const TensorView& view) { return RowsOf(view) == 0 ? 0 : view.size_bytes() / RowsOf(view); }

// The bytes [begin, end) of a tensor, where they lie.
Segments Bytes(const TensorView& view, size_t begin, size_t end) {
  Segments part;
  size_t at = 0;
  for (const Segment& segment : view.segments()) {
    const size_t from = std::max(at, begin), to = std::min(at + segment.size, end);
    if (from < to) part.push_back({segment.data + (from - at), to - from});
    at += segment.size;
  }
  return part;
}

void Append(const Segments& segments, std::vector<std::byte>* bytes) {
  for (const Segment& segment : segments) bytes->insert(bytes->end(), segment.data, segment.data + segment.size);
}

absl::Status NotInPieces(std::string_view field, std::string_view reason) {
  return absl::InvalidArgumentError(Cat(field, ": ", reason, "; send the batch as one Evaluate call"));
}

absl::Status InChunk(size_t chunk, const absl::Status& status) {
  const absl::string_view message = status.message();
  return {status.code(), Cat("chunk ", chunk, " (the first is 0): ", std::string_view(message.data(), message.size()))};
}

}  // namespace

absl::StatusOr<TensorView> OwnedTensor::View(std::string_view name) const {
  Segments segments;
  if (!bytes.empty()) segments.push_back({bytes.data(), bytes.size()});
  return TensorView::Make(name, dtype, shape, std::move(segments));
}

BatchEvaluator::BatchEvaluator(Request header, Executor& executor) : header_(std::move(header)), executor_(executor) {
  const auto own = [&](TensorView& view) {
    OwnedTensor& copy = header_tensors_.emplace_back(OwnedTensor{view.dtype(), view.shape(), {}});
    Append(view.segments(), &copy.bytes);
    view =
        *copy.View("");  // was a view of the same dtype and shape: cannot fail. Bytes of a vector stay when it moves.
  };
  for (std::optional<TensorView>* const field :
       {&header_.y_true, &header_.y_pred, &header_.sample_weight, &header_.element_weight, &header_.class_weight,
        &header_.class_mask, &header_.mask}) {
    if (*field) own(**field);
  }
  for (auto& [name, view] : header_.inputs) own(view);
}

size_t BatchEvaluator::held_bytes() const {
  size_t bytes = 0;
  for (const auto* const tensors : {&header_tensors_, &carried_}) {
    for (const OwnedTensor& tensor : *tensors) bytes += tensor.bytes.capacity();
  }
  return bytes;
}

absl::Status BatchEvaluator::CheckLoss() const {
  const absl::StatusOr<ResolvedLoss> found = FindLoss(header_.loss);
  if (!found.ok()) return found.status();
  if (found->loss.contract->family != Family::kBatch) return absl::OkStatus();
  return NotInPieces(found->loss.contract->name, "every value depends on the whole batch");
}

absl::Status BatchEvaluator::CheckLayout(const Chunk& chunk) {
  for (const auto& [name, view] : chunk) {
    if (view.shape().empty()) {
      return absl::InvalidArgumentError(Cat(name, ": a scalar has no axis of rows; send it in the header"));
    }
    if (view.shape()[0] != chunk[0].second.shape()[0]) {
      return absl::InvalidArgumentError(Cat(name, ": ", RowsOf(view), " rows beside ", RowsOf(chunk[0].second), " of ",
                                            chunk[0].first, "; the tensors of a chunk have the same number of rows"));
    }
    std::optional<TensorView>* const field = FieldOf(header_, name);
    const bool in_header = field != nullptr
                               ? field->has_value()
                               : std::any_of(header_.inputs.begin(), header_.inputs.end(),
                                             [&name = name](const auto& input) { return input.first == name; });
    if (in_header) return absl::InvalidArgumentError(Cat(name, ": in the header too; expected in one of the two"));
  }
  if (num_chunks_ == 0) {
    for (const auto& [name, view] : chunk) {
      layout_.push_back({name, view.dtype(), Shape(view.shape().begin() + 1, view.shape().end())});
    }
    return absl::OkStatus();
  }
  for (size_t i = 0; i < std::max(layout_.size(), chunk.size()); ++i) {
    if (i < layout_.size() && i < chunk.size() && layout_[i].name == chunk[i].first) continue;
    const bool missing = i < layout_.size() && (i >= chunk.size() || layout_[i].name < chunk[i].first);
    return absl::InvalidArgumentError(missing ? Cat(layout_[i].name, ": missing; the chunks before have it")
                                              : Cat(chunk[i].first, ": the chunks before do not have it"));
  }
  for (size_t i = 0; i < chunk.size(); ++i) {
    const auto& [name, view] = chunk[i];
    const Layout& first = layout_[i];
    if (view.dtype() != first.dtype) {
      return absl::InvalidArgumentError(
          Cat(name, ": dtype ", Name(view.dtype()), "; the chunks before have ", Name(first.dtype)));
    }
    if (!std::equal(view.shape().begin() + 1, view.shape().end(), first.row.begin(), first.row.end())) {
      return absl::InvalidArgumentError(Cat(name, ": shape ", ToString(view.shape()),
                                            "; rows of the chunks before have the shape ", ToString(first.row)));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Problem> BatchEvaluator::MakeProblemOf(const Chunk& rows) const {
  Request request = header_;
  for (const auto& [name, view] : rows) {
    if (std::optional<TensorView>* const field = FieldOf(request, name); field != nullptr) {
      *field = view;
    } else {
      request.inputs.emplace_back(name, view);
    }
  }
  return MakeProblem(std::move(request));
}

// What a chunk's problem shows not to hold for the whole by holding for its rows.
absl::Status BatchEvaluator::CheckInPieces(const Problem& problem, const Chunk& chunk) const {
  const Contract& contract = problem.contract();
  if (problem.reduction == Reduction::kNone) {
    return NotInPieces("options.reduction", "NONE returns a value for every item, and a batch in chunks one number");
  }
  const std::string_view prediction = contract.inputs[0].name;
  const bool sent = std::any_of(chunk.begin(), chunk.end(), [&](const auto& e) { return e.first == prediction; });
  if (!sent) return absl::InvalidArgumentError(Cat(prediction, ": missing in the chunk"));
  const Shape& shape = problem.inputs[0].view->shape();
  const Order& order = problem.inputs[0].order;
  if (problem.item_shape.empty() || problem.item_shape[0] != shape[0] || (!order.empty() && order[0] != 0)) {
    return NotInPieces(prediction,
                       Cat("the first axis of ", ToString(shape), " is that of the rows, and an item spans it"));
  }
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    const std::string_view name = contract.inputs[i].name;
    const bool in_chunk = std::any_of(chunk.begin(), chunk.end(), [&](const auto& e) { return e.first == name; });
    if (in_chunk && (problem.inputs[i].shared || problem.inputs[i].per_class)) {
      return absl::InvalidArgumentError(Cat(name, ": is the same for all rows; send it in the header"));
    }
  }
  if (!contract.label_encoding.empty() && problem.params[contract.ParamIndex(contract.label_encoding)] == 2) {
    return NotInPieces(Cat("params.", contract.label_encoding), "auto looks at all labels first; say signed or binary");
  }
  if (problem.elementwise() && shape.size() == 1) {
    bool classes =
        !problem.class_weight.empty() || (problem.target.shift != 0 && contract.smoothing == Smoothing::kClasses);
    for (size_t i = 0; i < problem.inputs.size(); ++i) {
      classes =
          classes || problem.inputs[i].per_class || (problem.inputs[i].integer && contract.inputs[i].bound == 'C');
    }
    if (classes) return NotInPieces(prediction, "the last axis, that of the classes, is the axis of the rows");
  }
  return absl::OkStatus();
}

absl::Status BatchEvaluator::Add(const Chunk& unordered, const Cancellation& cancellation, const Admit& admit) {
  if (unordered.empty()) return absl::OkStatus();
  Chunk chunk = unordered;
  std::sort(chunk.begin(), chunk.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  if (num_chunks_ == 0) {
    if (absl::Status s = CheckLoss(); !s.ok()) return s;
  }
  if (absl::Status s = CheckLayout(chunk); !s.ok()) return InChunk(num_chunks_, s);
  const absl::StatusOr<Problem> problem = MakeProblemOf(chunk);
  if (!problem.ok()) return InChunk(num_chunks_, problem.status());
  if (absl::Status s = CheckInPieces(*problem, chunk); !s.ok()) return InChunk(num_chunks_, s);
  if (!admit(*problem, MakePlan(*problem))) {
    return InChunk(num_chunks_, absl::ResourceExhaustedError("the memory that it takes is not to be had now"));
  }
  if (absl::Status s = AddItems(chunk, *problem, cancellation); !s.ok()) return InChunk(num_chunks_, s);
  if (!whole_) {
    whole_ = *problem;
    for (BoundInput& input : whole_->inputs) input.view.reset();
    whole_->sample_weight.reset();
    whole_->mask.reset();
    whole_->element_weight.reset();
  }
  num_rows_ += RowsOf(chunk[0].second);
  ++num_chunks_;
  return absl::OkStatus();
}

absl::Status BatchEvaluator::AddItems(const Chunk& chunk, const Problem& problem, const Cancellation& cancellation) {
  if (problem.num_items == 0) return absl::OkStatus();
  const size_t rows = RowsOf(chunk[0].second), items_in_row = problem.num_items / rows;
  const size_t block = ItemsInBlock(problem);
  size_t begin = 0;  // items of this chunk that have been added
  if (carried_rows_ > 0) {
    const size_t pending = carried_rows_ * items_in_row - items_done_;
    const size_t lacking = block - pending;
    if (lacking > problem.num_items) {
      Carry(chunk, 0, rows);
      return absl::OkStatus();
    }
    const absl::StatusOr<Chunk> both = CarryAnd(chunk, (lacking + items_in_row - 1) / items_in_row);
    if (!both.ok()) return both.status();
    const absl::StatusOr<Problem> straddling = MakeProblemOf(*both);
    if (!straddling.ok()) return straddling.status();
    if (absl::Status s = Sum(*straddling, {items_done_, block}, cancellation); !s.ok()) return s;
    begin = lacking;
    carried_.clear();
    carried_rows_ = 0;
  }
  const size_t whole_blocks = (problem.num_items - begin) / block * block;
  if (absl::Status s = Sum(problem, {begin, whole_blocks}, cancellation); !s.ok()) return s;
  begin += whole_blocks;
  if (begin == problem.num_items) return absl::OkStatus();
  items_done_ = begin % items_in_row;
  Carry(chunk, begin / items_in_row, rows);
  return absl::OkStatus();
}

absl::Status BatchEvaluator::Sum(const Problem& problem, Run items, const Cancellation& cancellation) {
  const bool done = SumItems(problem, MakePlan(problem, items.count), items, executor_, cancellation, &total_);
  return done ? absl::OkStatus() : error::Cancelled();
}

absl::StatusOr<Chunk> BatchEvaluator::CarryAnd(const Chunk& chunk, size_t rows) const {
  Chunk both;
  for (size_t i = 0; i < carried_.size(); ++i) {
    const std::string& name = layout_[i].name;
    Segments segments;
    if (const auto& carried = carried_[i].bytes; !carried.empty()) segments.push_back({carried.data(), carried.size()});
    if (rows > 0) {
      const TensorView& view = chunk[i].second;
      for (const Segment& segment : Bytes(view, 0, rows * RowBytes(view))) segments.push_back(segment);
    }
    Shape shape = layout_[i].row;
    shape.insert(shape.begin(), static_cast<int64_t>(carried_rows_ + rows));
    absl::StatusOr<TensorView> view = TensorView::Make(name, layout_[i].dtype, std::move(shape), std::move(segments));
    if (!view.ok()) return view.status();
    both.emplace_back(name, *std::move(view));
  }
  return both;
}

void BatchEvaluator::Carry(const Chunk& chunk, size_t begin, size_t end) {
  if (carried_.empty()) {
    for (const Layout& tensor : layout_) carried_.push_back({tensor.dtype, {}, {}});
  }
  for (size_t i = 0; i < chunk.size(); ++i) {
    const TensorView& view = chunk[i].second;
    Append(Bytes(view, begin * RowBytes(view), end * RowBytes(view)), &carried_[i].bytes);
  }
  carried_rows_ += end - begin;
}

absl::StatusOr<Result> BatchEvaluator::Finish(const Cancellation& cancellation) {
  if (!whole_) return absl::InvalidArgumentError("no chunk came: expected rows of y_pred, as many as there are");
  if (carried_rows_ > 0) {
    const absl::StatusOr<Chunk> rest = CarryAnd({}, 0);
    if (!rest.ok()) return rest.status();
    const absl::StatusOr<Problem> problem = MakeProblemOf(*rest);
    if (!problem.ok()) return problem.status();
    const Run items{items_done_, problem->num_items - items_done_};
    if (absl::Status s = Sum(*problem, items, cancellation); !s.ok()) return s;
  }
  const size_t items_in_row = ElementCount(std::span(whole_->item_shape).subspan(1)).value_or(0);
  whole_->item_shape[0] = static_cast<int64_t>(num_rows_);
  whole_->num_items = num_rows_ * items_in_row;
  return Conclude(*whole_, total_);
}

}  // namespace lossd
