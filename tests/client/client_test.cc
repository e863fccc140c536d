// The client against servers that answer what the test says.
#include "lossd/client.h"

#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_server.h"

namespace lossd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Client MakeClient(const std::string& address) { return *Client::Create({.address = address}); }

const std::vector<float> kPrediction = {0.5f, -1.0f, 2.0f};
const std::vector<float> kTarget = {0, 0, 1};

LossCall SmallCall() {
  return {.loss = "huber", .y_true = ConstTensor::Of(kTarget), .y_pred = ConstTensor::Of(kPrediction)};
}

template <class T>
void SetRaw(v1::DType dtype, const std::vector<T>& values, v1::Tensor* tensor) {
  tensor->set_dtype(dtype);
  tensor->add_shape(static_cast<int64_t>(values.size()));
  tensor->set_raw(values.data(), values.size() * sizeof(T));
}

TEST(Client, SendsWhatTheCallSays) {
  FakeServer server;
  v1::EvaluateRequest seen;
  std::string declared;
  server.evaluate = [&](grpc::ServerContext* context, const v1::EvaluateRequest& request, v1::EvaluateResponse*) {
    seen = request;
    const auto it = context->client_metadata().find("lossd-request-bytes");
    if (it != context->client_metadata().end()) declared.assign(it->second.data(), it->second.size());
    return grpc::Status::OK;
  };
  const std::vector<double> prediction(6, 0.25);
  const std::vector<int32_t> labels = {2, 0};
  const std::vector<double> weight = {1, 2};
  const bool mask[] = {true, false};
  LossCall call{.loss = "sparse_categorical_crossentropy",
                .y_true = ConstTensor::Of(labels),
                .y_pred = ConstTensor::Of(prediction, {2, 3}),
                .sample_weight = ConstTensor::Of(weight),
                .mask = ConstTensor::Of(mask),
                .params = {{"delta", 1.5}},
                .options = {.input_kind = InputKind::kLogits,
                            .reduction = Reduction::kSum,
                            .divisor = Divisor::kWeightSum,
                            .normalizer = 8.0,
                            .clip_policy = ClipPolicy::kKeras,
                            .empty_policy = EmptyPolicy::kNan,
                            .non_finite_policy = NonFinitePolicy::kError}};
  const auto result = MakeClient(server.address()).Evaluate(call);
  ASSERT_TRUE(result.ok()) << result.status();

  EXPECT_EQ(declared, std::to_string(seen.ByteSizeLong()));
  EXPECT_EQ(seen.loss(), "sparse_categorical_crossentropy");
  EXPECT_EQ(seen.params().fields().at("delta").number_value(), 1.5);
  EXPECT_EQ(seen.options().input_kind(), v1::LOGITS);
  EXPECT_EQ(seen.options().reduction(), v1::SUM);
  EXPECT_EQ(seen.options().divisor(), v1::WEIGHT_SUM);
  EXPECT_EQ(seen.options().normalizer(), 8.0);
  EXPECT_EQ(seen.options().clip_policy(), v1::KERAS_CLIP);
  EXPECT_EQ(seen.options().non_finite_policy(), v1::ERROR);
  EXPECT_EQ(seen.options().empty_policy(), v1::NAN_VALUE);
  EXPECT_EQ(seen.y_true().dtype(), v1::I32);
  EXPECT_EQ(seen.y_true().raw(), std::string("\2\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(seen.y_pred().dtype(), v1::F64);
  EXPECT_THAT(seen.y_pred().shape(), ElementsAre(2, 3));
  EXPECT_EQ(seen.y_pred().raw().size(), 48u);
  EXPECT_EQ(seen.sample_weight().dtype(), v1::F64);
  EXPECT_EQ(seen.mask().dtype(), v1::BOOL);
  EXPECT_EQ(seen.mask().raw(), std::string("\1\0", 2));
}

TEST(Client, SendsEveryTensorOptionAndKindOfParameter) {
  FakeServer server;
  v1::GradientRequest seen;
  server.gradient = [&](grpc::ServerContext*, const v1::GradientRequest& request, v1::GradientResponse*) {
    seen = request;
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "");
  };
  const std::vector<double> one = {1}, two = {2}, three = {3}, four = {4};
  const std::vector<uint8_t> mask = {1, 0};
  Options options{.convention = Convention::kTorch,
                  .last_axis = LastAxis::kSum,
                  .kink_policy = KinkPolicy::kActive,
                  .label_smoothing = 0.25,
                  .ignore_index = -100,
                  .axis = 0};
  options.item_axes = {1, 2};
  LossCall call;
  call.loss = "ctc";
  call.params = {{"a", 0.5}, {"b", true}, {"c", std::string("inf")}};
  call.options = options;
  call.inputs = {{"variance", ConstTensor::Of(one)}};
  call.element_weight = ConstTensor::Of(two);
  call.class_weight = ConstTensor::Of(three);
  call.class_mask = ConstTensor::Of(mask);
  call.with_respect_to = {"variance", "y_pred"};
  call.hessian_diagonal = true;
  call.upstream = ConstTensor::Of(four);
  EXPECT_FALSE(MakeClient(server.address()).Gradient(call).ok());
  EXPECT_EQ(seen.params().fields().at("a").number_value(), 0.5);
  EXPECT_TRUE(seen.params().fields().at("b").bool_value());
  EXPECT_EQ(seen.params().fields().at("c").string_value(), "inf");
  EXPECT_EQ(seen.options().ShortDebugString(),
            "convention: TORCH label_smoothing: 0.25 ignore_index: -100 axis: 0 last_axis: SUM_OF_LAST "
            "kink_policy: ACTIVE item_axes: 1 item_axes: 2");
  EXPECT_FALSE(seen.has_y_pred() || seen.has_y_true());
  const auto raw = [](const std::vector<double>& values) {
    return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double));
  };
  EXPECT_EQ(seen.inputs().at("variance").raw(), raw(one));
  EXPECT_EQ(seen.element_weight().raw(), raw(two));
  EXPECT_EQ(seen.class_weight().raw(), raw(three));
  EXPECT_EQ(seen.class_mask().dtype(), v1::U8);
  EXPECT_EQ(seen.upstream().raw(), raw(four));
  EXPECT_THAT(seen.with_respect_to(), ElementsAre("variance", "y_pred"));
  EXPECT_TRUE(seen.hessian_diagonal());
}

