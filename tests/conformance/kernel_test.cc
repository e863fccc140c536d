// Kernels read and write exactly their block: any count, any alignment, NaN kept to its item.
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "core/registry.h"
#include "gtest/gtest.h"
#include "tests/support/kernels.h"
#include "tests/support/simd_targets.h"

namespace lossd::testing {
namespace {

constexpr uint64_t kSeed = 7;
constexpr size_t kMostItems = 2 * 16 + 1;  // 2 lanes of the widest vector and one over

// Calls check(loss, kernels, T{}) for every form and dtype of every loss on every instruction set.
template <class Fn>
void ForEachKernel(const Fn& check) {
  for (const int64_t target : SimdTargets()) {
    const OnTarget on(target);
    for (const Loss& loss : AllLosses()) {
      for (const FormKernels& kernels : loss.forms) {
        SCOPED_TRACE(Describe(loss, kernels.form));
        check(loss, kernels, float{});
        check(loss, kernels, double{});
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

// A buffer whose payload starts `skew` bytes off alignment and lies between walls that must stay as they are.
template <class T>
class Walled {
 public:
  Walled(size_t count, size_t skew, uint8_t wall)
      : skew_(skew), bytes_(kWall + skew + count * sizeof(T) + kWall, wall) {
    std::memset(bytes_.data() + kWall + skew, 0, count * sizeof(T));
  }
  T* data() { return reinterpret_cast<T*>(bytes_.data() + kWall + skew_); }
  void Fill(const std::vector<T>& from) { std::memcpy(data(), from.data(), from.size() * sizeof(T)); }
  T Get(size_t i) {
    T x;
    std::memcpy(&x, data() + i, sizeof x);
    return x;
  }
  bool WallsStand(size_t count, uint8_t wall) const {
    for (size_t i = 0; i < bytes_.size(); ++i) {
      const bool payload = i >= kWall + skew_ && i < kWall + skew_ + count * sizeof(T);
      if (!payload && bytes_[i] != wall) return false;
    }
    return true;
  }

 private:
  static constexpr size_t kWall = 128;
  size_t skew_;
  std::vector<uint8_t> bytes_;
};

// 0xFF in every byte is a NaN of either type: a kernel that reads behind the end shows it.
constexpr uint8_t kNanWall = 0xFF;

TEST(Kernel, AnyCountAtAnyAlignmentGivesTheBitsOfTheItemsAlone) {
  ForEachKernel([](const Loss& loss, const FormKernels& kernels, auto type) {
    using T = decltype(type);
    std::mt19937_64 rng(kSeed);
    const std::vector<double> params = Defaults(*loss.contract);
    for (const size_t width : Widths(loss)) {
      const size_t most = width == 1 ? kMostItems : 3;
      const auto p = Draw<T>(rng, kernels.form, most * width);
      const auto t = DrawTargets<T>(rng, loss, most, width);
      const bool indexed = loss.family == Family::kRowWithIndex;
      const size_t target_width = indexed ? 1 : width;
      // Item by item: every other call must give these bits.
      Answer<T> alone;
      for (size_t i = 0; i < most; ++i) {
        const auto one = RunKernel<T>(loss, kernels, params, {p.begin() + i * width, p.begin() + (i + 1) * width},
                                      {t.begin() + i * target_width, t.begin() + (i + 1) * target_width}, width);
        alone.value.push_back(one.value[0]);
        alone.slope.insert(alone.slope.end(), one.slope.begin(), one.slope.end());
      }
      const std::vector<int32_t> labels(t.begin(), t.begin() + (indexed ? most : 0));
      for (size_t items = 0; items <= most; ++items) {
        for (const size_t skew : {0, 1, 3, 4, 7}) {
          Walled<T> prediction(items * width, skew, kNanWall), target(items * width, skew + 1, kNanWall);
          Walled<T> value(items, 0, 0xAB), slope(items * width, skew, 0xAB);
          prediction.Fill({p.begin(), p.begin() + items * width});
          if (!indexed) target.Fill({t.begin(), t.begin() + items * width});
          KernelOf<T>(kernels)(params, Block<T>{.prediction = prediction.data(),
                                                .target = indexed ? nullptr : target.data(),
                                                .labels = labels.data(),
                                                .items = items,
                                                .width = width,
                                                .value = value.data(),
                                                .slope = slope.data()});
          ASSERT_TRUE(value.WallsStand(items, 0xAB) && slope.WallsStand(items * width, 0xAB)) << "wrote behind the end";
          for (size_t i = 0; i < items; ++i) {
            ASSERT_TRUE(SameBits(value.Get(i), alone.value[i]))
                << "value " << i << " of " << items << ", skew " << skew;
          }
          for (size_t i = 0; i < items * width; ++i) {
            ASSERT_TRUE(SameBits(slope.Get(i), alone.slope[i]))
                << "slope " << i << " of " << items << ", skew " << skew;
          }
        }
      }
    }
  });
}

TEST(Kernel, NanInPredictionOrTargetReachesTheCallerForThatItemAlone) {
  ForEachKernel([](const Loss& loss, const FormKernels& kernels, auto type) {
    using T = decltype(type);
    std::mt19937_64 rng(kSeed);
    const std::vector<double> params = Defaults(*loss.contract);
    for (const size_t width : Widths(loss)) {
      const size_t items = width == 1 ? kMostItems : 3;
      for (const bool in_prediction : {true, false}) {
        if (!in_prediction && loss.family == Family::kRowWithIndex) continue;
        auto p = Draw<T>(rng, kernels.form, items * width);
        auto t = DrawTargets<T>(rng, loss, items, width);
        const auto clean = RunKernel<T>(loss, kernels, params, p, t, width);
        const size_t place = rng() % (items * width);
        (in_prediction ? p : t)[place] = std::numeric_limits<T>::quiet_NaN();
        const auto got = RunKernel<T>(loss, kernels, params, p, t, width);
        for (size_t i = 0; i < items; ++i) {
          const bool hit = i == place / width;
          ASSERT_TRUE(hit ? std::isnan(got.value[i]) : SameBits(got.value[i], clean.value[i]))
              << "value " << i << " = " << got.value[i] << ", NaN at " << place << ", width " << width;
          for (size_t k = i * width; k < (i + 1) * width; ++k) {
            ASSERT_TRUE(hit ? std::isnan(got.slope[k]) : SameBits(got.slope[k], clean.slope[k]))
                << "slope " << k << " = " << got.slope[k] << ", NaN at " << place << ", width " << width;
          }
        }
      }
    }
  });
}

TEST(Kernel, APredictionOutsideItsDomainIsNan) {
  ForEachKernel([](const Loss& loss, const FormKernels& kernels, auto type) {
    using T = decltype(type);
    std::mt19937_64 rng(kSeed);
    const Interval& domain = kernels.form.prediction;
    const size_t width = loss.family == Family::kElementwise ? 1 : 5;
    std::vector<T> outside;
    if (!domain.open_lo) outside.push_back(static_cast<T>(domain.lo - 0.25));
    if (!domain.open_hi) outside.push_back(static_cast<T>(domain.hi + 0.25));
    for (const T x : outside) {
      auto p = Draw<T>(rng, kernels.form, width);
      p[width / 2] = x;
      const auto t = DrawTargets<T>(rng, loss, 1, width);
      const auto got = RunKernel<T>(loss, kernels, Defaults(*loss.contract), p, t, width);
      ASSERT_TRUE(std::isnan(got.value[0])) << x << " gave " << got.value[0];
      ASSERT_TRUE(std::isnan(got.slope[width / 2])) << x;
    }
  });
}

TEST(Kernel, InfinityNeverCrashesAndNeverTouchesOtherItems) {
  ForEachKernel([](const Loss& loss, const FormKernels& kernels, auto type) {
    using T = decltype(type);
    std::mt19937_64 rng(kSeed);
    const size_t width = loss.family == Family::kElementwise ? 1 : 17, items = 5;
    for (const T infinity : {std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity()}) {
      auto p = Draw<T>(rng, kernels.form, items * width);
      const auto t = DrawTargets<T>(rng, loss, items, width);
      const auto clean = RunKernel<T>(loss, kernels, Defaults(*loss.contract), p, t, width);
      p[2 * width + width / 2] = infinity;
      const auto got = RunKernel<T>(loss, kernels, Defaults(*loss.contract), p, t, width);
      for (size_t i = 0; i < items; ++i) {
        ASSERT_TRUE(i == 2 || SameBits(got.value[i], clean.value[i])) << i;
      }
    }
  });
}

TEST(Kernel, PermutingItemsPermutesAnswersAndPermutingClassesPermutesSlopes) {
  ForEachKernel([](const Loss& loss, const FormKernels& kernels, auto type) {
    using T = decltype(type);
    std::mt19937_64 rng(kSeed);
    const size_t width = loss.family == Family::kElementwise ? 1 : 9, items = kMostItems;
    const auto p = Draw<T>(rng, kernels.form, items * width);
    const auto t = DrawTargets<T>(rng, loss, items, width);
    const size_t target_width = loss.family == Family::kRowWithIndex ? 1 : width;
    const auto straight = RunKernel<T>(loss, kernels, Defaults(*loss.contract), p, t, width);
    std::vector<size_t> order(items);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), rng);
    std::vector<T> p2, t2;
    for (const size_t i : order) {
      p2.insert(p2.end(), p.begin() + i * width, p.begin() + (i + 1) * width);
      t2.insert(t2.end(), t.begin() + i * target_width, t.begin() + (i + 1) * target_width);
    }
    const auto shuffled = RunKernel<T>(loss, kernels, Defaults(*loss.contract), p2, t2, width);
    for (size_t i = 0; i < items; ++i) {
      ASSERT_TRUE(SameBits(shuffled.value[i], straight.value[order[i]])) << i;
      for (size_t k = 0; k < width; ++k) {
        ASSERT_TRUE(SameBits(shuffled.slope[i * width + k], straight.slope[order[i] * width + k])) << i << " " << k;
      }
    }
  });
}

}  // namespace
}  // namespace lossd::testing
