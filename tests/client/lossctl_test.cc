// lossctl as a process, against a server that answers what the test says.
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "client/cpp/npy.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_server.h"
#include "tests/client/process.h"

namespace lossd {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// The process's own: tests of another tree may run beside these.
std::string TempPath(const std::string& name) {
  return ::testing::TempDir() + "lossctl_test_" + std::to_string(getpid()) + "_" + name;
}

Outcome RunLossctl(const std::string& arguments, const std::string& environment = "") {
  return RunProcess(environment + " " LOSSCTL_PATH " " + arguments);
}

class Lossctl : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::vector<float> prediction = {0.5, -1, 2};
    const std::vector<float> target = {0, 0, 1};
    ASSERT_TRUE(WriteNpy(TempPath("p.npy"), ConstTensor::Of(prediction)).ok());
    ASSERT_TRUE(WriteNpy(TempPath("t.npy"), ConstTensor::Of(target)).ok());
    server.evaluate = [this](grpc::ServerContext*, const v1::EvaluateRequest& request, v1::EvaluateResponse* response) {
      evaluated = request;
      response->set_loss("huber");
      response->set_sum(0.75);
      response->set_divisor(3);
      response->set_valid_count(3);
      if (request.options().reduction() == v1::NONE)
        *response->mutable_per_item() = request.y_pred();
      else
        response->set_value(0.25);
      return grpc::Status::OK;
    };
    server.gradient = [this](grpc::ServerContext*, const v1::GradientRequest& request, v1::GradientResponse* response) {
      differentiated = request;
      response->set_loss("huber");
      response->set_value(0.1);
      // As if the derivative of every tensor were the tensor.
      for (const std::string& name : request.with_respect_to()) {
        (*response->mutable_gradients())[name] = name == "y_pred" ? request.y_pred() : request.inputs().at(name);
      }
      if (request.with_respect_to().empty()) (*response->mutable_gradients())["y_pred"] = request.y_pred();
      if (request.hessian_diagonal()) (*response->mutable_hessian_diagonals())["y_pred"] = request.y_true();
      return grpc::Status::OK;
    };
    server.list_losses = [](grpc::ServerContext*, const v1::ListLossesRequest&, v1::ListLossesResponse* response) {
      for (const char* name : {"huber", "mean_squared_error"}) {
        auto* loss = response->add_losses();
        loss->set_name(name);
        loss->set_family("elementwise");
        loss->set_summary("quadratic");
      }
      return grpc::Status::OK;
    };
    server.describe_loss = [](grpc::ServerContext*, const v1::DescribeLossRequest& request,
                              v1::DescribeLossResponse* r) {
      if (request.loss() != "huber")
        return grpc::Status(grpc::StatusCode::NOT_FOUND, "loss: 'hubr'; did you mean huber?");
      r->mutable_loss()->set_name("huber");
      r->set_formula("d^2 / 2\ndelta (|d| - delta / 2)");
      auto* parameter = r->add_parameters();
      parameter->set_name("delta");
      parameter->set_domain("(0, inf)");
      parameter->set_default_value(1);
      parameter = r->add_parameters();
      parameter->set_name("side");
      for (const char* choice : {"left", "right"}) parameter->add_choices(choice);
      parameter->set_default_choice("left");
      parameter->set_summary("which one");
      auto* form = r->add_forms();
      form->set_input_kind(v1::LOGITS);
      form->set_prediction("any");
      auto* example = r->add_examples();
      example->add_y_true(0);
      example->add_y_pred(0.5);
      example->set_value(0.125);
      auto* input = r->add_inputs();
      input->set_name("y_pred");
      input->set_shape("...");
      input->set_content("numbers");
      input->set_domain("(-inf, inf)");
      input->set_differentiable(true);
      input = r->add_inputs();
      input->set_name("y_true");
      input->set_shape("...");
      input->set_content("numbers");
      auto* keras = r->add_conventions();
      keras->set_convention(v1::KERAS);
      keras->mutable_options()->set_last_axis(v1::MEAN_OF_LAST);
      (*keras->mutable_params()->mutable_fields())["side"].set_string_value("right");
      r->add_conventions()->set_convention(v1::TORCH);
      r->set_has_hessian_diagonal(true);
      r->mutable_loss()->set_family("elementwise");
      return grpc::Status::OK;
    };
  }

  Outcome Call(const std::string& arguments) { return RunLossctl("--address " + server.address() + " " + arguments); }

  static std::string Tensors() { return " --y_true " + TempPath("t.npy") + " --y_pred " + TempPath("p.npy"); }

  FakeServer server;
  v1::EvaluateRequest evaluated;
  v1::GradientRequest differentiated;
};

