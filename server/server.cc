#include "server/server.h"

#include <grpc/grpc.h>
#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/functional/function_ref.h"
#include "google/protobuf/stubs/common.h"
#if GOOGLE_PROTOBUF_VERSION < 4022000
#include "google/protobuf/stubs/logging.h"
#endif
#include "server/unix_socket.h"
#include "spdlog/fmt/fmt.h"

namespace lossd::server {
namespace {

using std::chrono::steady_clock;

constexpr char kService[] = "lossd.v1.LossService";
constexpr char kHealth[] = "grpc.health.v1.Health";
constexpr char kReflection[] = "grpc.reflection.v1.ServerReflection";
constexpr char kReflectionAlpha[] = "grpc.reflection.v1alpha.ServerReflection";
constexpr char kChannelz[] = "grpc.channelz.v1.Channelz";

// Requests that carry no tensor: a name. Their answers stay below the overhead that every call is reserved.
constexpr size_t kSmallRequestBytes = 4 << 10;

// What gRPC may buffer in all, against peers that send more than they declared. Above the budget, because reaching it
// closes connections and hits honest callers too.
constexpr size_t kQuotaFactor = 2;

// Warnings about calls a second.
constexpr int kCallWarningsASecond = 10;

// A drain takes the callers to be quiet when nothing has happened for this long: more than the round trip of any caller
// that is near enough to care for. Callers that send without waiting for answers are not waited for longer than the
// second.
constexpr std::chrono::milliseconds kQuiet{50}, kLongestHold{500};
constexpr std::chrono::milliseconds kPoll{2};

// protobuf would write a line to standard error for every string of a peer that is not UTF-8.
void SilenceProtobuf() {
#if GOOGLE_PROTOBUF_VERSION < 4022000  // later ones log through Abseil
  google::protobuf::SetLogHandler(nullptr);
#endif
}

// gRPC's plugins are process-wide, and make no use of being initialised twice.
void InitChannelz() {
  static const bool once = [] {
    grpc::channelz::experimental::InitChannelzService();
    return true;
  }();
  (void)once;
}

// Returns when `activity` has not changed for kQuiet, or at `deadline`.
void WaitUntilQuiet(steady_clock::time_point deadline, absl::FunctionRef<uint64_t()> activity) {
  uint64_t last = activity();
  auto since = steady_clock::now();
  for (auto now = since; now < deadline && now - since < kQuiet; now = steady_clock::now()) {
    if (const uint64_t current = activity(); current != last) {
      last = current;
      since = now;
    }
    std::this_thread::sleep_for(kPoll);
  }
}

std::vector<std::string> Services(const ServerOptions& options) {
  std::vector<std::string> services = {kHealth, kReflection, kReflectionAlpha, kService};
  if (options.channelz) services.emplace_back(kChannelz);
  return services;
}

std::string WithPort(const std::string& address, int port) {
  return IsUnixAddress(address) ? address : fmt::format("{}:{}", address.substr(0, address.rfind(':')), port);
}

}  // namespace

Server::Server(const ServerOptions& options)
    : options_(options),
      services_(Services(options)),
      health_({kService}),
      throttle_(kCallWarningsASecond),
      admission_(options.max_inflight_bytes, options.max_waiting_calls),
      metrics_(build_, admission_),
      executor_(options.num_threads),
      regions_(options.max_shared_memory_bytes),
      handlers_{executor_,
                [this](const Problem& problem, const Plan& plan) { metrics_.CountEvaluation(problem, plan); },
                options.shared_memory_socket.empty() ? nullptr : &regions_,
                [this] { return transport_.num_calls() >= options_.num_threads; },
                &alone_,
                &costs_},
      transport_(Methods(), Observe("unary", "other", "other"), admission_,
                 {.num_queues = options.num_queues,
                  .num_threads = options.num_threads,
                  .stall_timeout = options.stall_timeout}) {}

Server::~Server() {
  if (grpc_ != nullptr && !drained_) Drain();
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options) {
  SilenceProtobuf();
  if (options.channelz) InitChannelz();
  std::unique_ptr<Server> server(new Server(options));
  if (auto status = server->Listen(); !status.ok()) return status;
  Log(LogLevel::kInfo, "serving",
      {{"address", fmt::format("{}", fmt::join(server->addresses_, ","))},
       {"metrics", server->metrics_address_},
       {"version", server->build_.version},
       {"grpc", server->build_.grpc},
       {"simd", server->build_.simd},
       {"threads", options.num_threads},
       {"completion_queues", options.num_queues},
       {"max_message_bytes", options.max_message_bytes},
       {"max_inflight_bytes", options.max_inflight_bytes},
       {"max_waiting_calls", options.max_waiting_calls}});
  return server;
}

absl::Status Server::Listen() {
  if (!options_.metrics_address.empty()) {
    const auto port = metrics_.Serve(options_.metrics_address);
    if (!port.ok()) return port.status();
    metrics_address_ = WithPort(options_.metrics_address, *port);
  }

  for (const std::string& address : options_.listen_addresses) {
    if (auto status = CheckVacant(address); !status.ok()) return status;
  }
  if (const std::string& path = options_.shared_memory_socket; !path.empty()) {
    auto hand_over = HandOver::Start(path, options_.unix_socket_mode, regions_);
    if (!hand_over.ok()) return hand_over.status();
    hand_over_ = *std::move(hand_over);
  }

  grpc::ServerBuilder builder;
  std::vector<int> ports(options_.listen_addresses.size(), 0);
  for (size_t i = 0; i < ports.size(); ++i) {
    builder.AddListeningPort(options_.listen_addresses[i], grpc::InsecureServerCredentials(), &ports[i]);
  }
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT,
                             0);  // or a second server on the port would take half of the calls
  grpc::ResourceQuota quota("lossd");
  quota.Resize(options_.max_inflight_bytes * kQuotaFactor);
  builder.SetResourceQuota(quota);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, options_.channelz ? 1 : 0);
  transport_.Register(builder);
  {
    const ScopedSocketMode mode(options_.unix_socket_mode);
    grpc_ = builder.BuildAndStart();
  }
  if (grpc_ == nullptr) {
    return absl::UnavailableError(
        fmt::format("listen_address: cannot listen on {}; is the address in use, or not of this host?",
                    fmt::join(options_.listen_addresses, ",")));
  }
  transport_.Start();
  for (size_t i = 0; i < ports.size(); ++i) addresses_.push_back(WithPort(options_.listen_addresses[i], ports[i]));
  return absl::OkStatus();
}

