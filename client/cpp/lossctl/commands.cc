#include "client/cpp/lossctl/commands.h"

#include <iostream>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cpp/lossctl/plot.h"
#include "client/cpp/lossctl/print.h"
#include "client/cpp/npy.h"

namespace lossd::lossctl {
namespace {

int Fail(int exit_code, const absl::Status& status) {
  std::cerr << "lossctl: ";
  // The code of a server's answer is half of what it says; for a flag it is noise.
  if (exit_code == kExitServer) std::cerr << absl::StatusCodeToString(status.code()) << ": ";
  std::cerr << status.message() << '\n';
  return exit_code;
}

absl::StatusOr<Client> Connect(const GlobalFlags& flags) {
  const absl::StatusOr<absl::Duration> timeout = ParseTimeout(flags.timeout);
  if (!timeout.ok()) return timeout.status();
  return Client::Create({.address = flags.address, .timeout = *timeout});
}

// A call with the tensors that it borrows.
struct LoadedCall {
  std::optional<Tensor> y_true;
  std::optional<Tensor> y_pred;
  std::optional<Tensor> sample_weight;
  std::optional<Tensor> mask;
  std::vector<std::pair<std::string, Tensor>> inputs;
  LossCall call;
};

absl::StatusOr<std::optional<Tensor>> ReadIfGiven(const std::string& path) {
  if (path.empty()) return std::optional<Tensor>();
  absl::StatusOr<Tensor> tensor = ReadNpy(path);
  if (!tensor.ok()) return tensor.status();
  return std::optional<Tensor>(*std::move(tensor));
}

absl::Status Load(const CallFlags& flags, LoadedCall* loaded) {
  auto params = ParseParams(flags.params);
  if (!params.ok()) return params.status();
  for (const auto& [path, tensor] : {std::pair{&flags.y_true, &loaded->y_true},
                                     {&flags.y_pred, &loaded->y_pred},
                                     {&flags.sample_weight, &loaded->sample_weight},
                                     {&flags.mask, &loaded->mask}}) {
    absl::StatusOr<std::optional<Tensor>> read = ReadIfGiven(*path);
    if (!read.ok()) return read.status();
    *tensor = *std::move(read);
  }
  loaded->call.loss = flags.loss;
  for (const std::string& input : flags.inputs) {
    const size_t equals = input.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(absl::StrCat("--input: '", input, "'; expected NAME=FILE.npy"));
    }
    absl::StatusOr<Tensor> read = ReadNpy(input.substr(equals + 1));
    if (!read.ok()) return read.status();
    loaded->inputs.emplace_back(input.substr(0, equals), *std::move(read));
  }
  for (const auto& [name, tensor] : loaded->inputs) loaded->call.inputs.emplace_back(name, tensor.view());
  if (loaded->y_true) loaded->call.y_true = loaded->y_true->view();
  if (loaded->y_pred) loaded->call.y_pred = loaded->y_pred->view();
  if (loaded->sample_weight) loaded->call.sample_weight = loaded->sample_weight->view();
  if (loaded->mask) loaded->call.mask = loaded->mask->view();
  loaded->call.params = *std::move(params);
  loaded->call.options = flags.options;
  loaded->call.with_respect_to = flags.with_respect_to;
  loaded->call.hessian_diagonal = flags.hessian;
  return absl::OkStatus();
}

// What --out asks for: the gradient, or the values of the items.
absl::StatusOr<const Tensor*> Wanted(const EvaluateResult& result, const GradientResult* gradient) {
  if (gradient == nullptr) {
    if (result.per_item) return &*result.per_item;
    return absl::InvalidArgumentError("--out: the answer has no values of items; --reduction none asks for them");
  }
  if (HasGradient(*gradient)) return &gradient->gradient;
  std::vector<std::string> others;
  for (const auto& [name, tensor] : gradient->gradients) others.push_back(name);
  return absl::InvalidArgumentError(
      absl::StrCat("--out: holds the gradient with respect to y_pred; the answer has that of ",
                   absl::StrJoin(others, ", "), ", which --json prints"));
}

// `gradient` is null for an evaluation.
int Report(const GlobalFlags& flags, const std::string& out_path, const EvaluateResult& result,
           const GradientResult* gradient) {
  if (!out_path.empty()) {
    const absl::StatusOr<const Tensor*> tensor = Wanted(result, gradient);
    if (!tensor.ok()) return Fail(kExitUsage, tensor.status());
    if (const absl::Status written = WriteNpy(out_path, (*tensor)->view()); !written.ok())
      return Fail(kExitUsage, written);
  }
  (flags.json ? PrintResultJson : PrintResult)(result, gradient, out_path, std::cout);
  return kExitOk;
}

}  // namespace

