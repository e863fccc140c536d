// Random problems of any loss, drawn from its contract alone.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "core/losses/loss.h"
#include "core/strings.h"
#include "tests/support/problems.h"

namespace lossd::testing {

inline std::string Describe(const Contract& contract, const Form& form) {
  return Cat(contract.name, " ", Name(form.input_kind), " ", Name(form.clip_policy));
}

// Sizes of what a contract leaves open.
struct Extent {
  Shape items = {5};             // axes of the items; batch losses have none
  std::map<char, size_t> sizes;  // of letters, where they differ from those of SizeOf
  bool optional = true;          // send the optional inputs
  bool hard = false;             // targets at the ends of their domain alone: labels written as numbers
  size_t SizeOf(char letter) const {
    const auto own = sizes.find(letter);
    if (own != sizes.end()) return own->second;
    switch (letter) {
      case 'N':  // rows of a batch
        return 9;
      case 'T':  // steps of a sequence: enough for any labels
        return 12;
      case 'L':
      case 'U':
      case 'S':
        return 3;
      case 'C':
        return 5;
      case 'D':
        return 4;
      default:
        return 6;
    }
  }
};

// An extent in which the first input has about `items` items of about `width` elements.
inline Extent ExtentOf(const Contract& contract, size_t items, size_t width) {
  Extent extent;
  extent.items = {static_cast<int64_t>(items)};
  switch (contract.family) {
    case Family::kElementwise:
      break;
    case Family::kBatch:
      extent.sizes = {{'N', items}, {'C', std::max<size_t>(3, width / 2)}};
      break;
    case Family::kSequence:
      extent.sizes = {{'T', std::max<size_t>(7, width / 5)}};
      break;
    case Family::kRow:
    case Family::kRegion:  // the first letter; classes behind it are few
      for (const char c : contract.inputs[0].shape) {
        if (c >= 'A' && c <= 'Z') extent.sizes.emplace(c, extent.sizes.empty() ? width : 3);
      }
      break;
  }
  return extent;
}

// "... T U+1" in numbers.
inline Shape ShapeOf(const Contract& contract, const Input& input, const Extent& extent) {
  if (contract.family == Family::kElementwise && !input.shape.starts_with("...")) {
    return extent.items.empty() ? Shape() : Shape{extent.items.back()};
  }
  Shape shape;
  std::istringstream words{std::string(input.shape)};
  for (std::string word; words >> word;) {
    if (word == "...") {
      shape = extent.items;
    } else if (word[0] >= '0' && word[0] <= '9') {
      shape.push_back(word[0] - '0');
    } else {
      shape.push_back(static_cast<int64_t>(extent.SizeOf(word[0])) + (word.ends_with("+1") ? 1 : 0));
    }
  }
  return shape;
}

// The shape of the values.
inline Shape ItemShape(const Contract& contract, const Extent& extent) {
  if (contract.family != Family::kBatch) return extent.items;
  if (contract.inputs[0].shape.starts_with("N")) return {static_cast<int64_t>(extent.SizeOf('N'))};
  return {};
}

using Rng = std::mt19937_64;

// Uniform, off the ends of the domain, unbounded sides cut.
inline double DrawNumber(Rng& rng, const Interval& domain) {
  const bool low = domain.lo > -kInf, high = domain.hi < kInf;
  const double u = std::uniform_real_distribution<double>(1.0 / 16, 15.0 / 16)(rng);
  if (low && high) return domain.lo + u * (domain.hi - domain.lo);
  if (low) return domain.lo + 4 * u;
  if (high) return domain.hi - 4 * u;
  return 8 * u - 4;
}

inline Interval Both(const Interval& a, const Interval& b) {
  Interval both = a.lo > b.lo || (a.lo == b.lo && a.open_lo) ? a : b;
  const Interval& upper = a.hi < b.hi || (a.hi == b.hi && a.open_hi) ? a : b;
  both.hi = upper.hi;
  both.open_hi = upper.open_hi;
  return both;
}

// Where the numbers of an input are drawn.
inline Interval DomainOf(const Contract& contract, const Form& form, const Input& input) {
  if (&input == contract.inputs.begin()) {
    Interval domain = Both(form.prediction, input.domain);
    if (form.input_kind == InputKind::kProbabilities) domain = Both(domain, kUnit);
    if (form.input_kind == InputKind::kLogProbabilities) domain = Both(domain, {-4, 0});
    return domain;
  }
  return input.name == "y_true" ? Both(contract.target, input.domain) : input.domain;
}

// The range of an input's integers: the size of an axis, or of several.
inline size_t BoundOf(const Contract& contract, const Input& input, const Extent& extent) {
  if (input.bound_of != nullptr) {
    Dims dims;
    for (char letter = 'A'; letter <= 'Z'; ++letter) dims[letter] = Dims::kUnbound;
    for (const Input& sent : contract.inputs) {
      if (sent.optional && !extent.optional) continue;
      for (const char c : sent.shape) {
        if (c >= 'A' && c <= 'Z') dims[c] = extent.SizeOf(c);
      }
    }
    return input.bound_of(dims);
  }
  if (contract.family != Family::kElementwise || input.bound != 'C') return extent.SizeOf(input.bound);
  return extent.items.empty() ? 1 : static_cast<size_t>(extent.items.back());
}

inline double DrawElement(Rng& rng, const Contract& contract, const Form& form, const Input& input,
                          const Extent& extent) {
  const Interval domain = DomainOf(contract, form, input);
  const auto size = static_cast<int64_t>(BoundOf(contract, input, extent));
  const auto below = [&](int64_t n) {
    return static_cast<int64_t>(rng() % static_cast<uint64_t>(std::max<int64_t>(1, n)));
  };
  switch (input.content) {
    case Content::kNumbers:
      if (contract.family == Family::kBatch && input.shape == "N" && input.name == "y_true") {
        return static_cast<double>(below(3));  // labels that tell rows apart
      }
      break;
    case Content::kIndex:
      return static_cast<double>(below(size));
    case Content::kIndexOrPad:
      return static_cast<double>(below(size + 1) - 1);
    case Content::kCount:  // not so short that a sequence cannot hold its labels
      return static_cast<double>(size - below(size / 3 + 1));
    case Content::kPrefixIndex:  // the first and the last class may be blanks
      return static_cast<double>(size > 2 ? 1 + below(size - 2) : below(size));
    case Content::kBool:
      return rng() % 5 == 0 ? 0 : 1;
  }
  const bool ends = input.name == "y_true" && domain.lo > -kInf && domain.hi < kInf;
  if (ends && extent.hard) return rng() % 2 == 0 ? domain.lo : domain.hi;
  return DrawNumber(rng, domain);
}

// Every input of a form, optional ones where the extent says so.
inline Tensors DrawInputs(Rng& rng, const Contract& contract, const Form& form, const Extent& extent) {
  Tensors tensors;
  for (const Input& input : contract.inputs) {
    if (input.optional && !extent.optional) continue;
    Tensor tensor{.shape = ShapeOf(contract, input, extent), .numbers = {}};
    tensor.numbers.resize(ElementCount(tensor.shape).value());
    for (double& x : tensor.numbers) x = DrawElement(rng, contract, form, input, extent);
    if (input.shape.ends_with(" 4") && input.content == Content::kNumbers) {
      // Corners in order; the same numbers are a box in any other format as well.
      for (size_t i = 0; i + 3 < tensor.numbers.size(); i += 4) {
        for (size_t k = i; k < i + 2; ++k) {
          tensor.numbers[k] = DrawNumber(rng, {0, 2});
          tensor.numbers[k + 2] = tensor.numbers[k] + DrawNumber(rng, {0.5, 3});
        }
      }
    }
    tensors[std::string(input.name)] = std::move(tensor);
  }
  return tensors;
}

// The same, but where targets between the ends of their domain are answered by NaN they are drawn from the ends.
inline Tensors DrawAnswered(Rng& rng, const Contract& contract, const Form& form, Extent extent) {
  Tensors tensors = DrawInputs(rng, contract, form, extent);
  const absl::StatusOr<Bits> bits = Solve(MakeCall(contract, form, DType::kF64, tensors));
  EXPECT_TRUE(bits.ok()) << bits.status();
  if (!bits.ok()) return tensors;
  const std::vector<double> values = As<double>(bits->per_item);
  if (std::none_of(values.begin(), values.end(), [](double v) { return std::isnan(v); })) return tensors;
  extent.hard = true;
  return DrawInputs(rng, contract, form, extent);
}

// Asks a call for the slopes of every input that has them, and for the Hessian where there is one.
inline void WantAll(const Contract& contract, Request& request) {
  request.gradient = true;
  request.hessian_diagonal = contract.curvature;
  for (const Input& input : contract.inputs) {
    const bool sent = input.name == "y_pred" ? request.y_pred.has_value()
                      : input.name == "y_true"
                          ? request.y_true.has_value()
                          : std::any_of(request.inputs.begin(), request.inputs.end(),
                                        [&](const auto& given) { return given.first == input.name; });
    if (input.differentiable && sent) request.with_respect_to.emplace_back(input.name);
  }
}

// Equal bits; NaNs are equal whatever their payload.
template <class T>
bool SameBits(T a, T b) {
  return std::memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b);
}

}  // namespace lossd::testing
