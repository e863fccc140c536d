// The worked examples of contracts as calls.
#pragma once

#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "core/losses/contract.h"
#include "tests/support/problems.h"

namespace lossd::testing {

inline std::vector<std::string> AxesOf(const Input& input) {
  std::istringstream words{std::string(input.shape)};
  std::vector<std::string> axes;
  for (std::string word; words >> word;) {
    if (word != "...") axes.push_back(word);
  }
  return axes;
}

// The shape of an input from the sizes of letters that are known; one that is not takes what `count` leaves.
inline Shape InferShape(const Input& input, const Shape& items, size_t count, std::map<std::string, int64_t>& sizes) {
  Shape shape;
  if (input.shape.starts_with("...")) shape = items;
  int64_t known = 1;
  for (const int64_t size : shape) known *= size;
  size_t open = ~size_t{0};
  for (const std::string& axis : AxesOf(input)) {
    const std::string letter = axis.substr(0, 1);
    const int64_t more = axis.ends_with("+1") ? 1 : 0;
    if (axis[0] >= '0' && axis[0] <= '9') {
      shape.push_back(std::stoll(axis));
    } else if (sizes.contains(letter)) {
      shape.push_back(sizes[letter] + more);
    } else {
      open = shape.size();
      shape.push_back(1);
      continue;
    }
    known *= shape.back();
  }
  if (open == ~size_t{0}) return shape;
  shape[open] = known == 0 ? 0 : static_cast<int64_t>(count) / known;
  const size_t lead = shape.size() - AxesOf(input).size();
  const std::string axis = AxesOf(input)[open - lead];
  sizes[axis.substr(0, 1)] = shape[open] - (axis.ends_with("+1") ? 1 : 0);
  return shape;
}

template <size_t kMost>
std::vector<double> Numbers(const List<double, kMost>& list) {
  return {list.begin(), list.end()};
}

// The first input, y_true, and what else is required, in the order of the contract.
inline Tensors TensorsOf(const Contract& contract, const Example& example) {
  Tensors tensors;
  std::map<std::string, int64_t> sizes;
  const Input& first = contract.inputs[0];
  Shape shape(example.shape.begin(), example.shape.end());
  if (shape.empty()) shape = {static_cast<int64_t>(example.prediction.size())};
  const std::vector<std::string> axes = AxesOf(first);
  const size_t lead = shape.size() - std::min(shape.size(), axes.size());
  for (size_t i = 0; i < axes.size() && lead + i < shape.size(); ++i) {
    sizes[axes[i].substr(0, 1)] = shape[lead + i] - (axes[i].ends_with("+1") ? 1 : 0);
  }
  const Shape items = first.shape.starts_with("...") ? Shape(shape.begin(), shape.begin() + lead) : Shape();
  size_t other = 0;
  for (const Input& input : contract.inputs) {
    if (input.optional) continue;
    Tensor& tensor = tensors[std::string(input.name)];
    if (&input == contract.inputs.begin()) {
      tensor = {shape, Numbers(example.prediction)};
      continue;
    }
    if (input.name == "y_true") {
      tensor.numbers = Numbers(example.target);
    } else if (other < example.others.size()) {
      tensor.numbers = Numbers(example.others[other++]);
    }
    tensor.shape = InferShape(input, items, tensor.numbers.size(), sizes);
    EXPECT_EQ(ElementCount(tensor.shape), tensor.numbers.size()) << input.name;
  }
  EXPECT_EQ(other, example.others.size()) << "others that no required input takes";
  return tensors;
}

}  // namespace lossd::testing
