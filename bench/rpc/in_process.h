// A request's evaluation alone, in this process: what a call costs without a network.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/evaluate.h"
#include "core/executor.h"
#include "core/plan.h"
#include "core/problem.h"
#include "server/convert/request.h"

namespace lossd::bench {

// A request message, taken apart and checked as the server does, with memory for its outputs. Neither copyable nor
// movable: views point into it.
class InProcess {
 public:
  // Throws std::runtime_error, with the server's words, where the request is refused.
  InProcess(std::string message, bool gradient);
  InProcess(const InProcess&) = delete;

  double Evaluate(Executor& executor);  // the reduced value; 0 where there is none
  const Problem& problem() const { return problem_; }
  size_t elements() const { return problem_.inputs[0].view->count(); }  // of the prediction
  size_t bytes() const { return bytes_; }  // of every tensor that is read, and of the gradients

 private:
  std::string message_;
  server::ConvertedValues converted_;
  Problem problem_;
  Plan plan_;
  std::vector<std::vector<std::byte>> memory_;  // what outputs_ points at
  Outputs outputs_;
  size_t bytes_ = 0;
};

}  // namespace lossd::bench
