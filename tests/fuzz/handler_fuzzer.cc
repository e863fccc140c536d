// Hostile requests through the handlers, from the bytes of a message in slices to those of its answer, without gRPC.
//
// The first byte chooses the method and how the rest is read: as the message itself, behind the places to cut it at, or
// as choices of which a request is drawn (drawn_request.h). Every call is made twice: as it came, on one thread, and in
// one slice, on two threads that may remember the first.
//
// Checked beside what the sanitizers see
//  1. A call is answered once, with a code that loss_service.proto names and never with INTERNAL; its message is UTF-8.
//  2. An answer owes its request what answer_check.h says.
//  3. Both calls are answered by the same bits.
#include <fcntl.h>
#include <fuzzer/FuzzedDataProvider.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "core/executor.h"
#include "server/handlers/handlers.h"
#include "tests/fuzz/answer_check.h"
#include "tests/fuzz/draw.h"
#include "tests/fuzz/drawn_request.h"
#include "tests/fuzz/lies.h"
#include "tests/support/local_call.h"
#include "tests/wire/oracle.h"

namespace lossd::fuzz {
namespace {

using server::HandlerContext;
using server::RequestStream;
using testing::LocalCall;
using Code = grpc::StatusCode;

// What a call may take, unless the fuzzer gives it less: much above what its own requests need, so that one that asks
// for a tensor of 2^40 elements is refused and not computed.
constexpr size_t kBudget = 64 << 20;

enum Method { kEvaluate, kGradient, kGradientStream, kEvaluateBatch, kDescribeLoss, kNumMethods };

struct Call {
  Method method;
  std::vector<std::string> messages;
  std::vector<std::vector<size_t>> cuts;  // of each message, ascending
  size_t budget = kBudget;
  bool cancelled = false, crowded = false;

