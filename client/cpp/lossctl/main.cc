// lossctl: a lossd server from the command line.
#include <iostream>

#include "CLI/CLI.hpp"
#include "client/cpp/lossctl/commands.h"
#include "client/cpp/lossctl/flags.h"

namespace {

using namespace lossd::lossctl;

constexpr char kFooter[] =
    "Exit codes: 0 done (check: the server is serving), 1 the server refused or did not answer,\n"
    "            2 flags or files that cannot be used\n"
    "\n"
    "Example: lossctl gradient huber --y_true t.npy --y_pred p.npy --params '{\"delta\": 1.5}' --out g.npy";

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Loss functions and their gradients from a lossd server", "lossctl");
  app.footer(kFooter);
  app.require_subcommand(0, 1);  // none is refused below: this way an unknown one is named in the message
  app.fallthrough();             // global flags may follow the subcommand

  GlobalFlags flags;
  CallFlags call;
  std::string loss;
  AddGlobalFlags(&app, &flags);
  int exit_code = kExitOk;
  app.add_subcommand("list", "The losses that the server knows")->callback([&] { exit_code = List(flags); });
  CLI::App* describe = app.add_subcommand("describe", "Formula, conventions and examples of a loss");
  describe->add_option("LOSS", loss, "Name or alias of the loss")->required();
  describe->callback([&] { exit_code = Describe(flags, loss); });
  PlotFlags plot;
  CLI::App* curve =
      app.add_subcommand("plot", "Value and gradient of a loss along its prediction, in the terminal or as SVG");
  AddPlotFlags(curve, &plot);
  curve->callback([&] { exit_code = Plot(flags, plot); });
  CLI::App* evaluate = app.add_subcommand("evaluate", "The value of a loss");
  AddCallFlags(evaluate, &call, "File to write the values of the items to, with --reduction none");
  evaluate->callback([&] { exit_code = Evaluate(flags, call); });
  CLI::App* gradient = app.add_subcommand("gradient", "The value of a loss and its gradient");
  AddCallFlags(gradient, &call, "File to write the gradient with respect to y_pred to");
  gradient->add_option("--with_respect_to", call.with_respect_to, "Inputs to differentiate: a,b; default y_pred")
      ->delimiter(',')
      ->allow_extra_args(false);
  gradient->add_flag("--hessian", call.hessian, "The second derivatives with respect to y_pred too");
  gradient->callback([&] { exit_code = Gradient(flags, call); });
  bool stream_gradient = false;
  CLI::App* stream = app.add_subcommand(
      "stream",
      "Many requests over one call: a JSON EvaluateRequest or GradientRequest a line in, an answer a line out");
  stream->add_flag("--gradient", stream_gradient, "GradientRequests");
  stream->callback([&] { exit_code = Stream(flags, stream_gradient); });
  app.add_subcommand("check", "Whether the server is serving")->callback([&] { exit_code = Check(flags); });
  app.add_subcommand("version", "The version of this program")->callback([&] { exit_code = Version(flags); });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  if (app.get_subcommands().empty()) {
    std::cerr << "lossctl: a subcommand is required\nRun with --help for more information.\n";
    return kExitUsage;
  }
  return exit_code;
}