int List(const GlobalFlags& flags) {
  const absl::StatusOr<Client> client = Connect(flags);
  if (!client.ok()) return Fail(kExitUsage, client.status());
  const absl::StatusOr<v1::ListLossesResponse> response = client->ListLosses();
  if (!response.ok()) return Fail(kExitServer, response.status());
  flags.json ? PrintJson(*response, std::cout) : PrintList(*response, std::cout);
  return kExitOk;
}

int Describe(const GlobalFlags& flags, const std::string& loss) {
  const absl::StatusOr<Client> client = Connect(flags);
  if (!client.ok()) return Fail(kExitUsage, client.status());
  const absl::StatusOr<v1::DescribeLossResponse> response = client->DescribeLoss(loss);
  if (!response.ok()) return Fail(kExitServer, response.status());
  flags.json ? PrintJson(*response, std::cout) : PrintDescription(*response, std::cout);
  return kExitOk;
}

int Plot(const GlobalFlags& flags, const PlotFlags& plot) {
  const absl::StatusOr<Client> client = Connect(flags);
  if (!client.ok()) return Fail(kExitUsage, client.status());
  const absl::StatusOr<v1::DescribeLossResponse> description = client->DescribeLoss(plot.loss);
  if (!description.ok()) return Fail(kExitServer, description.status());
  const absl::StatusOr<Curve> curve = Sample(*client, *description, plot);
  if (!curve.ok()) return Fail(kExitServer, curve.status());
  const absl::Status drawn = Draw(*curve, plot, std::cout);
  return drawn.ok() ? kExitOk : Fail(kExitUsage, drawn);
}

int Evaluate(const GlobalFlags& flags, const CallFlags& call) {
  // A convention may stand for it.
  const bool reduced = call.options.reduction ? *call.options.reduction != Reduction::kNone
                                              : call.options.convention == Convention::kLossd;
  if (!call.out.empty() && reduced) {
    return Fail(kExitUsage, absl::InvalidArgumentError("--out: the values of the items need --reduction none"));
  }
  const absl::StatusOr<Client> client = Connect(flags);
  if (!client.ok()) return Fail(kExitUsage, client.status());
  LoadedCall loaded;
  if (const absl::Status status = Load(call, &loaded); !status.ok()) return Fail(kExitUsage, status);
  const absl::StatusOr<EvaluateResult> result = client->Evaluate(loaded.call);
  if (!result.ok()) return Fail(kExitServer, result.status());
  return Report(flags, call.out, *result, nullptr);
}

int Gradient(const GlobalFlags& flags, const CallFlags& call) {
  const absl::StatusOr<Client> client = Connect(flags);
  if (!client.ok()) return Fail(kExitUsage, client.status());
  LoadedCall loaded;
  if (const absl::Status status = Load(call, &loaded); !status.ok()) return Fail(kExitUsage, status);
  const absl::StatusOr<GradientResult> result = client->Gradient(loaded.call);
  if (!result.ok()) return Fail(kExitServer, result.status());
  return Report(flags, call.out, *result, &*result);
}

int Check(const GlobalFlags& flags) {
  const absl::StatusOr<Client> client = Connect(flags);
  if (!client.ok()) return Fail(kExitUsage, client.status());
  const absl::Status status = client->Check();
  if (!status.ok()) return Fail(kExitServer, status);
  std::cout << (flags.json ? "{\"status\": \"SERVING\"}" : "SERVING") << '\n';
  return kExitOk;
}

int Version(const GlobalFlags& flags) {
  std::cout << (flags.json ? "{\"version\": \"" LOSSD_VERSION "\"}" : "lossctl " LOSSD_VERSION) << '\n';
  return kExitOk;
}

}  // namespace lossd::lossctl