TEST_F(Lossctl, ListsLossesInColumns) {
  const Outcome outcome = Call("list");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "LOSS                FAMILY       SUMMARY\n"
            "huber               elementwise  quadratic\n"
            "mean_squared_error  elementwise  quadratic\n");
  EXPECT_THAT(Call("list --json").out, HasSubstr("\"name\": \"mean_squared_error\""));
}

TEST_F(Lossctl, DescribesALoss) {
  const Outcome outcome = Call("describe huber");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("loss        huber\n"), HasSubstr("formula     d^2 / 2\n            delta (|d|"),
                    HasSubstr("parameter   delta in (0, inf), default 1"), HasSubstr("y_pred      LOGITS, any\n"),
                    HasSubstr("example     y_true [0], y_pred [0.5] -> 0.125")));
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("input       y_pred [...], numbers, in (-inf, inf), has a gradient\n"),
                                 HasSubstr("input       y_true [...], numbers\n"),
                                 HasSubstr("parameter   side one of left, right, default left: which one\n"),
                                 HasSubstr("takes       hessian_diagonal\n"),
                                 HasSubstr("convention  KERAS: last_axis MEAN_OF_LAST; side = right\n"),
                                 HasSubstr("convention  TORCH: the defaults\n")));
  EXPECT_THAT(Call("describe huber --json").out, HasSubstr("\"default_value\": 1"));
}

TEST_F(Lossctl, SaysWhatTheServerSaysInOneLine) {
  const Outcome outcome = Call("describe hubr");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, "lossctl: NOT_FOUND: loss: 'hubr'; did you mean huber?\n");
}

TEST_F(Lossctl, EvaluatesWithEveryOption) {
  const Outcome outcome =
      Call("evaluate huber" + Tensors() + " --sample_weight " + TempPath("t.npy") + " --mask " + TempPath("t.npy") +
           " --params '{\"delta\": 1.5}' --input_kind logits --reduction SUM --normalizer 8"
           " --clip_policy keras_clip --non_finite_policy error --empty_policy nan --timeout 5s");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("value        0.25\n"), HasSubstr("valid_count  3\n")));
  EXPECT_EQ(evaluated.params().fields().at("delta").number_value(), 1.5);
  EXPECT_EQ(evaluated.options().ShortDebugString(),
            "input_kind: LOGITS reduction: SUM normalizer: 8 clip_policy: KERAS_CLIP non_finite_policy: ERROR "
            "empty_policy: NAN_VALUE");
  EXPECT_TRUE(evaluated.has_sample_weight() && evaluated.has_mask());
  EXPECT_EQ(Call("evaluate huber --divisor weight_sum" + Tensors()).exit_code, 0);
  EXPECT_EQ(evaluated.options().divisor(), v1::WEIGHT_SUM);
}

TEST_F(Lossctl, SendsConventionsFurtherInputsAndWords) {
  const std::string inputs = " --input variance=" + TempPath("p.npy") + " --input class_weight=" + TempPath("t.npy");
  const Outcome outcome =
      Call("evaluate huber" + Tensors() + inputs +
           " --convention TORCH --last_axis mean_of_last --kink_policy average --label_smoothing 0.1 --ignore_index -1"
           " --axis 1 --item_axes 1,-1 --params '{\"a\": 1, \"full\": true, \"side\": \"right\", \"p\": \"inf\"}'");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(evaluated.options().ShortDebugString(),
            "convention: TORCH label_smoothing: 0.1 ignore_index: -1 axis: 1 last_axis: MEAN_OF_LAST "
            "kink_policy: AVERAGE item_axes: 1 item_axes: -1");
  const auto& params = evaluated.params().fields();
  EXPECT_EQ(params.at("a").number_value(), 1);
  EXPECT_TRUE(params.at("full").bool_value());
  EXPECT_EQ(params.at("side").string_value(), "right");
  EXPECT_EQ(params.at("p").string_value(), "inf");
  EXPECT_EQ(evaluated.inputs().at("variance").raw(), evaluated.y_pred().raw());
  EXPECT_EQ(evaluated.inputs().at("class_weight").raw(), evaluated.y_true().raw());
}

