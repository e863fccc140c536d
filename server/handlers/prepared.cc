#include "server/handlers/prepared.h"

#include <optional>
#include <utility>

namespace lossd::server {
namespace {

// A skeleton longer than this holds typed lists or many parameters; comparing it costs what is to be saved.
constexpr size_t kLongestSkeleton = 512;

// Which payload a tensor is a view of. Nothing for one without bytes, and for one whose bytes were converted.
std::optional<uint32_t> NumberOf(const TensorView& tensor, const wire::Payloads& payloads) {
  if (tensor.segments().empty()) return std::nullopt;
  for (size_t i = 0; i < payloads.size(); ++i) {
    const Segments& payload = payloads[i];
    if (!payload.empty() && payload.front().data == tensor.segments().front().data) return static_cast<uint32_t>(i);
  }
  return std::nullopt;
}

}  // namespace

Prepared* PreparedProblems::Find(std::string_view skeleton, bool gradient, const wire::Payloads& payloads) {
  for (std::optional<Prepared>& kept : kept_) {
    if (!kept || kept->gradient != gradient || kept->skeleton != skeleton) continue;
    const auto tensors = kept->problem.tensors();
    for (size_t i = 0; i < tensors.size(); ++i) {
      // The same skeleton has the same payloads, but a payload may have any length.
      if (!tensors[i]->Move(payloads[kept->payloads[i]])) return nullptr;
    }
    return &*kept;
  }
  return nullptr;
}

void PreparedProblems::Keep(std::string_view skeleton, bool gradient, const wire::Payloads& payloads, Problem problem,
                            const Plan& plan) {
  if (skeleton.size() > kLongestSkeleton || !problem.repeats()) return;
  absl::InlinedVector<uint32_t, 4> numbers;
  for (const TensorView* const tensor : problem.tensors()) {
    const std::optional<uint32_t> number = NumberOf(*tensor, payloads);
    if (!number) return;
    numbers.push_back(*number);
  }
  kept_[next_].emplace(Prepared{std::string(skeleton), gradient, std::move(problem), plan, std::move(numbers)});
  next_ = (next_ + 1) % kMost;
}

}  // namespace lossd::server
