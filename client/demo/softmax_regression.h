// A linear classifier: logits = pixels * weights + bias. It knows its arithmetic and no loss.
#pragma once

#include <span>
#include <vector>

#include "client/demo/dataset.h"

namespace lossd::demo {

class SoftmaxRegression {
 public:
  // Starts at zero: the loss is convex, so nothing has to break a symmetry.
  SoftmaxRegression() : weights_(kPixels * kClasses), bias_(kClasses) {}

  // [N, 10] for pixels [N, 64].
  std::vector<float> Logits(std::span<const float> pixels) const;

  // One step of gradient descent: the chain rule from the loss's gradient with respect to the logits [N, 10].
  void Step(std::span<const float> pixels, std::span<const float> logits_gradient, float learning_rate);

  // Share of images whose largest logit is that of the label.
  double Accuracy(const Dataset& dataset) const;

 private:
  std::vector<float> weights_;  // [64, 10]
  std::vector<float> bias_;     // [10]
};

}  // namespace lossd::demo