TEST_F(Lossctl, DifferentiatesWhatIsAskedFor) {
  const std::string given = "gradient huber" + Tensors() + " --input variance=" + TempPath("t.npy");
  const Outcome both = Call(given + " --with_respect_to y_pred,variance --hessian");
  EXPECT_EQ(both.exit_code, 0) << both.err;
  EXPECT_THAT(differentiated.with_respect_to(), ElementsAre("y_pred", "variance"));
  EXPECT_TRUE(differentiated.hessian_diagonal());
  EXPECT_THAT(both.out, AllOf(HasSubstr("gradient              F32 [3]  0.5 -1 2\n"),
                              HasSubstr("gradient of variance  F32 [3]  0 0 1\n"),
                              HasSubstr("hessian               F32 [3]  0 0 1\n")));
  EXPECT_THAT(Call(given + " --with_respect_to variance --json").out,
              AllOf(HasSubstr("\"variance\""), Not(HasSubstr("\"y_pred\""))));
}

// Once an empty file was written.
TEST_F(Lossctl, ThereIsNothingToWriteWhereAnotherGradientWasAskedFor) {
  const std::string path = TempPath("none.npy");
  std::remove(path.c_str());
  const Outcome outcome = Call("gradient huber" + Tensors() + " --input variance=" + TempPath("t.npy") +
                               " --with_respect_to variance --out " + path);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err,
              HasSubstr("--out: holds the gradient with respect to y_pred; the answer has that of variance"));
  EXPECT_FALSE(ReadNpy(path).ok());
}

TEST_F(Lossctl, WritesTheItemsOfAConventionThatReducesNothing) {
  const std::string path = TempPath("items.npy");
  std::remove(path.c_str());
  const Outcome reduced = Call("evaluate huber --convention optax" + Tensors() + " --out " + path);
  EXPECT_EQ(reduced.exit_code, 2);
  EXPECT_THAT(reduced.err, HasSubstr("--reduction none asks for them"));
  server.evaluate = [](grpc::ServerContext*, const v1::EvaluateRequest& request, v1::EvaluateResponse* response) {
    *response->mutable_per_item() = request.y_pred();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Call("evaluate huber --convention optax" + Tensors() + " --out " + path).exit_code, 0);
  EXPECT_TRUE(ReadNpy(path).ok());
}

// The fake server's slope is the prediction.
TEST_F(Lossctl, PlotsAsNumbersInTheTerminalAndAsSvg) {
  const Outcome csv = Call("plot huber --csv --points 3 --range -1 2");
  EXPECT_EQ(csv.exit_code, 0) << csv.err;
  EXPECT_EQ(csv.out,
            "prediction,value,gradient\n"
            "-1,0.1,-1\n"
            "0.5,0.1,0.5\n"
            "2,0.1,2\n");
  EXPECT_EQ(differentiated.options().reduction(), v1::SUM);
  EXPECT_EQ(Call("plot hubr --csv").exit_code, 1);
  if (RunProcess("gnuplot --version").exit_code != 0) GTEST_SKIP() << "no gnuplot";
  const Outcome terminal = Call("plot huber --points 20");
  EXPECT_EQ(terminal.exit_code, 0) << terminal.err;
  EXPECT_THAT(terminal.out, AllOf(HasSubstr("huber, y_true = 0"), HasSubstr("gradient")));
  const std::string path = TempPath("curve.svg");
  std::remove(path.c_str());
  const Outcome svg = Call("plot huber --points 20 --svg " + path);
  EXPECT_EQ(svg.exit_code, 0) << svg.err;
  EXPECT_EQ(svg.out, "");
  EXPECT_THAT(ReadFile(path), AllOf(HasSubstr("<svg"), HasSubstr("huber"), HasSubstr("</svg>")));
  EXPECT_EQ(Call("plot huber --svg /nonexistent/curve.svg").exit_code, 2);
}

