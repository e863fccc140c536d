// What a thread remembers of earlier requests must not show in an answer: each request is answered by a thread that has
// seen others and by one that has seen none, and both must say the same.
#include "server/handlers/prepared.h"

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "lossd/v1/loss_service.pb.h"
#include "server/handlers/handlers.h"
#include "tests/support/local_call.h"

namespace lossd::server {
namespace {

struct Sent {
  std::string name;  // what is new in it
  bool gradient;
  std::string bytes;
};

struct Answered {
  int code;
  std::string text;  // the message of an error, or the bytes of the answer

  bool operator==(const Answered&) const = default;
};

Answered Ask(HandlerContext& context, const Sent& sent) {
  testing::LocalCall call(sent.bytes);
  sent.gradient ? Gradient(context, call) : Evaluate(context, call);
  if (!call.status().ok()) return {call.status().error_code(), call.status().error_message()};
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(call.response().Dump(&slices).ok());
  Answered answered{0, ""};
  for (const grpc::Slice& slice : slices)
    answered.text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return answered;
}

template <class T>
std::string Bytes(const std::vector<T>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(T)};
}

v1::Tensor Of(v1::DType dtype, const std::vector<int64_t>& shape, std::string raw) {
  v1::Tensor tensor;
  tensor.set_dtype(dtype);
  tensor.mutable_shape()->Add(shape.begin(), shape.end());
  tensor.set_raw(std::move(raw));
  return tensor;
}

v1::GradientRequest Mse(const std::vector<float>& prediction, const std::vector<float>& target) {
  v1::GradientRequest request;
  request.set_loss("mse");
  *request.mutable_y_pred() = Of(v1::F32, {static_cast<int64_t>(prediction.size())}, Bytes(prediction));
  *request.mutable_y_true() = Of(v1::F32, {static_cast<int64_t>(target.size())}, Bytes(target));
  return request;
}

v1::GradientRequest Labels(const std::vector<int64_t>& labels) {
  v1::GradientRequest request;
  request.set_loss("sparse_categorical_crossentropy");
  request.mutable_options()->set_input_kind(v1::LOGITS);
  *request.mutable_y_pred() = Of(v1::F32, {2, 3}, Bytes<float>({1, 2, 3, 4, 6, 5}));
  *request.mutable_y_true() = Of(v1::I64, {2}, Bytes(labels));
  return request;
}

std::vector<Sent> Sequence() {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  std::vector<Sent> sequence;
  const auto send = [&](std::string name, const v1::GradientRequest& request, bool gradient = true) {
    sequence.push_back({std::move(name), gradient, request.SerializeAsString()});
  };
  send("a first request", Mse({1, 2, 3}, {0, 0, 1}));
  send("other numbers", Mse({5, -2, 3}, {1, 7, 1}));
  send("the same bytes to the other method", Mse({5, -2, 3}, {1, 7, 1}), false);
  send("another shape", Mse({5, -2}, {1, 7}));
  auto request = Mse({1, 2, 3}, {0, 0, 1});
  request.mutable_y_pred()->set_raw(Bytes<float>({1, 2}));
  send("fewer bytes than the shape says", request);
  request.mutable_y_pred()->clear_raw();
  send("no data at all", request);
  send("the first shape again", Mse({1, 4, 3}, {0, 0, 1}));
  send("empty tensors", Mse({}, {}));
  send("empty tensors again", Mse({}, {}));

  for (const float last : {1.0f, kNan, 2.0f}) {
    request = Mse({1, 2, last}, {0, 0, 1});
    request.mutable_options()->set_non_finite_policy(v1::ERROR);
    send("finite numbers are asked for", request);
  }
  send("labels", Labels({0, 2}));
  send("a label out of range", Labels({0, 3}));
  send("other labels", Labels({1, 1}));
  for (const float second : {1.0f, 0.5f}) {
    request = Labels({0, 2});
    *request.mutable_class_weight() = Of(v1::F32, {3}, Bytes<float>({1, 2, second}));
    send("weights of classes", request);
  }
  for (const char keep : {1, 0, 2, 1}) {
    request = Mse({1, 2, 3}, {0, 0, 1});
    *request.mutable_mask() = Of(v1::BOOL, {3}, {1, keep, 1});
    *request.mutable_sample_weight() = Of(v1::F32, {3}, Bytes<float>({2, static_cast<float>(keep), 1}));
    send("a mask and weights", request);
  }
  for (const float lower : {0.0f, -1.0f, 0.0f}) {  // zeros and ones stand for -1 and 1, others for themselves
    request = Mse({0.5, -0.5}, {lower, 1});
    request.set_loss("hinge");
    request.mutable_options()->set_convention(v1::KERAS);
    send("labels that are understood by what they hold", request);
  }
  for (const double value : {1.0, 2.0}) {
    request = Mse({1, 2, 3}, {0, 0, 1});
    request.mutable_y_true()->clear_data();
    for (int i = 0; i < 3; ++i) request.mutable_y_true()->mutable_floats()->add_values(static_cast<float>(value));
    send("numbers in a list", request);
  }
  for (const int64_t value : {1, 2}) {
    request = Labels({0, 0});
    request.mutable_y_true()->set_dtype(v1::I32);
    request.mutable_y_true()->clear_data();
    for (int i = 0; i < 2; ++i) request.mutable_y_true()->mutable_ints()->add_values(value);
    send("labels in a list, converted", request);
  }
  for (int n = 4; n < 20; ++n)
    send("more shapes than are remembered", Mse(std::vector<float>(n, 2), std::vector<float>(n)));
  send("the first shape after all", Mse({1, 4, 2}, {0, 0, 1}));
  for (const float upstream : {1.0f, -3.0f}) {
    request = Mse({1, 2}, {0, 0});
    request.mutable_options()->set_reduction(v1::NONE);
    *request.mutable_upstream() = Of(v1::F32, {2}, Bytes<float>({upstream, 1}));
    send("an upstream gradient", request);
  }
  request = Mse({1, 2}, {0, 0});
  request.set_loss("no_such_loss");
  send("a loss that is not known", request);
  return sequence;
}

TEST(PreparedProblems, DoNotShowInAnyAnswer) {
  Executor executor(1);
  HandlerContext context{executor, [](const Problem&, const Plan&) {}};
  const std::vector<Sent> sequence = Sequence();
  for (int round = 0; round < 2; ++round) {
    for (const Sent& sent : sequence) {
      const Answered practised = Ask(context, sent);
      Answered fresh;
      std::thread([&] { fresh = Ask(context, sent); }).join();
      EXPECT_EQ(practised.code, fresh.code) << sent.name;
      EXPECT_TRUE(practised == fresh) << sent.name << ": " << practised.text << " instead of " << fresh.text;
    }
  }
}

TEST(PreparedProblems, AreFoundAgainByTheSkeletonAndTheMethod) {
  wire::Payloads payloads;
  const std::vector<float> numbers = {1, 2};
  const Segments bytes = {{reinterpret_cast<const std::byte*>(numbers.data()), 8}};
  v1::Tensor tensor;
  payloads.Attach(&tensor, bytes);
  Request request;
  request.loss = "l2";
  request.y_pred = *TensorView::Make("y_pred", DType::kF32, {2}, bytes);
  const auto problem = MakeProblem(std::move(request));
  ASSERT_TRUE(problem.ok()) << problem.status();

  PreparedProblems prepared;
  EXPECT_EQ(prepared.Find("skeleton", true, payloads), nullptr);
  prepared.Keep("skeleton", true, payloads, *problem, MakePlan(*problem));
  EXPECT_NE(prepared.Find("skeleton", true, payloads), nullptr);
  EXPECT_EQ(prepared.Find("skeleton", false, payloads), nullptr);
  EXPECT_EQ(prepared.Find("another", true, payloads), nullptr);

  wire::Payloads shorter;
  shorter.Attach(&tensor, {{bytes[0].data, 4}});
  EXPECT_EQ(prepared.Find("skeleton", true, shorter), nullptr);
}

}  // namespace
}  // namespace lossd::server
