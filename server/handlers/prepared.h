// Problems of small requests that came before.
//
// A training loop sends the same request over and over with other numbers in its tensors. Of a small one most time goes
// into finding out what is asked for; that is kept here, by the request's skeleton: all of its bytes but the tensors'.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "core/plan.h"
#include "core/problem.h"
#include "proto/wire/payload.h"

namespace lossd::server {

struct Prepared {
  std::string skeleton;
  bool gradient;  // the method that was called
  Problem problem;
  Plan plan;
  absl::InlinedVector<uint32_t, 4> payloads;  // of problem.tensors(), by number
};

// The latest of one thread, which are few: whoever sends many shapes by turns pays for each as for a new one.
class PreparedProblems {
 public:
  // What was kept for such a request, with its tensors moved to `payloads`: contents are not checked yet. Null where
  // nothing was, or where the payloads do not fill their shapes. Valid until Keep.
  Prepared* Find(std::string_view skeleton, bool gradient, const wire::Payloads& payloads);

  // Keeps a problem made of `payloads`, unless more than the bytes of its tensors depend on their contents, or some of
  // these lie elsewhere. What it points at is not looked at again.
  void Keep(std::string_view skeleton, bool gradient, const wire::Payloads& payloads, Problem problem,
            const Plan& plan);

 private:
  static constexpr size_t kMost = 8;

  std::array<std::optional<Prepared>, kMost> kept_;
  size_t next_ = 0;  // the oldest, which the next one replaces
};

}  // namespace lossd::server
