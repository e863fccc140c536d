#include "client/demo/softmax_regression.h"

#include <algorithm>

namespace lossd::demo {

std::vector<float> SoftmaxRegression::Logits(std::span<const float> pixels) const {
  const size_t rows = pixels.size() / kPixels;
  std::vector<float> logits(rows * kClasses);
  for (size_t n = 0; n < rows; ++n) {
    float* row = &logits[n * kClasses];
    std::ranges::copy(bias_, row);
    for (size_t p = 0; p < kPixels; ++p) {
      const float pixel = pixels[n * kPixels + p];
      for (size_t k = 0; k < kClasses; ++k) row[k] += pixel * weights_[p * kClasses + k];
    }
  }
  return logits;
}

void SoftmaxRegression::Step(std::span<const float> pixels, std::span<const float> logits_gradient,
                             float learning_rate) {
  const size_t rows = pixels.size() / kPixels;
  for (size_t n = 0; n < rows; ++n) {
    const auto slope = logits_gradient.subspan(n * kClasses, kClasses);
    for (size_t k = 0; k < kClasses; ++k) bias_[k] -= learning_rate * slope[k];
    for (size_t p = 0; p < kPixels; ++p) {
      const float step = learning_rate * pixels[n * kPixels + p];
      for (size_t k = 0; k < kClasses; ++k) weights_[p * kClasses + k] -= step * slope[k];
    }
  }
}

double SoftmaxRegression::Accuracy(const Dataset& dataset) const {
  const std::vector<float> logits = Logits(dataset.pixels);
  size_t right = 0;
  for (size_t n = 0; n < dataset.size(); ++n) {
    const auto row = std::span(logits).subspan(n * kClasses, kClasses);
    right += std::ranges::max_element(row) - row.begin() == dataset.labels[n];
  }
  return static_cast<double>(right) / static_cast<double>(dataset.size());
}

}  // namespace lossd::demo