TEST(Client, ReturnsEveryGradientTheHessianAndWhatIsReportedBeside) {
  FakeServer server;
  server.gradient = [](grpc::ServerContext*, const v1::GradientRequest&, v1::GradientResponse* response) {
    SetRaw<float>(v1::F32, {1}, &(*response->mutable_gradients())["y_pred"]);
    SetRaw<float>(v1::F32, {2}, &(*response->mutable_gradients())["variance"]);
    SetRaw<float>(v1::F32, {3}, &(*response->mutable_hessian_diagonals())["y_pred"]);
    SetRaw<double>(v1::F64, {4}, &(*response->mutable_outputs())["feasible"]);
    return grpc::Status::OK;
  };
  const auto result = MakeClient(server.address()).Gradient(SmallCall());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->gradient.values<float>(), ElementsAre(1));
  ASSERT_EQ(result->gradients.size(), 1u);
  EXPECT_THAT(result->gradients.at("variance").values<float>(), ElementsAre(2));
  ASSERT_TRUE(result->hessian_diagonal.has_value());
  EXPECT_THAT(result->hessian_diagonal->values<float>(), ElementsAre(3));
  EXPECT_THAT(result->outputs.at("feasible").values<double>(), ElementsAre(4));
}

TEST(Client, TheGradientStaysEmptyWhereAnotherWasAskedFor) {
  FakeServer server;
  server.gradient = [](grpc::ServerContext*, const v1::GradientRequest&, v1::GradientResponse* response) {
    SetRaw<float>(v1::F32, {2}, &(*response->mutable_gradients())["variance"]);
    return grpc::Status::OK;
  };
  const Client client = MakeClient(server.address());
  const auto result = client.Gradient(SmallCall());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->gradient.bytes().empty());
  EXPECT_EQ(result->gradients.size(), 1u);
  std::vector<float> room(3);
  const auto into = client.GradientInto(SmallCall(), std::as_writable_bytes(std::span(room)));
  EXPECT_EQ(into.status().code(), absl::StatusCode::kInternal) << "it was not written";
}

