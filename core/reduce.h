// Reduction as an algebra: blocks make partials, partials merge in block order, the last step divides.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lossd {

// What a run of items adds up to.
struct Partial {
  double sum = 0;           // of weight * value
  double weight_sum = 0;    // of the weights of the items that are not left out
  int64_t valid_count = 0;  // items that are not left out
  double terms = 0;         // of them, terms of their values (Extra::kTerms)
  int64_t nonzero = 0;      // of them, items with a value above 0
  double extra = 0;         // sum of what a kernel reports beside (Extra::kMean)
};

// Adds the items of `from`, which come behind those of `into`.
inline void Merge(const Partial& from, Partial& into) {
  into.sum += from.sum;
  into.weight_sum += from.weight_sum;
  into.valid_count += from.valid_count;
  into.terms += from.terms;
  into.nonzero += from.nonzero;
  into.extra += from.extra;
}

// Sums are made in double over so many virtual lanes: item i goes to lane i % kSumLanes on every instruction set.
inline constexpr size_t kSumLanes = 32;

// The lanes added pairwise. Dispatched to the best instruction set; the results have the same bits on each.
template <class T>
double Sum(const T* values, size_t n);
template <class T>
double WeightedSum(const T* values, const double* weights, size_t n);

}  // namespace lossd
