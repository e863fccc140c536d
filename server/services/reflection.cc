#include "server/services/reflection.h"

#include <set>
#include <utility>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"
#include "server/handlers/answer.h"

namespace lossd::server {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using grpc::reflection::v1::ServerReflectionRequest;
using grpc::reflection::v1::ServerReflectionResponse;

void Fail(grpc::StatusCode code, std::string message, ServerReflectionResponse* response) {
  response->mutable_error_response()->set_error_code(code);
  response->mutable_error_response()->set_error_message(std::move(message));
}

// The file and everything it imports, each once, imports behind their importer.
void AddFile(const FileDescriptor* file, std::set<std::string>* seen, ServerReflectionResponse* response) {
  if (!seen->insert(file->name()).second) return;
  google::protobuf::FileDescriptorProto proto;
  file->CopyTo(&proto);
  response->mutable_file_descriptor_response()->add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file->dependency_count(); ++i) AddFile(file->dependency(i), seen, response);
}

void AnswerFile(const FileDescriptor* file, const std::string& what, ServerReflectionResponse* response) {
  if (file == nullptr) return Fail(grpc::StatusCode::NOT_FOUND, "not found: " + what, response);
  std::set<std::string> seen;
  AddFile(file, &seen, response);
}

void AnswerExtensions(const std::string& type, ServerReflectionResponse* response) {
  const auto* const pool = DescriptorPool::generated_pool();
  const auto* const message = pool->FindMessageTypeByName(type);
  if (message == nullptr) return Fail(grpc::StatusCode::NOT_FOUND, "not found: " + type, response);
  std::vector<const google::protobuf::FieldDescriptor*> extensions;
  pool->FindAllExtensions(message, &extensions);
  response->mutable_all_extension_numbers_response()->set_base_type_name(type);
  for (const auto* extension : extensions) {
    response->mutable_all_extension_numbers_response()->add_extension_number(extension->number());
  }
}

class Reflection final : public Stream {
 public:
  explicit Reflection(const std::vector<std::string>& services) : services_(services) {}

  void OnMessage(std::span<const Segment> message, StreamWriter& writer) override {
    ServerReflectionRequest request;
    if (const auto status = Parse(message, &request); !status.ok()) {
      writer.Finish({grpc::StatusCode::INVALID_ARGUMENT, std::string(status.message())});
      return;
    }
    writer.Send(*Serialize(Respond(request)));
  }
  void OnEnd(StreamWriter& writer) override { writer.Finish(grpc::Status::OK); }
  void OnWake(StreamWriter&) override {}

 private:
  ServerReflectionResponse Respond(const ServerReflectionRequest& request) const {
    const auto* const pool = DescriptorPool::generated_pool();
    ServerReflectionResponse response;
    response.set_valid_host(request.host());
    *response.mutable_original_request() = request;
    switch (request.message_request_case()) {
      case ServerReflectionRequest::kFileByFilename:
        AnswerFile(pool->FindFileByName(request.file_by_filename()), request.file_by_filename(), &response);
        break;
      case ServerReflectionRequest::kFileContainingSymbol:
        AnswerFile(pool->FindFileContainingSymbol(request.file_containing_symbol()), request.file_containing_symbol(),
                   &response);
        break;
      case ServerReflectionRequest::kFileContainingExtension: {
        const auto& asked = request.file_containing_extension();
        const auto* const type = pool->FindMessageTypeByName(asked.containing_type());
        const auto* const field =
            type == nullptr ? nullptr : pool->FindExtensionByNumber(type, asked.extension_number());
        AnswerFile(field == nullptr ? nullptr : field->file(), asked.containing_type(), &response);
        break;
      }
      case ServerReflectionRequest::kAllExtensionNumbersOfType:
        AnswerExtensions(request.all_extension_numbers_of_type(), &response);
        break;
      case ServerReflectionRequest::kListServices:
        for (const std::string& service : services_)
          response.mutable_list_services_response()->add_service()->set_name(service);
        break;
      case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
        Fail(grpc::StatusCode::INVALID_ARGUMENT, "message_request: not set", &response);
        break;
    }
    return response;
  }

  const std::vector<std::string>& services_;
};

}  // namespace

std::unique_ptr<Stream> Reflect(const std::vector<std::string>& services) {
  // The descriptors of v1alpha are registered when its generated code is linked: this refers to it.
  static const auto* const v1alpha = grpc::reflection::v1alpha::ServerReflectionRequest::descriptor();
  (void)v1alpha;
  return std::make_unique<Reflection>(services);
}

}  // namespace lossd::server