CallObserver* Server::Observe(const std::string& type, const std::string& service, const std::string& method) {
  return &observers_.emplace_back(metrics_, throttle_, metrics_.AddMethod(type, service, method));
}

std::vector<Method> Server::Methods() {
  const auto unary = [this](const char* service, const char* name, UnaryHandler handler, size_t max_bytes,
                            size_t factor) {
    return Method{.name = fmt::format("/{}/{}", service, name),
                  .handler = std::move(handler),
                  .requests = nullptr,
                  .stream = nullptr,
                  .unimplemented = "",
                  .max_request_bytes = max_bytes,
                  .reserve_factor = factor,
                  .observer = Observe("unary", service, name)};
  };
  const auto stream = [this](const char* type, const char* service, const char* name, StreamFactory factory) {
    return Method{.name = fmt::format("/{}/{}", service, name),
                  .handler = nullptr,
                  .requests = nullptr,
                  .stream = std::move(factory),
                  .unimplemented = "",
                  .max_request_bytes = kSmallRequestBytes,
                  .reserve_factor = 0,
                  .observer = Observe(type, service, name)};
  };
  const auto requests = [this](const char* type, const char* name, RequestStreamFactory factory, size_t factor) {
    return Method{.name = fmt::format("/{}/{}", kService, name),
                  .handler = nullptr,
                  .requests = std::move(factory),
                  .stream = nullptr,
                  .unimplemented = "",
                  .max_request_bytes = options_.max_message_bytes,
                  .reserve_factor = factor,
                  .observer = Observe(type, kService, name)};
  };
  const auto evaluate = [this](UnaryCall& call) { Evaluate(handlers_, call); };
  const auto gradient = [this](UnaryCall& call) { Gradient(handlers_, call); };
  const auto evaluate_each = [evaluate] {
    return RequestStream{.on_request = evaluate, .max_in_flight = kStreamedInFlight};
  };
  const auto gradient_each = [gradient] {
    return RequestStream{.on_request = gradient, .max_in_flight = kStreamedInFlight};
  };
  const auto check = [this](UnaryCall& call) { health_.Check(call); };
  const auto watch = [this] { return health_.Watch(); };
  const auto reflect = [this] { return Reflect(services_); };
  return {
      unary(kService, "Evaluate", evaluate, options_.max_message_bytes, kEvaluateReserveFactor),
      unary(kService, "Gradient", gradient, options_.max_message_bytes, kGradientReserveFactor),
      unary(kService, "ListLosses", ListLosses, kSmallRequestBytes, 1),
      unary(kService, "DescribeLoss", DescribeLoss, kSmallRequestBytes, 1),
      requests("bidi_stream", "EvaluateStream", evaluate_each, kEvaluateReserveFactor),
      requests("bidi_stream", "GradientStream", gradient_each, kGradientReserveFactor),
      requests(
          "client_stream", "EvaluateBatch", [this] { return EvaluateBatch(handlers_); }, kEvaluateReserveFactor),
      unary(kHealth, "Check", check, kSmallRequestBytes, 0),  // answered under any load
      stream("server_stream", kHealth, "Watch", watch),
      stream("bidi_stream", kReflection, "ServerReflectionInfo", reflect),
      stream("bidi_stream", kReflectionAlpha, "ServerReflectionInfo", reflect),
  };
}

void Server::Drain() {
  drained_ = true;
  Log(LogLevel::kInfo, "drain begins",
      {{"calls", transport_.num_calls()},
       {"delay_ms", options_.drain_delay.count()},
       {"timeout_ms", options_.drain_timeout.count()}});
  health_.Stop();
  transport_.Wake();  // watchers hear of it
  std::this_thread::sleep_for(options_.drain_delay);

  const auto deadline = steady_clock::now() + options_.drain_timeout;
  transport_.Hold();
  WaitUntilQuiet(std::min(deadline, steady_clock::now() + kLongestHold), [this] { return transport_.activity(); });
  std::thread closer([this, deadline] {
    while (!transport_.closed()) std::this_thread::sleep_for(kPoll);
    std::this_thread::sleep_for(kQuiet);  // for connections to be told
    transport_.Release();
    std::this_thread::sleep_for(kQuiet);  // for streams that were held: a short one ends by itself
    transport_.DrainRequests();
    // Streams (health watches, reflection) would keep Shutdown waiting until its deadline, with no call left.
    while (transport_.num_calls() > 0 && steady_clock::now() < deadline) std::this_thread::sleep_for(kPoll);
    WaitUntilQuiet(deadline, [this] { return transport_.activity(); });
    grpc_server_cancel_all_calls(grpc_->c_server());
  });
  grpc_->Shutdown(std::chrono::system_clock::now() + (deadline - steady_clock::now()));
  closer.join();
  transport_.Stop();
  hand_over_.reset();
  Log(LogLevel::kInfo, "drain ends", {});
}

}  // namespace lossd::server
