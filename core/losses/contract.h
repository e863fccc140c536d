// What the service promises about one loss, as data beside its arithmetic.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <string_view>

#include "core/options.h"

namespace lossd {

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
inline constexpr Interval kPositive{0, kInf, true, true};
inline constexpr Interval kNonNegative{0, kInf, false, true};
inline constexpr Interval kUnit{0, 1};

// One number that a request may set.
struct Param {
  std::string_view name = {};
  double fallback = 0;
  Interval domain = kReal;
  std::string_view summary = {};
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

// A worked case under the reduction SUM, checked by the conformance suite and shown by DescribeLoss.
struct Example {
  std::string_view origin = {};  // where the numbers come from
  List<double, 8> target;        // labels for row_with_index
  List<double, 8> prediction;    // one row for the row families
  double value = 0;
  List<double, 8> gradient;
  double digits = 6;  // decimal digits to which the origin gives its numbers
  Form form = {};
  List<double, 4> params = {};  // empty: the defaults
};

// Largest error per item inside the domains, in units in the last place of the exact result.
struct Tolerance {
  double value_ulp = 2;
  double slope_ulp = 4;
};

struct Contract {
  std::string_view name = {};
  List<Alias, 16> aliases = {};
  std::string_view summary = {};     // one clause of character
  std::string_view formula = {};     // value of one item, plain text
  std::string_view gradient = {};    // its derivative, plain text
  std::string_view source = {};      // author, year, title
  std::string_view notes = {};       // conventions where books and libraries differ
  std::string_view kinks_note = {};  // where there is no derivative, and what is returned there; empty: smooth
  List<Param, 4> params = {};
  List<Form, 6> forms = {Form{}};
  Interval target = kReal;
  List<Example, 6> examples = {};
  // Values of r = prediction - target without a derivative, or one that jumps; in units of params[0] where
  // kinks_scaled.
  List<double, 4> kinks = {};
  bool kinks_scaled = false;
  Tolerance f32 = {}, f64 = {};
  // A soft target may cancel the slope: it is then a difference of two parts, each rounded, and slope_ulp counts in
  // units of the part that the target makes. Hard targets (0, 1, one-hot) have no such cancellation here.
  bool soft_targets_cancel = false;
};

}  // namespace lossd
