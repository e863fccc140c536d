// Choices from a fuzzer's bytes.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/registry.h"

namespace lossd::fuzz {

// True once in `n`; never where the bytes have run out, so that a short input is a plain request.
inline bool Seldom(FuzzedDataProvider& data, int n) { return data.ConsumeIntegralInRange(0, n - 1) == n - 1; }

template <class T>
const T& Pick(FuzzedDataProvider& data, const std::vector<T>& from) {
  return from[data.ConsumeIntegralInRange<size_t>(0, from.size() - 1)];
}

// Any value of an enum of the wire, and the one behind the last.
template <class E>
E DrawEnum(FuzzedDataProvider& data, int last) {
  return static_cast<E>(data.ConsumeIntegralInRange(0, Seldom(data, 8) ? last + 1 : last));
}

inline const Loss& DrawLoss(FuzzedDataProvider& data) {
  static const auto& losses = *new std::vector<Loss>(AllLosses());
  return Pick(data, losses);
}

// At the ends of what is a number.
inline double DrawHostileNumber(FuzzedDataProvider& data) {
  constexpr double kHuge = std::numeric_limits<double>::max(), kTiny = std::numeric_limits<double>::denorm_min();
  static const std::vector<double> numbers = {0,     -0.0,  1,    -1,    0.5,          2,   1e-9,  3e38, kHuge, -kHuge,
                                              kTiny, 1e-40, kInf, -kInf, std::nan(""), 4e9, -9e18, 1e-30};
  return Pick(data, numbers);
}

// Small ones, and those whose products overflow.
inline int64_t DrawHostileSize(FuzzedDataProvider& data) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max(), kOne = 1;
  static const std::vector<int64_t> sizes = {
      0, 1, 2, 3, 7, 64, -1, kOne << 16, kOne << 31, kOne << 32, kOne << 40, kOne << 61, kMost, -kMost - 1};
  return Pick(data, sizes);
}

}  // namespace lossd::fuzz
