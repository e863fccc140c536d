// A request that has been checked. Behind MakeProblem nothing is checked again.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "core/losses/loss.h"
#include "core/options.h"
#include "core/tensor/permute.h"
#include "core/tensor/tensor_view.h"

namespace lossd {

// What a caller sets a parameter to: a number, a flag, or a word.
using ParamValue = std::variant<double, bool, std::string>;

// What a caller asked for, translated from the wire and not yet checked. Borrows the bytes of its tensors.
struct Request {
  std::string loss;  // canonical name or alias
  std::vector<std::pair<std::string, ParamValue>> params;
  Options options;
  std::optional<TensorView> y_true, y_pred;
  std::vector<std::pair<std::string, TensorView>> inputs;  // further ones by name
  std::optional<TensorView> sample_weight, element_weight, class_weight, class_mask, mask, upstream;
  bool gradient = false;
  std::vector<std::string> with_respect_to;  // empty: y_pred, or every input that can be where the loss has no y_pred
  bool hessian_diagonal = false;             // with gradient
};

// One number or byte for `repeat` consecutive items.
struct PerItem {
  TensorView view;
  size_t repeat;  // item i reads element i / repeat
};

// One input of the loss's contract, as it was sent.
struct BoundInput {
  std::optional<TensorView> view;  // nothing: optional, and left out
  Order order;                     // its axes must be brought into this order first
  Shape shape;                     // then, as the kernel sees it
  size_t width = 1;                // elements of an item; of the whole where shared
  bool shared = false;             // the same for all items
  bool per_class = false;          // elementwise: element i of the last axis reads number i % count
  bool integer = false;            // kernels get int32
  bool wanted = false;             // its gradient was asked for
};

// What is done to every target before the kernel sees it: t scale + shift, then times the class weight.
struct TargetTransform {
  double scale = 1, shift = 0;
  bool expand = false;  // y_true holds class indices; the kernel gets one-hot rows
};

// From this many bytes on gradients are written past the caches, where kernels gain by it. Squared error alone, beside
// plain stores: 1.2 times as fast at 64 MiB; with a copy of the gradient after it 1.15 at 8, 16 and 32 MiB, and 0.6 at
// 4 (32 MiB of last-level cache).
inline constexpr size_t kStreamedBytes = size_t{8} << 20;

struct Problem {
  Loss loss;  // as named, even where expand has another loss's kernels at work
  Form form;
  Kernel<float> f32;  // null: computed in double
  Kernel<double> f64;
  bool finishes = false;  // FormKernels::finishes, and the kernel can read the first input as it was sent
  size_t scratch = 0;     // doubles
  std::array<double, kMaxParams> params{};  // in contract order
  double kink = 0;
  DType dtype;       // of the first input, and of values
  DType arithmetic;  // kF32 or kF64
  Dims dims;
  std::vector<BoundInput> inputs;  // in contract order
  size_t y_true;                   // index of that input; inputs.size(): none
  TargetTransform target;
  std::vector<double> class_weight;  // [C] or nothing
  std::vector<uint8_t> class_mask;   // [C] or nothing; 0: left out
  std::optional<PerItem> sample_weight;
  std::optional<PerItem> mask;  // 0: left out
  std::optional<TensorView> element_weight;
  std::optional<TensorView> upstream;
  std::optional<int64_t> ignore_index;
  Shape item_shape;        // of values
  size_t num_items = 0;    // N
  size_t width = 1;        // elements of an item in the first input
  size_t num_classes = 1;  // size of the class axis (elementwise: of the last axis)
  LastAxis last_axis;      // elementwise: kMean and kSum fold `width` elements into an item
  Reduction reduction;
  Divisor divisor;
  std::optional<double> normalizer;
  EmptyPolicy empty_policy;
  NonFinitePolicy non_finite_policy;
  bool gradient = false;
  bool hessian_diagonal = false;
  bool outputs_change =
      false;  // somebody else may write to the outputs meanwhile: kernels keep what they read again apart

  const Contract& contract() const { return *loss.contract; }
  bool elementwise() const { return contract().family == Family::kElementwise; }
  bool batch() const { return contract().family == Family::kBatch; }
  // Items that the kernel counts, and their width: elements for the elementwise losses.
  size_t kernel_items(size_t items) const { return elementwise() ? items * width : items; }
  // Items have weights of their own, or some of them are left out.
  bool weighted() const { return sample_weight || mask || ignore_index || label_weights(); }
  bool label_weights() const { return !class_weight.empty() && inputs[y_true].integer; }
  // Elements have factors of their own.
  bool element_factors() const {
    return elementwise() && (element_weight || !class_weight.empty() || last_axis != LastAxis::kKeep);
  }
  // The kernel adds the values up itself.
  bool kernel_sums() const { return elementwise() && !weighted() && !element_factors(); }
  // And nothing else is done to them, nor to the slopes but that all are multiplied by one number: the kernel's pass is
  // the only one.
  bool one_pass() const {
    return kernel_sums() && !upstream && reduction != Reduction::kNone && divisor != Divisor::kNonZero;
  }
  // Its gradient may be written past the caches: it would have left them before anybody reads it.
  bool streams() const { return (one_pass() || finishes) && inputs[0].wanted && gradient_bytes() >= kStreamedBytes; }
  // The divisor depends on the values: they are computed first.
  bool values_first() const {
    return gradient && reduction == Reduction::kMean && !normalizer &&
           (divisor == Divisor::kTerms || divisor == Divisor::kNonZero);
  }

  // The gradient of this input can be written over its bytes: nothing reads an element again whose slope is known.
  bool may_overwrite(size_t input) const {
    const BoundInput& bound = inputs[input];
    const bool in_turn = elementwise() || (finishes && input == 0 && !hessian_diagonal);
    return in_turn && gradient && bound.wanted && !bound.integer && !bound.shared && !bound.per_class &&
           bound.order.empty() && !bound.view->changes();
  }

  // Every tensor whose bytes it reads, in a fixed order.
  absl::InlinedVector<TensorView*, 4> tensors();
  // Nothing in it but its tensors depends on their contents: a request that differs from this one's in the bytes of
  // tensors alone is this problem with its tensors moved, once CheckContents is content with them.
  bool repeats() const;

  // Bytes of the outputs that Evaluate fills: 0 where the output is not part of the answer.
  size_t per_item_bytes() const { return reduction == Reduction::kNone ? num_items * SizeOf(dtype) : 0; }
  size_t gradient_bytes(size_t input = 0) const {
    return gradient && inputs[input].wanted ? inputs[input].view->size_bytes() : 0;
  }
  size_t hessian_bytes() const { return hessian_diagonal ? inputs[0].view->size_bytes() : 0; }
  size_t extra_bytes() const { return contract().extra == Extra::kPerItem ? num_items * sizeof(double) : 0; }
  // Copies that Evaluate makes of tensors whose axes it brings into order.
  size_t permuted_bytes() const;
};

// The only place that checks: name, parameters, options, dtypes, shapes, labels, and (NonFinitePolicy::kError)
// finiteness. Errors: NOT_FOUND (loss), INVALID_ARGUMENT naming the field, UNIMPLEMENTED (a Hessian that is not defined
// by items). Reads labels and masks whole, so its time is linear in their size. Thread-safe.
absl::StatusOr<Problem> MakeProblem(Request request);

}  // namespace lossd