TEST(Client, LeavesOutWhatIsDefault) {
  FakeServer server;
  v1::GradientRequest seen;
  server.gradient = [&](grpc::ServerContext*, const v1::GradientRequest& request, v1::GradientResponse*) {
    seen = request;
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "");
  };
  EXPECT_FALSE(MakeClient(server.address()).Gradient(SmallCall()).ok());
  EXPECT_EQ(seen.options().ByteSizeLong(), 0u);
  EXPECT_FALSE(seen.has_params());
  EXPECT_FALSE(seen.has_sample_weight());
  EXPECT_FALSE(seen.has_mask());
  EXPECT_EQ(seen.inputs_size() + seen.with_respect_to_size(), 0);
  EXPECT_FALSE(seen.has_upstream() || seen.hessian_diagonal());
}

TEST(Client, ReturnsTheValueWithItsParts) {
  FakeServer server;
  server.evaluate = [](grpc::ServerContext*, const v1::EvaluateRequest&, v1::EvaluateResponse* response) {
    response->set_sum(6);
    response->set_divisor(3);
    response->set_valid_count(2);
    response->set_weight_sum(2.5);
    response->set_loss("huber");
    SetRaw<double>(v1::F64, {1.5, 4.5}, response->mutable_per_item());
    return grpc::Status::OK;
  };
  const auto result = MakeClient(server.address()).Evaluate(SmallCall());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->value, std::nullopt);
  EXPECT_EQ(result->sum, 6);
  EXPECT_EQ(result->divisor, 3);
  EXPECT_EQ(result->valid_count, 2);
  EXPECT_EQ(result->weight_sum, 2.5);
  EXPECT_EQ(result->loss, "huber");
  ASSERT_TRUE(result->per_item.has_value());
  EXPECT_THAT(result->per_item->values<double>(), ElementsAre(1.5, 4.5));
  EXPECT_TRUE(result->per_item->values<float>().empty());
}

