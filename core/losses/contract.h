// What the service promises about one loss, as data beside its arithmetic.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string_view>

#include "core/options.h"

namespace lossd {

class Dims;  // core/losses/loss.h

// Fixed-capacity constexpr list, so that a contract is written as plain data.
template <class T, size_t kCapacity>
struct List {
  constexpr List() = default;
  constexpr List(std::initializer_list<T> from) {
    for (const T& item : from) items[count++] = item;
  }
  constexpr size_t size() const { return count; }
  constexpr bool empty() const { return count == 0; }
  constexpr const T* begin() const { return items.data(); }
  constexpr const T* end() const { return items.data() + count; }
  constexpr const T& operator[](size_t i) const { return items[i]; }
  std::array<T, kCapacity> items{};
  size_t count = 0;
};

struct Interval {
  double lo, hi;  // closed unless marked open
  bool open_lo = false, open_hi = false;

  constexpr bool Contains(double x) const { return (open_lo ? lo < x : lo <= x) && (open_hi ? x < hi : x <= hi); }
};
inline constexpr double kInf = std::numeric_limits<double>::infinity();
inline constexpr Interval kReal{-kInf, kInf, true, true};
inline constexpr Interval kExtendedReal{-kInf, kInf};
inline constexpr Interval kPositive{0, kInf, true, true};
inline constexpr Interval kNonNegative{0, kInf, false, true};
inline constexpr Interval kUnit{0, 1};
inline constexpr Interval kOpenUnit{0, 1, true, true};

// Largest numbers of each in a contract.
inline constexpr size_t kMaxParams = 6;
inline constexpr size_t kMaxInputs = 10;
inline constexpr size_t kMaxForms = 6;

// One setting of the loss: a number in a domain, or one of a few words, which the kernel gets as the word's index.
struct Param {
  std::string_view name = {};
  double fallback = 0;  // a number, or the index of a word
  Interval domain = kReal;
  std::string_view summary = {};
  List<std::string_view, 6> choices = {};  // empty: a number. {"false", "true"} takes a bool.
  // Of those, the ones under which the slope leaves out the derivative of a part: its summary or the notes say which.
  List<std::string_view, 6> detached = {};
  char index_of = 0;  // a number that picks one of this axis: an integer below its size, from -1, which is the last

  constexpr bool is_choice() const { return !choices.empty(); }
};
constexpr Param Choice(std::string_view name, List<std::string_view, 6> choices, double fallback,
                       std::string_view summary, List<std::string_view, 6> detached = {}) {
  return {.name = name, .fallback = fallback, .summary = summary, .choices = choices, .detached = detached};
}
constexpr Param Flag(std::string_view name, bool fallback, std::string_view summary,
                     List<std::string_view, 6> detached = {}) {
  return Choice(name, {"false", "true"}, fallback ? 1 : 0, summary, detached);
}

// What the elements of an input are.
enum class Content : uint8_t {
  kNumbers,      // floating point (integers are converted)
  kIndex,        // integers in [0, size of the axis `bound`); any int32 where no input has that axis
  kIndexOrPad,   // integers in [-1, size of the axis `bound`); -1 stands for nothing
  kCount,        // integers in [0, size of the axis `bound`]
  kPrefixIndex,  // per item a run of integers, of which the first as many as the kCount input `counted_by` says (all,
                 // where it is absent) are in [0, size of the axis `bound`)
  kBool,         // BOOL or U8; kernels see 0 or 1
};

// One named tensor. Its shape is written in letters, one an axis: "..." stands for the axes of the items, equal letters
// for equal sizes, a digit for that size, "U+1" for one more than U: "... T C". Without "..." the tensor is shared by
// all items. In an elementwise loss "C" is one number per element of the last axis (or one for all).
struct Input {
  std::string_view name = {};
  std::string_view shape = "...";
  Content content = Content::kNumbers;
  char bound = 'C';
  bool differentiable = false;
  bool optional = false;
  double fallback = 0;      // of an optional kNumbers input of the items' shape, or per class
  Interval domain = kReal;  // a closed end is checked item by item: outside it the item is NaN
  std::string_view summary = {};
  std::string_view counted_by = {};
  size_t (*bound_of)(const Dims& dims) = nullptr;  // instead of `bound`, where no one axis is the bound
};

// One accepted reading of the prediction. Each has a kernel of its own. A structural type: forms are template
// arguments.
struct Form {
  InputKind input_kind = InputKind::kUnspecified;
  ClipPolicy clip_policy = ClipPolicy::kNone;
  Interval prediction = kReal;  // outside it value and slope are NaN

