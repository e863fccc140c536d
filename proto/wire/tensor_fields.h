// Where tensors lie in a message type, read from its descriptor once.
#pragma once

#include <cstdint>
#include <vector>

#include "google/protobuf/descriptor.h"

namespace lossd::wire {

// The fields of one message type through which a tensor's bytes can be reached. Immutable, lives as long as the
// process, safe to share between threads.
class TensorFields {
 public:
  struct Field {
    uint32_t number;
    const TensorFields* message;  // of the field's type; null for `Tensor.raw` itself
  };

  // Of a message type. Takes no lock after the first call for that type. `type` must live as long as the process, as
  // those of generated messages do.
  static const TensorFields& Of(const google::protobuf::Descriptor* type);

  // The field of that number; null where it reaches no tensor. A map entry is a message like any other.
  const Field* Find(uint32_t number) const {
    for (const Field& field : fields_) {
      if (field.number == number) return &field;
    }
    return nullptr;
  }

  bool empty() const { return fields_.empty(); }

 private:
  friend class TensorFieldsBuilder;

  std::vector<Field> fields_;
};

}  // namespace lossd::wire
