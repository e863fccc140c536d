// Does the codec agree with protobuf's own parser? Shared by the tests and the fuzzer.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "google/protobuf/message.h"

namespace lossd::wire {

// Empty where it does, else what differs. `type` is any message of the type to parse; `cuts` are offsets at which the
// bytes are cut into segments (unordered; two equal ones make an empty segment).
//
// Checked: Decode accepts exactly what generated code parses; skeleton and payloads together are the message; every
// payload lies in the bytes that were given; encoding again gives the message again.
std::string Disagreement(const google::protobuf::Message& type, std::string_view bytes, std::span<const size_t> cuts);

// Stops protobuf from reporting every malformed string to stderr.
void SilenceProtobuf();

}  // namespace lossd::wire