// The gradient is the prediction; 3 MiB arrive in many slices.
TEST(Client, ReturnsTheGradientOrWritesItWhereItIsTold) {
  FakeServer server;
  server.gradient = [](grpc::ServerContext*, const v1::GradientRequest& request, v1::GradientResponse* response) {
    response->set_value(0.5);
    (*response->mutable_gradients())["y_pred"] = request.y_pred();
    return grpc::Status::OK;
  };
  const Client client = MakeClient(server.address());
  for (const size_t count : {size_t{0}, size_t{3}, size_t{786'432}}) {
    SCOPED_TRACE(count);
    std::vector<float> prediction(count);
    for (size_t i = 0; i < count; ++i) prediction[i] = static_cast<float>(i);
    const LossCall call{.loss = "huber", .y_true = ConstTensor::Of(prediction), .y_pred = ConstTensor::Of(prediction)};
    const auto owned = client.Gradient(call);
    ASSERT_TRUE(owned.ok()) << owned.status();
    EXPECT_EQ(owned->value, 0.5);
    EXPECT_THAT(owned->gradient.shape(), ElementsAre(static_cast<int64_t>(count)));
    EXPECT_TRUE(std::ranges::equal(owned->gradient.values<float>(), prediction));

    std::vector<float> gradient(count, -1);
    const auto written = client.GradientInto(call, std::as_writable_bytes(std::span(gradient)));
    ASSERT_TRUE(written.ok()) << written.status();
    EXPECT_EQ(written->value, 0.5);
    EXPECT_EQ(gradient, prediction);
  }
}

TEST(Client, RefusesADestinationOfAnotherSize) {
  std::vector<std::byte> small(8);
  const auto result = MakeClient("127.0.0.1:1").GradientInto(SmallCall(), small);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("room for 8 bytes; y_pred has 12"));
}

struct BadAnswerCase {
  const char* name;
  std::function<void(v1::GradientResponse*)> fill;
};

TEST(Client, CallsAnAnswerThatIsNoneInternal) {
  const std::vector<BadAnswerCase> cases = {
      {"no gradient", [](v1::GradientResponse*) {}},
      {"gradient without data", [](auto* r) { (*r->mutable_gradients())["y_pred"].set_dtype(v1::F32); }},
      {"gradient without dtype", [](auto* r) { (*r->mutable_gradients())["y_pred"].set_raw("1234"); }},
      {"unknown dtype",
       [](auto* r) {
         (*r->mutable_gradients())["y_pred"].set_raw("1234");
         (*r->mutable_gradients())["y_pred"].set_dtype(static_cast<v1::DType>(99));
       }},
      {"bytes that do not fit",
       [](auto* r) {
         SetRaw<char>(v1::F32, {1, 2, 3}, &(*r->mutable_gradients())["y_pred"]);
       }},
      {"negative size",
       [](auto* r) {
         auto& tensor = (*r->mutable_gradients())["y_pred"];
         SetRaw<float>(v1::F32, {1}, &tensor);
         tensor.add_shape(-1);
         tensor.add_shape(-1);
       }},
      {"size that overflows",
       [](auto* r) {
         auto& tensor = (*r->mutable_gradients())["y_pred"];
         SetRaw<float>(v1::F32, {1}, &tensor);
         tensor.add_shape(int64_t{1} << 62);
       }},
      {"typed list", [](auto* r) { (*r->mutable_gradients())["y_pred"].mutable_floats()->add_values(1); }},
      {"bad per_item", [](auto* r) { r->mutable_per_item()->set_dtype(v1::F32); }},
      {"bad gradient of another input",
       [](auto* r) {
         SetRaw<float>(v1::F32, {1}, &(*r->mutable_gradients())["y_pred"]);
         (*r->mutable_gradients())["variance"].set_dtype(v1::F32);
       }},
      {"bad Hessian",
       [](auto* r) {
         SetRaw<float>(v1::F32, {1}, &(*r->mutable_gradients())["y_pred"]);
         (*r->mutable_hessian_diagonals())["y_pred"].set_dtype(v1::F32);
       }},
      {"bad output",
       [](auto* r) {
         SetRaw<float>(v1::F32, {1}, &(*r->mutable_gradients())["y_pred"]);
         (*r->mutable_outputs())["feasible"].set_raw("1");
       }},
  };
  for (const BadAnswerCase& c : cases) {
    SCOPED_TRACE(c.name);
    FakeServer server;
    server.gradient = [&](grpc::ServerContext*, const v1::GradientRequest&, v1::GradientResponse* response) {
      c.fill(response);
      return grpc::Status::OK;
    };
    const auto result = MakeClient(server.address()).Gradient(SmallCall());
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal) << result.status();
    EXPECT_THAT(std::string(result.status().message()), HasSubstr("answer of the server"));
  }
}

