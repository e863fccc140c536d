// A problem of any loss with its inputs in memory and room for its answer, drawn from the contract.
#pragma once

#include <cstddef>
#include <vector>

#include "core/evaluate.h"
#include "core/registry.h"
#include "tests/support/cases.h"

namespace lossd::bench {

// How large: about `elements` in the first input, in rows of `width` where the loss has rows and lets them be chosen
// (0: as suits the family).
struct Size {
  size_t elements = 0;
  size_t width = 0;
};

struct Prepared {
  // The contract's own reduction; the gradient with respect to the first input where `gradient`.
  Prepared(const Loss& loss, const Form& form, DType dtype, Size size, bool gradient);
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;

  testing::Call call;
  Problem problem;
  Plan plan;
  std::vector<std::byte> answer, extra;
  Outputs outputs;
  size_t bytes = 0;  // that must move: every input read, the gradient written
};

}  // namespace lossd::bench
