// Requests as lines of JSON, answers as lines of JSON.
#include <algorithm>
#include <iostream>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cpp/connection.h"
#include "client/cpp/lossctl/commands.h"
#include "client/cpp/message_stream.h"
#include "google/protobuf/util/json_util.h"
#include "lossd/stream.h"
#include "lossd/v1/loss_service.pb.h"

namespace lossd::lossctl {
namespace {

// Requests on their way: enough to hide the round trip, few enough that an answer comes soon behind its line.
constexpr int kUnanswered = 32;

template <class Response>
absl::Status PrintAnswer(MessageStream& stream) {
  wire::ReceivedBytes bytes;
  if (absl::Status status = stream.Receive(&bytes); !status.ok()) return status;
  std::string whole;
  for (const Segment& segment : bytes.segments()) {
    whole.append(reinterpret_cast<const char*>(segment.data), segment.size);
  }
  Response response;
  std::string json;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  if (!response.ParseFromString(whole) || !google::protobuf::util::MessageToJsonString(response, &json, options).ok()) {
    return absl::InternalError("answer of the server: not a well-formed message");
  }
  std::cout << json << std::endl;  // flushed: a program may wait for it
  return absl::OkStatus();
}

template <class Request, class Response>
int Run(MessageStream& stream) {
  const auto fail = [](int exit_code, absl::string_view what) {
    std::cerr << "lossctl: " << what << '\n';
    return exit_code;
  };
  const auto answered = [&](const absl::Status& status) {
    return status.ok()
               ? kExitOk
               : fail(kExitServer, absl::StrCat(absl::StatusCodeToString(status.code()), ": ", status.message()));
  };
  int unanswered = 0, line_number = 0;
  for (std::string line; std::getline(std::cin, line);) {
    ++line_number;
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    Request request;
    if (const auto status = google::protobuf::util::JsonStringToMessage(line, &request); !status.ok()) {
      return fail(kExitUsage, absl::StrCat("line ", line_number, ": ", std::string(status.message())));
    }
    const wire::Piece piece = request.SerializeAsString();
    if (const absl::Status status = stream.Send({&piece, 1}); !status.ok()) {
      if (stream.ended()) break;  // the answers say why
      return fail(kExitUsage, absl::StrCat("line ", line_number, ": ", status.message()));
    }
    ++unanswered;
    // Nobody may send the next line before this one's answer.
    for (; unanswered > 0 && (unanswered >= kUnanswered || std::cin.rdbuf()->in_avail() <= 0); --unanswered) {
      if (const int code = answered(PrintAnswer<Response>(stream)); code != kExitOk) return code;
    }
  }
  stream.EndSending();
  for (; unanswered > 0; --unanswered) {
    if (const int code = answered(PrintAnswer<Response>(stream)); code != kExitOk) return code;
  }
  return answered(stream.Finish());
}

}  // namespace

int Stream(const GlobalFlags& flags, bool gradient) {
  std::ios::sync_with_stdio(false);  // or in_avail would see nothing
  const absl::StatusOr<absl::Duration> timeout = ParseTimeout(flags.timeout);
  if (!timeout.ok()) {
    std::cerr << "lossctl: " << timeout.status().message() << '\n';
    return kExitUsage;
  }
  Connection connection({.address = flags.address});
  MessageStream stream(connection.stream_channel(),
                       gradient ? "/lossd.v1.LossService/GradientStream" : "/lossd.v1.LossService/EvaluateStream",
                       absl::Now() + *timeout, StreamOptions().max_request_bytes);
  return gradient ? Run<v1::GradientRequest, v1::GradientResponse>(stream)
                  : Run<v1::EvaluateRequest, v1::EvaluateResponse>(stream);
}

}  // namespace lossd::lossctl
