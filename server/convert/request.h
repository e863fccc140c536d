// From the wire to core: what a caller sent, as core's Request.
//
// Translation alone: fields that this server does not serve yet are answered here (UNIMPLEMENTED, with a sentence),
// values that have no counterpart in core are errors here (INVALID_ARGUMENT, naming the field); everything else is
// MakeProblem's.
#pragma once

#include <deque>
#include <vector>

#include "absl/status/status.h"
#include "core/problem.h"
#include "lossd/v1/loss_service.pb.h"
#include "proto/wire/payload.h"

namespace lossd::server {

// Values that had to be rewritten, because a typed list holds int64 where the tensor says I32 or U8. A request's views
// point into it.
using ConvertedValues = std::deque<std::vector<std::byte>>;

// EvaluateRequest and GradientRequest share the fields that matter and are both decoded as the latter; `gradient` says
// which method was called. The fields of GradientRequest alone are not looked at where it is false. The request borrows
// from all three: they must outlive it and what is made of it.
absl::StatusOr<Request> ToRequest(const v1::GradientRequest& message, const wire::Payloads& payloads, bool gradient,
                                  ConvertedValues* converted);

}  // namespace lossd::server
