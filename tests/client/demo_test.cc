// lossd_demo against a server with a few lines of arithmetic of its own: does the demo learn, and what does it leave
// behind?
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_server.h"
#include "tests/client/process.h"

namespace lossd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Mean softmax cross-entropy with class indices, by the textbook.
grpc::Status SoftmaxCrossEntropy(grpc::ServerContext*, const v1::GradientRequest& request,
                                 v1::GradientResponse* response) {
  if (request.loss() != "sparse_categorical_crossentropy" || request.options().input_kind() != v1::LOGITS) {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "this test knows one loss");
  }
  const size_t rows = static_cast<size_t>(request.y_pred().shape(0));
  const size_t classes = static_cast<size_t>(request.y_pred().shape(1));
  std::vector<float> values(rows * classes);
  std::vector<int32_t> labels(rows);
  std::memcpy(values.data(), request.y_pred().raw().data(), request.y_pred().raw().size());
  std::memcpy(labels.data(), request.y_true().raw().data(), request.y_true().raw().size());
  double sum = 0;
  for (size_t n = 0; n < rows; ++n) {
    float* row = &values[n * classes];
    double total = 0;
    for (size_t k = 0; k < classes; ++k) total += std::exp(row[k]);
    sum += std::log(total) - row[labels[n]];
    for (size_t k = 0; k < classes; ++k) {
      const double target = k == static_cast<size_t>(labels[n]) ? 1 : 0;
      row[k] = static_cast<float>((std::exp(row[k]) / total - target) / static_cast<double>(rows));
    }
  }
  response->set_sum(sum);
  response->set_value(sum / static_cast<double>(rows));
  v1::Tensor& gradient = (*response->mutable_gradients())["y_pred"];
  gradient = request.y_pred();
  gradient.set_raw(values.data(), values.size() * sizeof(float));
  return grpc::Status::OK;
}

class Demo : public ::testing::Test {
 protected:
  void SetUp() override {
    server.gradient = SoftmaxCrossEntropy;
    std::filesystem::remove_all(out);
  }

  Outcome Run(const std::string& arguments, const std::string& environment = "") {
    return RunProcess(environment + " " DEMO_PATH " --address " + server.address() + " --out " + out + " " + arguments);
  }

  FakeServer server;
  const std::string out = ::testing::TempDir() + "lossd_demo_test";
};

TEST_F(Demo, LearnsToReadDigitsAndDrawsTheCurve) {
  if (RunProcess("gnuplot --version").exit_code != 0) GTEST_SKIP() << "gnuplot is not installed";
  const Outcome outcome = Run("");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("1438 training images, 359 test images"), HasSubstr("epoch  40/40  loss 0."),
                                 HasSubstr("test accuracy   9")));
  EXPECT_EQ(outcome.out.find('\r'), std::string::npos) << "a progress bar in a pipe";
  const std::string history = ReadFile(out + "/history.csv");
  EXPECT_THAT(history, HasSubstr("epoch,loss,test_accuracy\n1,"));
  EXPECT_EQ(std::ranges::count(history, '\n'), 41);
  EXPECT_THAT(ReadFile(out + "/training.svg"),
              AllOf(HasSubstr("<svg"), HasSubstr("Test accuracy"), HasSubstr("</svg>")));
}

TEST_F(Demo, FailsBelowTheAccuracyThatIsAskedFor) {
  if (RunProcess("gnuplot --version").exit_code != 0) GTEST_SKIP() << "gnuplot is not installed";
  const Outcome outcome = Run("--epochs 1 --min_accuracy 1");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("below --min_accuracy 1"));
}

TEST_F(Demo, SaysWhatIsMissing) {
  const Outcome no_gnuplot = Run("--epochs 1", "PATH=/nonexistent");
  EXPECT_EQ(no_gnuplot.exit_code, 1);
  EXPECT_THAT(no_gnuplot.err, HasSubstr("gnuplot is not installed"));
  const Outcome no_data = Run("--data /nonexistent.csv");
  EXPECT_EQ(no_data.exit_code, 1);
  EXPECT_THAT(no_data.err, HasSubstr("/nonexistent.csv: cannot be opened"));
  EXPECT_THAT(Run("--data " + std::string(DEMO_PATH)).err, HasSubstr(":1: expected 64 numbers"));
}

}  // namespace
}  // namespace lossd
