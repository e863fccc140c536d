#include "server/convert/output_places.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "core/errors.h"
#include "server/convert/tensor.h"
#include "spdlog/fmt/fmt.h"

namespace lossd::server {
namespace {

struct Output {
  std::string path;
  size_t bytes;
  DType dtype;
};

std::vector<Output> OutputsOf(const Problem& problem) {
  std::vector<Output> outputs = {{std::string(kPerItem), problem.per_item_bytes(), problem.dtype},
                                 {HessianPath(problem), problem.hessian_bytes(), problem.dtype},
                                 {ExtraPath(problem), problem.extra_bytes(), DType::kF64}};
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    if (const auto& view = problem.inputs[i].view) {
      outputs.push_back({GradientPath(problem, i), problem.gradient_bytes(i), view->dtype()});
    }
  }
  std::erase_if(outputs, [](const Output& output) { return output.bytes == 0; });
  return outputs;
}

}  // namespace

std::string GradientPath(const Problem& problem, size_t input) {
  return fmt::format("gradients.{}", problem.contract().inputs[input].name);
}
std::string HessianPath(const Problem& problem) {
  return fmt::format("hessian_diagonals.{}", problem.contract().inputs[0].name);
}
std::string ExtraPath(const Problem& problem) { return fmt::format("outputs.{}", problem.contract().extra_name); }

absl::StatusOr<OutputPlaces> PlaceOutputs(const v1::GradientRequest& message, const Problem& problem,
                                          ConvertedValues* converted) {
  OutputPlaces places;
  if (message.output_regions().empty()) return places;
  const std::vector<Output> outputs = OutputsOf(problem);
  std::map<std::string_view, const v1::SharedMemory*> in_order;  // the first error does not depend on a hash
  for (const auto& [path, reference] : message.output_regions()) in_order.emplace(path, &reference);
  for (const auto& [path, place] : in_order) {
    const v1::SharedMemory& reference = *place;
    const std::string field = fmt::format("output_regions[{}]", error::Quote(path));
    const auto output =
        std::find_if(outputs.begin(), outputs.end(), [&path = path](const Output& o) { return o.path == path; });
    if (output == outputs.end()) {
      std::string known;
      for (const Output& other : outputs) known += (known.empty() ? "" : ", ") + other.path;
      return absl::InvalidArgumentError(
          fmt::format("{}: no such output of this call; it has {}", field, known.empty() ? "none" : known));
    }
    const auto memory = FindMemory(field, reference, converted);
    if (!memory.ok()) return memory.status();
    if (!memory->writable) {
      return absl::InvalidArgumentError(fmt::format("{}: the region is sealed against writing", field));
    }
    if (reference.byte_size() != output->bytes) {
      return absl::InvalidArgumentError(
          fmt::format("{}: room for {} bytes; the output has {}", field, reference.byte_size(), output->bytes));
    }
    if (reference.byte_offset() % SizeOf(output->dtype) != 0) {
      return absl::InvalidArgumentError(fmt::format("{}: byte_offset {}; expected a multiple of {}, the size of {}",
                                                    field, reference.byte_offset(), SizeOf(output->dtype),
                                                    Name(output->dtype)));
    }
    places.push_back({std::string(path), memory->data, reference});
  }
  return places;
}

const OutputPlace* Find(const OutputPlaces& places, std::string_view output) {
  const auto found =
      std::find_if(places.begin(), places.end(), [&](const OutputPlace& place) { return place.output == output; });
  return found == places.end() ? nullptr : &*found;
}

}  // namespace lossd::server