TEST_F(Lossctl, WritesTensorsAsNpyOrShowsThem) {
  const std::string path = TempPath("out.npy");
  EXPECT_THAT(Call("gradient huber" + Tensors()).out, HasSubstr("gradient     F32 [3]  0.5 -1 2\n"));
  EXPECT_THAT(Call("gradient huber" + Tensors() + " --out " + path).out, HasSubstr("F32 [3] written to " + path));
  EXPECT_THAT(ReadNpy(path)->values<float>(), ElementsAre(0.5, -1, 2));
  EXPECT_THAT(Call("gradient huber --json" + Tensors()).out, AllOf(HasSubstr("\"y_pred\""), HasSubstr("\"floats\"")));
  EXPECT_THAT(Call("gradient huber --json" + Tensors() + " --out " + path).out, Not(HasSubstr("floats")));
  EXPECT_THAT(Call("evaluate huber --reduction none" + Tensors()).out, HasSubstr("per_item     F32 [3]"));
  std::remove(path.c_str());
  EXPECT_EQ(Call("evaluate huber --reduction none" + Tensors() + " --out " + path).exit_code, 0);
  EXPECT_TRUE(ReadNpy(path).ok());
}

TEST_F(Lossctl, ChecksTheHealthOfTheServer) {
  EXPECT_EQ(Call("check").exit_code, 0);
  EXPECT_EQ(Call("check").out, "SERVING\n");
  EXPECT_EQ(RunLossctl("check", "LOSSD_ADDRESS=" + server.address()).exit_code, 0);
  server.SetServing(false);
  EXPECT_EQ(Call("check").exit_code, 1);
  EXPECT_EQ(RunLossctl("--address 127.0.0.1:1 --timeout 200ms check").exit_code, 1);
}

TEST_F(Lossctl, RefusesWhatItCannotUseWithoutAskingTheServer) {
  struct Case {
    std::string arguments;
    const char* message;
  };
  const Case cases[] = {
      {"", "subcommand is required"},
      {"divine", "divine"},
      {"list --timeout soon", "--timeout: 'soon'"},
      {"list --timeout -1", "--timeout"},
      {"evaluate", "LOSS is required"},
      {"evaluate huber --y_true absent.npy", "absent.npy: No such file"},
      {"evaluate huber --input variance" + Tensors(), "--input: 'variance'; expected NAME=FILE.npy"},
      {"evaluate huber --input =x.npy" + Tensors(), "--input: '=x.npy'"},
      {"evaluate huber --input variance=absent.npy" + Tensors(), "absent.npy: No such file"},
      {"evaluate huber --convention caffe" + Tensors(), "--convention"},
      {"plot huber --csv --svg x.svg", "excludes"},
      {"plot huber --points 1", "--points"},
      {"plot huber --range 1", "--range"},
      {"evaluate huber --y_true absent.npy --y_pred absent.npy", "absent.npy: No such file"},
      {"evaluate huber --params '{\"delta\": [1]}'" + Tensors(), "expected an object of numbers, words and booleans"},
      {"evaluate huber --params delta=1" + Tensors(), "expected an object of numbers"},
      {"evaluate huber --input_kind logit" + Tensors(), "--input_kind"},
      {"evaluate huber --divisor batch --normalizer 3" + Tensors(), "excludes"},
      {"evaluate huber --out x.npy" + Tensors(), "need --reduction none"},
      {"gradient huber --out /nonexistent/g.npy" + Tensors(), "/nonexistent/g.npy: No such file"},
  };
  for (const Case& c : cases) {
    const Outcome outcome = Call(c.arguments);
    EXPECT_EQ(outcome.exit_code, 2) << c.arguments;
    EXPECT_THAT(outcome.err, HasSubstr(c.message)) << c.arguments;
    EXPECT_EQ(outcome.out, "") << c.arguments;
  }
}

TEST(LossctlHelp, DocumentsTheExitCodes) {
  const Outcome outcome = RunLossctl("--help");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("Exit codes"), HasSubstr("LOSSD_ADDRESS")));
  EXPECT_EQ(RunLossctl("gradient --help").exit_code, 0);
  EXPECT_THAT(RunLossctl("version").out, StartsWith("lossctl "));
}

}  // namespace
}  // namespace lossd
