// The worker of bench/peers/worker.py with lossd in it. Modes: inprocess; tcp and unix, through a server that it
// starts. FOLDER holds the request as a message, request.bin.
//
// A remote call is timed until the gradient lies in the caller's memory in one piece. What it took to write the request
// is not in it: a C++ client sends tensors from where they lie.
#include <grpcpp/create_channel.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "bench/rpc/closed_loop.h"
#include "bench/rpc/in_process.h"
#include "bench/rpc/process.h"
#include "lossd/v1/loss_service.pb.h"
#include "proto/wire/byte_buffer.h"

namespace lossd::bench {
namespace {

using Clock = std::chrono::steady_clock;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Server {
 public:
  Server(const std::string& program, Wire wire)
      : process_({.program = program,
                  .arguments = {"--metrics_address=", "--log_level=warning", "--max_message_bytes=536870912",
                                "--max_inflight_bytes=2147483648"}},
                 wire) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    channel_ = grpc::CreateCustomChannel(process_.address(), grpc::InsecureChannelCredentials(), arguments);
  }

  // The value; the answer's bytes in `memory`.
  double Gradient(const grpc::ByteBuffer& request, std::vector<std::byte>& memory) {
    const Measured got =
        Run(channel_, {.method = "/lossd.v1.LossService/Gradient", .request = request, .in_flight = 1, .time = {}});
    const wire::ReceivedBytes answer(got.last_answer);
    memory.resize(answer.size_bytes());
    std::byte* out = memory.data();
    for (const Segment& segment : answer.segments()) {
      std::memcpy(out, segment.data, segment.size);
      out += segment.size;
    }
    v1::GradientResponse response;
    wire::Payloads payloads;
    const Segment whole{memory.data(), memory.size()};
    if (!wire::Decode({&whole, 1}, &response, &payloads).ok()) throw std::runtime_error("no answer");
    return response.value();
  }

 private:
  Process process_;
  std::shared_ptr<grpc::Channel> channel_;
};

class Worker {
 public:
  explicit Worker(std::string lossd) : lossd_(std::move(lossd)) {}

  std::string Answer(const std::string& mode, int threads, double seconds, const std::string& folder) {
    if (folder != folder_) Load(folder);
    const std::function<double()> call = MakeCall(mode, threads);
    const auto [entry, first] = values_.try_emplace({mode, threads});
    if (first) entry->second = call();  // not timed
    std::vector<double> times;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    while (times.empty() || Clock::now() < end) {
      const auto begin = Clock::now();
      call();
      times.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
    }
    std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
    char text[80];
    std::snprintf(text, sizeof text, "%.9g %.17g %s", times[times.size() / 2], entry->second,
                  std::string(Name(Arithmetic())).c_str());
    return text;
  }

 private:
  DType Arithmetic() const {
    const Problem& problem = problem_->problem();
    for (const FormKernels& kernels : problem.loss.forms) {
      if (kernels.form == problem.form && kernels.widens) return DType::kF64;
    }
    return problem.arithmetic;
  }

  void Load(const std::string& folder) {
    const std::string message = ReadFile(folder + "/request.bin");
    problem_ = std::make_unique<InProcess>(message, /*gradient=*/true);
    const grpc::Slice slice(message);
    request_ = grpc::ByteBuffer(&slice, 1);
    folder_ = folder;
    values_.clear();
  }

  std::function<double()> MakeCall(const std::string& mode, int threads) {
    if (mode == "inprocess" || mode == "memcpy") {
      if (executor_ == nullptr || executor_->num_threads() != threads) {
        executor_ = nullptr;  // two of them at once would limit each other
        executor_ = std::make_unique<Executor>(threads);
      }
      if (mode == "memcpy") return [this, threads] { return Copy(threads); };
      return [this] { return problem_->Evaluate(*executor_); };
    }
    const Wire wire = mode == "unix" ? Wire::kUnix : Wire::kTcp;
    std::unique_ptr<Server>& server = servers_[wire];
    if (server == nullptr) server = std::make_unique<Server>(lossd_, wire);
    return [this, &server] { return server->Gradient(request_, memory_); };
  }

  // Half of the bytes read, half written.
  double Copy(int threads) {
    const size_t share = problem_->bytes() / 2 / static_cast<size_t>(threads);
    from_.resize(share * threads);
    to_.resize(share * threads);
    executor_->ForEachShard(threads, Cancellation(),
                            [&](size_t i) { std::memcpy(&to_[i * share], &from_[i * share], share); });
    return 0;
  }

  std::string lossd_;
  std::string folder_;
  std::map<std::pair<std::string, int>, double> values_;  // by mode and threads, of this folder
  std::unique_ptr<InProcess> problem_;
  grpc::ByteBuffer request_;
  std::vector<std::byte> memory_, from_, to_;
  std::unique_ptr<Executor> executor_;
  std::map<Wire, std::unique_ptr<Server>> servers_;
};

}  // namespace
}  // namespace lossd::bench

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  lossd::bench::Worker worker(std::filesystem::absolute(argv[0]).parent_path() / "lossd");
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string mode, folder;
    int threads = 1;
    double seconds = 0;
    words >> mode >> threads >> seconds >> std::ws;
    std::getline(words, folder);
    try {
      std::cout << worker.Answer(mode, threads, seconds, folder) << std::endl;
    } catch (const std::exception& error) {
      std::cout << "error: " << error.what() << std::endl;
    }
  }
  return 0;
}