TEST(Client, PassesOnCodeAndMessageOfTheServer) {
  for (int code = 1; code <= 16; ++code) {
    SCOPED_TRACE(code);
    FakeServer server;
    server.evaluate = [&](grpc::ServerContext*, const v1::EvaluateRequest&, v1::EvaluateResponse*) {
      return grpc::Status(static_cast<grpc::StatusCode>(code), "delta = -1 for huber");
    };
    const Client client = *Client::Create({.address = server.address(), .retry = {.max_attempts = 1}});
    const auto result = client.Evaluate(SmallCall());
    EXPECT_EQ(result.status().raw_code(), code);
    EXPECT_EQ(result.status().message(), "delta = -1 for huber");
  }
}

TEST(Client, ReadsTheCatalogue) {
  FakeServer server;
  server.list_losses = [](grpc::ServerContext*, const v1::ListLossesRequest&, v1::ListLossesResponse* response) {
    response->add_losses()->set_name("huber");
    return grpc::Status::OK;
  };
  server.describe_loss = [](grpc::ServerContext*, const v1::DescribeLossRequest& request, v1::DescribeLossResponse* r) {
    if (request.loss() != "huber") return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such loss");
    r->mutable_loss()->set_name("huber");
    return grpc::Status::OK;
  };
  const Client client = MakeClient(server.address());
  EXPECT_EQ(client.ListLosses()->losses(0).name(), "huber");
  EXPECT_EQ(client.DescribeLoss("huber")->loss().name(), "huber");
  EXPECT_EQ(client.DescribeLoss("hubert").status().code(), absl::StatusCode::kNotFound);
}

TEST(Client, CheckFollowsTheHealthService) {
  FakeServer server;
  const Client client = MakeClient(server.address());
  EXPECT_TRUE(client.Check().ok()) << client.Check();
  server.SetServing(false);
  EXPECT_EQ(client.Check().code(), absl::StatusCode::kUnavailable);
}

TEST(Client, ConnectsToAUnixSocket) {
  const std::string path = ::testing::TempDir() + "lossd_client_test_" + std::to_string(getpid()) + ".sock";
  FakeServer server("unix:" + path);
  EXPECT_TRUE(MakeClient("unix:" + path).Check().ok());
}

TEST(Client, IsSafeToUseFromManyThreads) {
  FakeServer server;
  server.gradient = [](grpc::ServerContext*, const v1::GradientRequest& request, v1::GradientResponse* response) {
    (*response->mutable_gradients())["y_pred"] = request.y_pred();
    return grpc::Status::OK;
  };
  const Client client = MakeClient(server.address());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const std::vector<float> values(10'000 * (t + 1), static_cast<float>(t));
      for (int i = 0; i < 20; ++i) {
        const auto result =
            client.Gradient({.loss = "huber", .y_true = ConstTensor::Of(values), .y_pred = ConstTensor::Of(values)});
        ASSERT_TRUE(result.ok()) << result.status();
        ASSERT_TRUE(std::ranges::equal(result->gradient.values<float>(), values));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

struct BadOptionsCase {
  const char* message;
  ClientOptions options;
};

TEST(Client, RefusesOptionsOutsideTheirRange) {
  const BadOptionsCase cases[] = {
      {"address", {.address = ""}},
      {"timeout", {.timeout = absl::ZeroDuration()}},
      {"max_attempts = 6", {.retry = {.max_attempts = 6}}},
      {"max_attempts = 0", {.retry = {.max_attempts = 0}}},
      {"backoff", {.retry = {.initial_backoff = absl::Seconds(2)}}},
      {"backoff_multiplier", {.retry = {.backoff_multiplier = 0.5}}},
      {"stall_timeout", {.stall_timeout = absl::InfiniteDuration()}},
      {"max_message_bytes", {.max_message_bytes = size_t{1} << 31}},
  };
  for (const BadOptionsCase& c : cases) {
    const auto client = Client::Create(c.options);
    EXPECT_EQ(client.status().code(), absl::StatusCode::kInvalidArgument) << c.message;
    EXPECT_THAT(std::string(client.status().message()), HasSubstr(c.message));
  }
}

}  // namespace
}  // namespace lossd
