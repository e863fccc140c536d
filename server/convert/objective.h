// From the wire to core: an objective as its terms.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "core/objective.h"
#include "server/convert/request.h"

namespace lossd::server {

// The terms of message.objective(), each checked by MakeProblem. Gradients are taken with respect to the tensors named
// in with_respect_to; where that is empty, to every y_pred and regularised tensor. INVALID_ARGUMENT names the term. The
// terms borrow what `views` borrows.
absl::StatusOr<std::vector<Term>> ToTerms(const v1::GradientRequest& message, const TensorsByName& views,
                                          bool gradient);

}  // namespace lossd::server