  friend constexpr bool operator==(const Form& a, const Form& b) {
    return a.input_kind == b.input_kind && a.clip_policy == b.clip_policy;
  }
};

// Another name of the loss. One that says what the prediction is ("BCEWithLogitsLoss") stands for that input kind.
struct Alias {
  std::string_view name = {};
  InputKind implies = InputKind::kUnspecified;
};

// What a library's name for this loss does where it differs from the defaults here. Shown in the documentation, applied
// where a request names the convention.
struct Setting {
  std::string_view param = {};
  double value = 0;  // a number, or the index of a word
};
struct Bundle {
  Convention convention = Convention::kLossd;
  std::optional<InputKind> input_kind = std::nullopt;    // what the library assumes where the call does not say
  std::optional<ClipPolicy> clip_policy = std::nullopt;  // for probabilities
  std::optional<Divisor> divisor = std::nullopt;
  std::optional<LastAxis> last_axis = std::nullopt;
  std::optional<KinkPolicy> kink_policy = std::nullopt;
  std::optional<Reduction> reduction = std::nullopt;
  std::optional<int> axis = std::nullopt;  // of the classes, where there is more than one axis
  bool whole_batch_item = false;           // region losses: one item of everything
  List<Setting, 6> params = {};
  List<Setting, 2> mean_params = {};  // in force under the reduction MEAN alone
};

// A worked case under the reduction SUM, checked by the conformance suite and shown by DescribeLoss.
struct Example {
  std::string_view origin = {};  // where the numbers come from
  List<double, 12> target;       // of the input y_true; labels for class indices
  List<double, 12> prediction;   // of the first input
  double value = 0;
  List<double, 12> gradient;  // with respect to the first input
  double digits = 6;          // decimal digits to which the origin gives its numbers
  Form form = {};
  List<double, kMaxParams> params = {};   // in contract order; empty: the defaults
  List<List<double, 12>, 4> others = {};  // required inputs beside the first and y_true, in contract order
  List<int64_t, 4> shape = {};            // of the first input; default: one axis
};

// Largest error per item inside the domains, in units in the last place of the exact result.
struct Tolerance {
  double value_ulp = 2;
  double slope_ulp = 4;
  bool of_largest = false;  // slopes add up terms of either sign: slope_ulp counts in units of the item's largest slope
  double curvature_ulp = 0;  // as slope_ulp, of second derivatives; 0: the same
};

// What an item of a loss is.
enum class Family : uint8_t {
  kElementwise,  // an element
  kRow,          // the last axis
  kSequence,     // the last axes: time, (labels,) classes
  kRegion,       // a set of axes, all but the first by default
  kBatch,        // everything is one coupled problem with a value for each row
};
std::string_view Name(Family family);

// What label smoothing a does to the target.
enum class Smoothing : uint8_t { kNone, kBinary /* t (1 - a) + a/2 */, kClasses /* t (1 - a) + a/C */ };

// What a kernel writes to Block::extra for each item.
enum class Extra : uint8_t {
  kNone,
  kTerms,    // how many terms the item's value adds up, for Divisor::kTerms
  kPerItem,  // a number that the response returns for every item under Contract::extra_name
  kMean,     // a number whose mean over the items, through L::Finish(params, mean), the response returns
};

struct Contract {
  std::string_view name = {};
  Family family = Family::kElementwise;
  List<Alias, 16> aliases = {};
  std::string_view summary = {};     // one clause of character
  std::string_view use = {};         // what it is for: one or two sentences
  std::string_view formula = {};     // value of one item, plain text
  std::string_view gradient = {};    // its derivative, plain text
  std::string_view tex = {};         // the value in LaTeX, without dollars
  std::string_view source = {};      // author, year, title
  std::string_view notes = {};       // conventions where books and libraries differ
  std::string_view peers = {};       // how Keras, PyTorch and optax differ
  std::string_view kinks_note = {};  // where there is no derivative, and what is returned there; empty: smooth
  List<Param, kMaxParams> params = {};
  List<Form, kMaxForms> forms = {Form{}};
  // The first is the prediction, whose shape makes the items.
  List<Input, kMaxInputs> inputs = {{.name = "y_pred", .differentiable = true}, {.name = "y_true"}};
  Interval target = kReal;
  List<Example, 6> examples = {};
  // Values of r = prediction - target without a derivative, or one that jumps; in units of params[0] where
  // kinks_scaled.
  List<double, 4> kinks = {};
  bool kinks_scaled = false;
  Tolerance f32 = {}, f64 = {};
  std::string_view tolerance_note = {};  // why, where looser than the default
  // A soft target may cancel the slope: it is then a difference of two parts, each rounded, and slope_ulp counts in
  // units of the part that the target makes. Hard targets (0, 1, one-hot) have no such cancellation here.
  bool soft_targets_cancel = false;

  List<Bundle, 3> conventions = {};  // the libraries that have this loss
  Smoothing smoothing = Smoothing::kNone;
  bool class_weights = false;              // class_weight multiplies the target's classes (or the item of a label)
  bool class_mask = false;                 // class_mask takes classes out of the softmax
  bool has_kinks = false;                  // reads the kink policy
  bool curvature = false;                  // writes the diagonal of the Hessian
  Reduction reduction = Reduction::kMean;  // the default
  std::string_view label_encoding = {};    // name of the choice param {"signed", "binary", "auto"} that reads y_true
  std::string_view dense_twin = {};        // loss that reads a row of targets where this one reads an index
  Extra extra = Extra::kNone;
  std::string_view extra_name = {};
  bool checks_nan_itself = false;  // sequences: what lies behind an item's length is not looked at
  bool detached = false;  // the slope leaves out the derivative of a part whatever the parameters: notes say which

  // Index of an input or parameter by name; size() where there is none.
  constexpr size_t InputIndex(std::string_view wanted) const {
    size_t i = 0;
    while (i < inputs.size() && inputs[i].name != wanted) ++i;
    return i;
  }
  constexpr size_t ParamIndex(std::string_view wanted) const {
    size_t i = 0;
    while (i < params.size() && params[i].name != wanted) ++i;
    return i;
  }
};

}  // namespace lossd
