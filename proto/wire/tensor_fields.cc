#include "proto/wire/tensor_fields.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <utility>

#include "lossd/v1/tensor.pb.h"

namespace lossd::wire {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// Builds the tables of a type and of all types below it: first with every message field, then without those that turn
// out to reach no tensor. Types may refer to each other in cycles, hence two passes.
class TensorFieldsBuilder {
 public:
  const TensorFields* Build(const Descriptor* root) {
    TensorFields* fields = Collect(root);
    Prune();
    // What the root leads to lives as long as the process: the tables point at one another, and the number of types is
    // fixed. Nothing leads to the others.
    for (auto& [type, owned] : tables_) {
      if (owned.get() == fields || !owned->empty()) static_cast<void>(owned.release());
    }
    return fields;
  }

 private:
  TensorFields* Collect(const Descriptor* type) {
    auto [it, is_new] = tables_.try_emplace(type, nullptr);
    if (!is_new) return it->second.get();
    it->second = std::make_unique<TensorFields>();
    TensorFields* table = it->second.get();
    const bool is_tensor = type->full_name() == v1::Tensor::descriptor()->full_name();
    if (is_tensor) table->fields_.push_back({v1::Tensor::kRawFieldNumber, nullptr});
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* field = type->field(i);
      if (field->type() != FieldDescriptor::TYPE_MESSAGE) continue;
      table->fields_.push_back({static_cast<uint32_t>(field->number()), Collect(field->message_type())});
    }
    return table;
  }

  // Drops the fields from which nothing leads to a tensor. That a type reaches one spreads from the tensors upwards, so
  // that a cycle without a tensor falls out too.
  void Prune() {
    std::map<const TensorFields*, bool> reaches;
    for (bool changed = true; changed;) {
      changed = false;
      for (const auto& [type, table] : tables_) {
        const bool now = std::any_of(table->fields_.begin(), table->fields_.end(), [&](const auto& field) {
          return field.message == nullptr || reaches[field.message];
        });
        changed |= now && !std::exchange(reaches[table.get()], true);
      }
    }
    for (const auto& [type, table] : tables_) {
      std::erase_if(table->fields_,
                    [&](const auto& field) { return field.message != nullptr && !reaches[field.message]; });
    }
  }

  std::map<const Descriptor*, std::unique_ptr<TensorFields>> tables_;
};

const TensorFields& TensorFields::Of(const Descriptor* type) {
  // A list that only grows, read without a lock: a server knows a handful of types, and a walk over them is shorter
  // than the hash of one. Two threads that meet a new type at once both add it, which is harmless.
  struct Known {
    const Descriptor* type;
    const TensorFields* fields;
    const Known* next;
  };
  static std::atomic<const Known*> newest = nullptr;
  for (const Known* known = newest.load(std::memory_order_acquire); known != nullptr; known = known->next) {
    if (known->type == type) return *known->fields;
  }
  auto* known = new Known{type, TensorFieldsBuilder().Build(type), newest.load(std::memory_order_acquire)};
  while (!newest.compare_exchange_weak(known->next, known, std::memory_order_release, std::memory_order_acquire)) {
  }
  return *known->fields;
}

}  // namespace lossd::wire
