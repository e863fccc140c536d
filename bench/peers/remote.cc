#include "bench/peers/remote.h"

#include <grpcpp/create_channel.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/rpc/closed_loop.h"
#include "proto/wire/byte_buffer.h"
#include "proto/wire/payload.h"

namespace lossd::bench {
namespace {

constexpr size_t kAlignment = 64;

size_t Aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

Command MakeCommand(const std::string& program, const std::string& shared_socket) {
  Command command{.program = program,
                  .arguments = {"--metrics_address=", "--log_level=warning", "--max_message_bytes=536870912",
                                "--max_inflight_bytes=2147483648"}};
  if (!shared_socket.empty()) command.arguments.push_back("--shared_memory_socket=" + shared_socket);
  return command;
}

std::string SharedSocket(Way way) {
  if (way != Way::kSharedMemory) return "";
  return std::filesystem::temp_directory_path() / absl::StrCat("lossd_peers_", getpid(), ".sock");
}

grpc::ByteBuffer Buffer(const std::string& message) {
  const grpc::Slice slice(message);
  return {&slice, 1};
}

}  // namespace

Remote::Remote(const std::string& program, Way way)
    : way_(way),
      shared_socket_(SharedSocket(way)),
      process_(MakeCommand(program, shared_socket_), way == Way::kTcp ? Wire::kTcp : Wire::kUnix) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  channel_ = grpc::CreateCustomChannel(process_.address(), grpc::InsecureChannelCredentials(), arguments);
}

void Remote::Prepare(const std::string& message) {
  if (way_ != Way::kSharedMemory) {
    request_ = Buffer(message);
    return;
  }
  v1::GradientRequest request;
  if (!request.ParseFromString(message)) throw std::runtime_error("not a request");
  request_ = Share(std::move(request));
}

grpc::ByteBuffer Remote::Share(v1::GradientRequest request) {
  std::vector<v1::Tensor*> tensors = {request.mutable_y_pred(), request.mutable_y_true()};
  for (auto& [name, tensor] : *request.mutable_inputs()) tensors.push_back(&tensor);
  const std::string& wanted = request.with_respect_to(0);
  const size_t gradient_bytes =
      wanted == "y_pred" ? request.y_pred().raw().size() : request.inputs().at(wanted).raw().size();
  size_t bytes = Aligned(gradient_bytes);
  for (const v1::Tensor* tensor : tensors) bytes += Aligned(tensor->raw().size());
  region_.reset();
  auto region = SharedRegion::Create(shared_socket_, bytes);
  if (!region.ok()) throw std::runtime_error(region.status().ToString());
  region_ = *std::move(region);

  size_t offset = 0;
  const auto take = [&](size_t size, v1::SharedMemory* reference) {
    reference->set_region(region_->name());
    reference->set_byte_offset(offset);
    reference->set_byte_size(size);
    offset += Aligned(size);
    return region_->bytes().data() + reference->byte_offset();
  };
  take(gradient_bytes, &(*request.mutable_output_regions())["gradients." + wanted]);
  for (v1::Tensor* tensor : tensors) {
    if (tensor->raw().empty()) continue;
    const std::string raw = std::move(*tensor->mutable_raw());
    std::memcpy(take(raw.size(), tensor->mutable_shared_memory()), raw.data(), raw.size());
  }
  if (request.y_pred().ByteSizeLong() == 0) request.clear_y_pred();
  if (request.y_true().ByteSizeLong() == 0) request.clear_y_true();
  return Buffer(request.SerializeAsString());
}

double Remote::Gradient() {
  const Measured got =
      Run(channel_, {.method = "/lossd.v1.LossService/Gradient", .request = request_, .in_flight = 1, .time = {}});
  const wire::ReceivedBytes answer(got.last_answer);
  memory_.resize(answer.size_bytes());
  std::byte* out = memory_.data();
  for (const Segment& segment : answer.segments()) {
    std::memcpy(out, segment.data, segment.size);
    out += segment.size;
  }
  v1::GradientResponse response;
  wire::Payloads payloads;
  const Segment whole{memory_.data(), memory_.size()};
  if (!wire::Decode({&whole, 1}, &response, &payloads).ok()) throw std::runtime_error("no answer");
  return response.value();
}

}  // namespace lossd::bench