  bool usual() const { return budget == kBudget && !cancelled; }
};

struct Answer {
  grpc::Status status;
  std::vector<std::string> messages;
};

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::abort();
}

// A message as text, so that a failure can be read, and written again as a test.
template <class Message>
std::string Shown(const std::string& bytes) {
  constexpr size_t kMost = 4000;
  Message message;
  message.ParsePartialFromString(bytes);
  return message.ShortDebugString().substr(0, kMost) + "\n";
}
[[noreturn]] void Fail(const std::string& what, const Call& call, const Answer& answer) {
  std::string all = what + "\nmethod " + std::to_string(call.method) + ", messages:\n";
  for (size_t i = 0; i < call.messages.size(); ++i) {
    all += call.method == kEvaluateBatch ? Shown<v1::EvaluateBatchRequest>(call.messages[i])
                                         : Shown<v1::GradientRequest>(call.messages[i]);
    all += "cut at";
    for (const size_t cut : call.cuts[i]) all += " " + std::to_string(cut);
    all += " of " + std::to_string(call.messages[i].size()) + "\n";
  }
  for (const std::string& message : answer.messages) all += "answered " + Shown<v1::GradientResponse>(message);
  Fail(all);
}

std::string ToString(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return "";
  std::string bytes;
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

// What the handlers share, as in a server.
class Handlers {
 public:
  Handlers() : regions_(kRegionBytes) {
    const int file = memfd_create("handler_fuzzer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0 || ftruncate(file, kRegionBytes) != 0 || fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
      Fail("no memfd is to be had");
    }
    region_ = regions_.Add(file).value();
    memory_ = mmap(nullptr, kRegionBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory_ == MAP_FAILED) Fail("no region is to be had");
    close(file);
  }

  const std::string& region() const { return region_; }

  Answer Ask(const Call& call, bool again) {
    std::memset(memory_, 0, kRegionBytes);  // the call before may have written to it
    Executor& executor = again ? two_ : one_;
    HandlerContext context{
        executor, [](const Problem&, const Plan&) {}, &regions_, [&call] { return call.crowded; }, &one_, &costs_};
    const RequestStream stream = StreamOf(context, call.method);
    Answer answer;
    const auto take = [&](const LocalCall& request) {
      if (request.finished() != 1) Fail("a call was not answered once");
      answer.status = request.status();
      if (!answer.status.ok()) return false;
      if (request.response().Valid()) answer.messages.push_back(ToString(request.response()));
      return true;
    };
    for (size_t i = 0; i < call.messages.size(); ++i) {
      LocalCall request(testing::CutInSlices(call.messages[i], again ? std::vector<size_t>() : call.cuts[i]),
                        call.budget);
      if (call.cancelled) request.Cancel();
      stream.on_request(request);
      if (!take(request)) return answer;
    }
    if (stream.on_end != nullptr) {
      LocalCall end(grpc::ByteBuffer(), call.budget);
      stream.on_end(end);
      take(end);
    }
    return answer;
  }

 private:
  static RequestStream StreamOf(HandlerContext& context, Method method) {
    switch (method) {
      case kEvaluate:
        return {.on_request = [&context](server::UnaryCall& call) { Evaluate(context, call); }};
      case kEvaluateBatch:
        return server::EvaluateBatch(context);
      case kDescribeLoss:
        return {.on_request = [](server::UnaryCall& call) { server::DescribeLoss(call); }};
      default:
        return {.on_request = [&context](server::UnaryCall& call) { Gradient(context, call); }};
    }
  }

  Executor one_{1}, two_{2};
  server::Costs costs_;
  server::Regions regions_;
  std::string region_;
  void* memory_;
};

// --- From the fuzzer's bytes -----------------------------------------------------------------------------------------

std::vector<size_t> DrawCuts(FuzzedDataProvider& data, size_t size) {
  std::vector<size_t> cuts(data.ConsumeIntegralInRange<size_t>(0, 6));
  for (size_t& cut : cuts) cut = data.ConsumeIntegralInRange<size_t>(0, size);
  std::sort(cuts.begin(), cuts.end());
  return cuts;
}

// Some bytes of it changed, cut out or doubled.
void Spoil(FuzzedDataProvider& data, std::string* message) {
  for (int times = data.ConsumeIntegralInRange(1, 4); times > 0 && !message->empty(); --times) {
    const auto at = data.ConsumeIntegralInRange<size_t>(0, std::min<size_t>(message->size() - 1, 255));
    const auto size = data.ConsumeIntegralInRange<size_t>(1, 8);
    switch (data.ConsumeIntegralInRange(0, 2)) {
      case 0:
        (*message)[at] = data.ConsumeIntegral<char>();
        break;
      case 1:
        message->erase(at, size);
        break;
      default:
        message->insert(at, message->substr(at, size));
    }
  }
}

Call DrawCall(FuzzedDataProvider& data, Method method, const std::string& region) {
  Call call{.method = method, .messages = {}, .cuts = {}};
  call.crowded = data.ConsumeBool();
  call.cancelled = Seldom(data, 64);
  if (Seldom(data, 16)) call.budget = data.ConsumeIntegralInRange<size_t>(0, 1 << 16);
  if (method == kEvaluateBatch) {
    for (const auto& message : DrawBatch(data, region)) call.messages.push_back(message.SerializeAsString());
  } else {
    const int requests = method == kGradientStream ? data.ConsumeIntegralInRange(1, 3) : 1;
    for (int i = 0; i < requests; ++i) call.messages.push_back(DrawRequest(data, region).SerializeAsString());
  }
  for (std::string& message : call.messages) {
    if (Seldom(data, 12)) Spoil(data, &message);
    call.cuts.push_back(DrawCuts(data, message.size()));
  }
  return call;
}

// The bytes as they are; a message of a stream ends behind four that a request hardly has.
Call ReadCall(FuzzedDataProvider& data, Method method) {
  constexpr std::string_view kEnd("\xf0\x0d\xf0\x0d");
  Call call{.method = method, .messages = {}, .cuts = {}};
  std::vector<uint8_t> cuts = data.ConsumeBytes<uint8_t>(data.ConsumeIntegralInRange(0, 7));
  std::sort(cuts.begin(), cuts.end());
  std::string rest = data.ConsumeRemainingBytesAsString();
  for (size_t end = 0; end != std::string::npos && call.messages.size() < 4;) {
    end = method == kGradientStream || method == kEvaluateBatch ? rest.find(kEnd) : std::string::npos;
    call.messages.push_back(rest.substr(0, end));
    rest.erase(0, end == std::string::npos ? end : end + kEnd.size());
    std::vector<size_t>& places = call.cuts.emplace_back();
    for (const uint8_t cut : cuts) places.push_back(std::min<size_t>(cut, call.messages.back().size()));
  }
  return call;
}

// --- What is checked -------------------------------------------------------------------------------------------------

bool MayAnswer(const Call& call, Code code) {
  switch (code) {
    case Code::OK:
    case Code::INVALID_ARGUMENT:
    case Code::NOT_FOUND:
    case Code::UNIMPLEMENTED:
    case Code::RESOURCE_EXHAUSTED:
      return true;
    case Code::CANCELLED:
      return call.cancelled;
    default:
      return false;
  }
}

// As protobuf sees it.
bool IsUtf8(const std::string& text) {
  v1::DescribeLossRequest message;
  message.set_loss(text);
  return message.ParseFromString(message.SerializeAsString());
}

void CheckAnswer(const Call& call, const Answer& answer) {
  if (!MayAnswer(call, answer.status.error_code())) {
    Fail("status " + std::to_string(answer.status.error_code()) + ": " + answer.status.error_message(), call, answer);
  }
  if (!IsUtf8(answer.status.error_message())) Fail("a message that is not UTF-8", call, answer);
  if (call.method == kEvaluateBatch || call.method == kDescribeLoss) return;
  for (size_t i = 0; i < answer.messages.size(); ++i) {
    const std::string wrong = WrongWith(call.messages[i], call.method != kEvaluate, answer.messages[i]);
    if (!wrong.empty()) Fail(wrong, call, answer);
  }
}

// Not compared: what hangs on how much memory is granted, which the second call takes more or less of.
void CheckSame(const Call& call, const Answer& a, const Answer& b) {
  if (a.status.error_code() == Code::RESOURCE_EXHAUSTED || b.status.error_code() == Code::RESOURCE_EXHAUSTED) return;
  if (a.status.error_code() != b.status.error_code() || a.status.error_message() != b.status.error_message()) {
    Fail("answered twice: " + a.status.error_message() + " / " + b.status.error_message(), call, b);
  }
  for (size_t i = 0; i < a.messages.size(); ++i) {
    if (a.messages[i] != b.messages[i] && InOrder(a.messages[i]) != InOrder(b.messages[i])) {
      Fail("other bits when asked again; before: " + Shown<v1::GradientResponse>(a.messages[i]), call, b);
    }
  }
}

}  // namespace
}  // namespace lossd::fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  lossd::wire::SilenceProtobuf();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace lossd::fuzz;  // NOLINT: the fuzzer's main
  static Handlers& handlers = *new Handlers();
  if (size < 1) return 0;
  const auto method = static_cast<Method>(bytes[0] % kNumMethods);
  const bool drawn = bytes[0] / kNumMethods % 4 != 0 && method != kDescribeLoss;
  FuzzedDataProvider data(bytes + 1, size - 1);
  const Call call = drawn ? DrawCall(data, method, handlers.region()) : ReadCall(data, method);
  const Answer answer = handlers.Ask(call, false);
  CheckAnswer(call, answer);
  if (!call.usual()) return 0;
  const Answer again = handlers.Ask(call, true);
  CheckAnswer(call, again);
  if (method != kDescribeLoss) CheckSame(call, answer, again);
  return 0;
}
