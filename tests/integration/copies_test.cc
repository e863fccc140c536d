// Bytes that the server copies for a request, counted in its process by what it asks of memcpy and memmove, beside the
// same count for a server that computes nothing on the same transport. What gRPC copies is in both.
//
// Two kinds of copies are told apart by their size. What straddles two of the network's buffers is gathered into
// scratch that stays in cache (invariant 9 of docs/architecture.md): of elementwise losses 32 elements, of rows a
// stretch of at most 2,048; its pieces are smaller than a block. A tensor that is copied moves in pieces as large as
// the network's buffers, 64 KiB, or whole.
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "bench/rpc/closed_loop.h"
#include "bench/rpc/counters.h"
#include "bench/rpc/process.h"
#include "bench/rpc/scenario.h"
#include "core/plan.h"
#include "lossd/v1/loss_service.pb.h"

namespace lossd::bench {
namespace {

constexpr int kCalls = 4;
constexpr size_t kBlockBytes = kBlockElements * sizeof(float);
constexpr size_t kMiB = 1 << 20;

// Copied bytes a call, as shares of the bytes of the request.
struct Copied {
  double in_blocks;   // in pieces smaller than a block
  double in_tensors;  // in larger ones
};

struct Case {
  std::string name, method, message;
  Wire wire;
  double gathered;  // at most so much of the request straddles buffers
};

Case MakeCase(const Scenario& scenario) {
  // 128 bytes of 64 KiB; more where buffers arrive smaller.
  return {scenario.name(), scenario.method(), scenario.Request(), scenario.wire, 0.02};
}

// 16 MiB of logits with labels, in rows of so many classes.
Case MakeRows(int64_t width) {
  constexpr int64_t kElements = 16 * kMiB / sizeof(float);
  v1::GradientRequest request;
  request.set_loss("sparse_categorical_crossentropy");
  request.mutable_options()->set_input_kind(v1::LOGITS);
  v1::Tensor* const logits = request.mutable_y_pred();
  logits->set_dtype(v1::F32);
  logits->add_shape(kElements / width);
  logits->add_shape(width);
  logits->set_raw(std::string(kElements * sizeof(float), '\0'));
  v1::Tensor* const labels = request.mutable_y_true();
  labels->set_dtype(v1::I64);
  labels->add_shape(kElements / width);
  labels->set_raw(std::string(kElements / width * sizeof(int64_t), '\0'));
  // A stretch of 8 KiB out of 64, gathered and put back.
  return {"rows of " + std::to_string(width), "/lossd.v1.LossService/Gradient", request.SerializeAsString(), Wire::kTcp,
          0.3};
}

const std::vector<Case>& Cases() {
  static const auto* const cases = new std::vector<Case>{
      MakeCase({true, "mse", 16 * kMiB / 8, 1}),
      MakeCase({true, "bce_with_logits", 16 * kMiB / 8, 1}),
      MakeCase({false, "mse", 16 * kMiB / 8, 1}),
      MakeCase({true, "mse", 16 * kMiB / 8, 1, Wire::kUnix}),
      MakeRows(1024),
      MakeRows(1 << 17),
  };
  return *cases;
}

Copied Count(const std::string& program, const Case& c) {
  const Counters counters;
  Process server({.program = std::string(LOSSD_BINARY_FOLDER) + "/" + program,
                  .arguments = program == "lossd" ? std::vector<std::string>{"--metrics_address=", "--log_level=error"}
                                                  : std::vector<std::string>{},
                  .environment = {counters.preload(), counters.file()}},
                 c.wire);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  const auto channel = grpc::CreateCustomChannel(server.address(), grpc::InsecureChannelCredentials(), arguments);
  const grpc::Slice slice(c.message);
  const auto call = [&] { Run(channel, {.method = c.method, .request = grpc::ByteBuffer(&slice, 1), .time = {}}); };
  call();  // connects, and fills what is kept from call to call
  const Counts small = counters.Read(1, kBlockBytes), large = counters.Read(kBlockBytes);
  for (int i = 0; i < kCalls; ++i) call();
  const double bytes = kCalls * static_cast<double>(c.message.size());
  return {(counters.Read(1, kBlockBytes).copied_bytes - small.copied_bytes) / bytes,
          (counters.Read(kBlockBytes).copied_bytes - large.copied_bytes) / bytes};
}

TEST(Copies, NoTensorIsCopiedBetweenTheNetworkAndTheKernelNorBack) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.name);
    const Copied lossd = Count("lossd", c), noop = Count("noop_server", c);
    // One of three tensors copied would be a half.
    EXPECT_LT(lossd.in_tensors - noop.in_tensors, 0.005);
    const double gathered = lossd.in_blocks - noop.in_blocks;
    RecordProperty(c.name, std::to_string(gathered));
    EXPECT_LT(gathered, c.gathered);
  }
}

// That the counter counts: the plain server has protobuf copy both tensors, and the gradient.
TEST(Copies, OfAServerThatCopiesAreSeen) {
  const Copied plain = Count("plain_server", Cases().front());
  EXPECT_GT(plain.in_tensors, 1.0);
}

}  // namespace
}  // namespace lossd::bench
