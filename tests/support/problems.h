// Problems over plain vectors, as a server would make them.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/evaluate.h"
#include "core/problem.h"
#include "core/tensor/convert.h"
#include "gtest/gtest.h"

namespace lossd::testing {

// Bytes cut into segments of uneven sizes at odd addresses, as a network delivers them. `most` 0: one segment.
class Bytes {
 public:
  Bytes() = default;
  template <class T>
  explicit Bytes(const std::vector<T>& from, size_t most = 0, uint64_t seed = 1) {
    const auto* data = reinterpret_cast<const std::byte*>(from.data());
    const size_t size = from.size() * sizeof(T);
    std::mt19937_64 rng(most == 0 ? 0 : seed);
    for (size_t at = 0; at < size;) {
      const size_t take = most == 0 ? size : std::min(size - at, 1 + rng() % most);
      auto& block = blocks_.emplace_back(take + 1);
      std::memcpy(block.data() + 1, data + at, take);
      at += take;
    }
  }
  Segments segments() const {
    Segments segments;
    for (const auto& block : blocks_) segments.push_back({block.data() + 1, block.size() - 1});
    return segments;
  }

 private:
  std::vector<std::vector<std::byte>> blocks_;
};

inline TensorView View(DType dtype, Shape shape, const Bytes& bytes) {
  absl::StatusOr<TensorView> view = TensorView::Make("test", dtype, std::move(shape), bytes.segments());
  EXPECT_TRUE(view.ok()) << view.status();
  return *std::move(view);
}

template <class T>
std::vector<T> As(const std::vector<std::byte>& bytes) {
  std::vector<T> out(bytes.size() / sizeof(T));
  if (!out.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

// Numbers to the bytes of a dtype, and back.
inline std::vector<std::byte> Encode(DType dtype, const std::vector<double>& numbers) {
  std::vector<std::byte> bytes(numbers.size() * SizeOf(dtype));
  WithType(dtype, [&]<class S>(S) {
    for (size_t i = 0; i < numbers.size(); ++i) {
      const S x = From<S>(numbers[i]);
      std::memcpy(bytes.data() + i * sizeof(S), &x, sizeof(S));
    }
  });
  return bytes;
}
inline std::vector<double> Decode(DType dtype, const std::vector<std::byte>& bytes) {
  std::vector<double> numbers(bytes.size() / SizeOf(dtype));
  ConvertElements(dtype, bytes.data(), numbers.size(), numbers.data());
  return numbers;
}

// A tensor before its dtype is chosen, and tensors by the names of inputs.
struct Tensor {
  Shape shape;
  std::vector<double> numbers;
};
using Tensors = std::map<std::string, Tensor>;

// The dtype in which an input is sent beside a first input of `dtype`.
inline DType SentAs(const Input& input, DType dtype) {
  if (input.content == Content::kNumbers) return dtype;
  return input.content == Content::kBool ? DType::kBool : DType::kI64;
}

// A request and the bytes that it borrows.
struct Call {
  Request request;
  std::vector<Bytes> bytes;

  // Sends a tensor under the name of an input, or of a field of the request.
  void Send(std::string_view name, DType dtype, Shape shape, const std::vector<std::byte>& data, size_t most = 0) {
    bytes.emplace_back(data, most, bytes.size() + 1);
    TensorView view = View(dtype, std::move(shape), bytes.back());
    const std::pair<std::string_view, std::optional<TensorView>*> fields[] = {
        {"y_pred", &request.y_pred},
        {"y_true", &request.y_true},
        {"sample_weight", &request.sample_weight},
        {"element_weight", &request.element_weight},
        {"class_weight", &request.class_weight},
        {"class_mask", &request.class_mask},
        {"mask", &request.mask},
        {"upstream", &request.upstream}};
    for (const auto& [field, place] : fields) {
      if (field == name) {
        *place = std::move(view);
        return;
      }
    }
    request.inputs.emplace_back(name, std::move(view));
  }
  void Send(std::string_view name, DType dtype, const Tensor& tensor, size_t most = 0) {
    Send(name, dtype, tensor.shape, Encode(dtype, tensor.numbers), most);
  }
};

// A call of one form of a loss on the tensors of its inputs. No reduction.
inline Call MakeCall(const Contract& contract, const Form& form, DType dtype, const Tensors& tensors, size_t most = 0) {
  Call call;
  call.bytes.reserve(tensors.size());
  call.request.loss = contract.name;
  call.request.options.input_kind = form.input_kind;
  call.request.options.clip_policy = form.clip_policy;
  call.request.options.reduction = Reduction::kNone;
  for (const auto& [name, tensor] : tensors) {
    const size_t i = contract.InputIndex(name);
    EXPECT_LT(i, contract.inputs.size()) << contract.name << " has no input " << name;
    if (i < contract.inputs.size()) call.Send(name, SentAs(contract.inputs[i], dtype), tensor, most);
  }
  return call;
}

// An answer as bits, to be compared whole. Gradients are in the order of the contract's inputs.
struct Bits {
  Result result;
  std::vector<std::byte> per_item, hessian, extra;
  std::array<std::vector<std::byte>, kMaxInputs> gradients;

  const std::vector<std::byte>& gradient() const { return gradients[0]; }

  friend bool operator==(const Bits& a, const Bits& b) {
    const auto same = [](double x, double y) { return std::memcmp(&x, &y, sizeof x) == 0; };
    const auto both = [&](const std::optional<double>& x, const std::optional<double>& y) {
      return x.has_value() == y.has_value() && same(x.value_or(0), y.value_or(0));
    };
    return both(a.result.value, b.result.value) && both(a.result.extra, b.result.extra) &&
           same(a.result.sum, b.result.sum) && same(a.result.divisor, b.result.divisor) &&
           same(a.result.weight_sum, b.result.weight_sum) && a.result.valid_count == b.result.valid_count &&
           a.per_item == b.per_item && a.gradients == b.gradients && a.hessian == b.hessian && a.extra == b.extra;
  }
};

// The request from MakeProblem to the last bit.
inline absl::StatusOr<Bits> Solve(Request request, Executor& executor) {
  const absl::StatusOr<Problem> problem = MakeProblem(std::move(request));
  if (!problem.ok()) return problem.status();
  Bits bits;
  Outputs outputs;
  const auto room = [](std::vector<std::byte>& bytes, size_t size) {
    bytes.resize(size);
    return size == 0 ? nullptr : bytes.data();
  };
  outputs.per_item = room(bits.per_item, problem->per_item_bytes());
  outputs.hessian = room(bits.hessian, problem->hessian_bytes());
  outputs.extra = room(bits.extra, problem->extra_bytes());
  for (size_t i = 0; i < problem->inputs.size(); ++i) {
    outputs.gradients[i] = room(bits.gradients[i], problem->gradient_bytes(i));
  }
  const absl::StatusOr<Result> result = Evaluate(*problem, MakePlan(*problem), outputs, executor, Cancellation());
  if (!result.ok()) return result.status();
  bits.result = *result;
  return bits;
}
inline absl::StatusOr<Bits> Solve(const Call& call) {
  static Executor& one = *new Executor(1);
  return Solve(call.request, one);
}

}  // namespace lossd::testing
