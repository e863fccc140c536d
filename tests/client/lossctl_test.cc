// lossctl as a process, against a server that answers what the test says.
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

std::string TempPath(const std::string& name) { return ::testing::TempDir() + "lossctl_test_" + name; }

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
    server.gradient = [](grpc::ServerContext*, const v1::GradientRequest& request, v1::GradientResponse* response) {
      response->set_loss("huber");
      response->set_value(0.1);
      (*response->mutable_gradients())["y_pred"] = request.y_pred();
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
      auto* form = r->add_forms();
      form->set_input_kind(v1::LOGITS);
      form->set_prediction("any");
      auto* example = r->add_examples();
      example->add_y_true(0);
      example->add_y_pred(0.5);
      example->set_value(0.125);
      return grpc::Status::OK;
    };
  }

  Outcome Call(const std::string& arguments) { return RunLossctl("--address " + server.address() + " " + arguments); }

  static std::string Tensors() { return " --y_true " + TempPath("t.npy") + " --y_pred " + TempPath("p.npy"); }

  FakeServer server;
  v1::EvaluateRequest evaluated;
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
              AllOf(HasSubstr("loss       huber\n"), HasSubstr("formula    d^2 / 2\n           delta (|d|"),
                    HasSubstr("parameter  delta in (0, inf), default 1"), HasSubstr("y_pred     LOGITS, any\n"),
                    HasSubstr("example    y_true [0], y_pred [0.5] -> 0.125")));
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
      {"evaluate huber --y_true t.npy", "--y_pred is required"},
      {"evaluate huber --y_true absent.npy --y_pred absent.npy", "absent.npy: No such file"},
      {"evaluate huber --params '{\"delta\": \"x\"}'" + Tensors(), "expected an object of numbers"},
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
