// Problems over plain vectors, as a server would make them.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/evaluate.h"
#include "core/problem.h"
#include "core/tensor/convert.h"
#include "gtest/gtest.h"

namespace lossd::testing {

// Bytes cut into segments of uneven sizes, as a network delivers them, each `skew` bytes off alignment. `most` 0: one
// segment.
class Bytes {
 public:
  Bytes() = default;
  template <class T>
  explicit Bytes(const std::vector<T>& from, size_t most = 0, uint64_t seed = 1, size_t skew = 1) : skew_(skew) {
    const auto* data = reinterpret_cast<const std::byte*>(from.data());
    const size_t size = from.size() * sizeof(T);
    std::mt19937_64 rng(most == 0 ? 0 : seed);
    for (size_t at = 0; at < size;) {
      const size_t take = most == 0 ? size : std::min(size - at, 1 + rng() % most);
      auto& block = blocks_.emplace_back(take + skew);
      std::memcpy(block.data() + skew, data + at, take);
      at += take;
    }
  }
  Segments segments() const {
    Segments segments;
    for (const auto& block : blocks_) segments.push_back({block.data() + skew_, block.size() - skew_});
    return segments;
  }

 private:
  size_t skew_ = 1;
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

// How the bytes of a call arrive: Bytes has the meaning.
struct Delivery {
  size_t most = 0, skew = 1;
};

// A request and the bytes that it borrows; copies share them.
struct Call {
  Request request;
  std::vector<std::shared_ptr<const Bytes>> bytes;

  // Sends a tensor under the name of an input, or of a field of the request.
  void Send(std::string_view name, DType dtype, Shape shape, const std::vector<std::byte>& data,
            Delivery delivery = {}) {
    bytes.push_back(std::make_shared<const Bytes>(data, delivery.most, bytes.size() + 1, delivery.skew));
    TensorView view = View(dtype, std::move(shape), *bytes.back());
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
  void Send(std::string_view name, DType dtype, const Tensor& tensor, Delivery delivery = {}) {
    Send(name, dtype, tensor.shape, Encode(dtype, tensor.numbers), delivery);
  }
};

// A call of one form of a loss on the tensors of its inputs. No reduction.
inline Call MakeCall(const Contract& contract, const Form& form, DType dtype, const Tensors& tensors,
                     Delivery delivery = {}) {
  Call call;
  call.request.loss = contract.name;
  call.request.options.input_kind = form.input_kind;
  call.request.options.clip_policy = form.clip_policy;
  call.request.options.reduction = Reduction::kNone;
  for (const auto& [name, tensor] : tensors) {
    const size_t i = contract.InputIndex(name);
    EXPECT_LT(i, contract.inputs.size()) << contract.name << " has no input " << name;
    if (i < contract.inputs.size()) call.Send(name, SentAs(contract.inputs[i], dtype), tensor, delivery);
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

// Memory of an output: at an address that is a multiple of its elements' size and of nothing more, between walls that
// must stand, and never twice with the same bytes in it before something is written.
class Room {
 public:
  void Make(size_t size, size_t element) {
    static uint8_t last = 0;
    fill_ = static_cast<std::byte>(++last);
    size_ = size;
    lead_ = kWall + element;
    bytes_.assign(lead_ + size + kWall, fill_);
  }
  std::byte* data() { return size_ == 0 ? nullptr : bytes_.data() + lead_; }
  std::vector<std::byte> Take() const {
    const auto begin = bytes_.begin() + lead_, end = begin + size_;
    const auto stands = [&](auto from, auto to) {
      return std::all_of(from, to, [&](std::byte b) { return b == fill_; });
    };
    EXPECT_TRUE(stands(bytes_.begin(), begin) && stands(end, bytes_.end())) << "wrote outside an output";
    return {begin, end};
  }

 private:
  static constexpr size_t kWall = 128;
  std::byte fill_{};
  size_t size_ = 0, lead_ = 0;
  std::vector<std::byte> bytes_;
};

// A gradient that is written over its input, whose bytes are put back in the end.
class Overwriting {
 public:
  explicit Overwriting(const TensorView& input) : input_(input), before_(Copy()) {}
  Overwriting(const Overwriting&) = delete;
  ~Overwriting() { input_.Overwrite(0, input_.count(), before_.data()); }
  std::vector<std::byte> Copy() const {
    std::vector<std::byte> bytes;
    for (const Segment& part : input_.segments()) bytes.insert(bytes.end(), part.data, part.data + part.size);
    return bytes;
  }

 private:
  const TensorView& input_;
  std::vector<std::byte> before_;
};

// Where gradients go.
enum class Place { kApart, kOverInputs };  // the latter where the problem allows it

// The request from MakeProblem to the last bit.
inline absl::StatusOr<Bits> Solve(Request request, Executor& executor, Place place = Place::kApart) {
  const absl::StatusOr<Problem> problem = MakeProblem(std::move(request));
  if (!problem.ok()) return problem.status();
  Room per_item, hessian, extra;
  std::array<Room, kMaxInputs> gradients;
  per_item.Make(problem->per_item_bytes(), SizeOf(problem->dtype));
  hessian.Make(problem->hessian_bytes(), SizeOf(problem->dtype));
  extra.Make(problem->extra_bytes(), sizeof(double));
  Outputs outputs{.per_item = per_item.data(), .gradients = {}, .hessian = hessian.data(), .extra = extra.data()};
  std::array<std::optional<Overwriting>, kMaxInputs> over;
  for (size_t i = 0; i < problem->inputs.size(); ++i) {
    if (place == Place::kOverInputs && problem->may_overwrite(i)) {
      outputs.over_input[i] = true;
      over[i].emplace(*problem->inputs[i].view);
      continue;
    }
    gradients[i].Make(problem->gradient_bytes(i), SizeOf(problem->dtype));
    outputs.gradients[i] = gradients[i].data();
  }
  const absl::StatusOr<Result> result = Evaluate(*problem, MakePlan(*problem), outputs, executor, Cancellation());
  if (!result.ok()) return result.status();
  Bits bits{.result = *result,
            .per_item = per_item.Take(),
            .hessian = hessian.Take(),
            .extra = extra.Take(),
            .gradients = {}};
  for (size_t i = 0; i < problem->inputs.size(); ++i)
    bits.gradients[i] = over[i] ? over[i]->Copy() : gradients[i].Take();
  return bits;
}
inline absl::StatusOr<Bits> Solve(const Call& call) {
  static Executor& one = *new Executor(1);
  return Solve(call.request, one);
}

}  // namespace lossd::testing
