// lossctl plot and describe for every loss of the catalogue, against a real server.
#include <gmock/gmock.h>

#include <algorithm>
#include <sstream>

#include "tests/client/process.h"
#include "tests/integration/test_server.h"

namespace lossd {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class PlotTest : public testing::ServerTest {
 protected:
  PlotTest() : ServerTest(testing::SmallServer()) {}

  std::vector<std::string> Names() {
    grpc::ClientContext context;
    v1::ListLossesResponse list;
    EXPECT_TRUE(stub_->ListLosses(&context, {}, &list).ok());
    std::vector<std::string> names;
    for (const v1::LossSummary& loss : list.losses()) names.push_back(loss.name());
    return names;
  }
  Outcome Lossctl(const std::string& arguments) {
    return RunProcess(LOSSCTL_PATH " --address " + server_->addresses().front() + " " + arguments);
  }
};

TEST_F(PlotTest, DrawsEveryLossOfTheCatalogue) {
  constexpr int kPoints = 5;
  for (const std::string& name : Names()) {
    SCOPED_TRACE(name);
    const Outcome outcome = Lossctl("plot " + name + " --csv --points " + std::to_string(kPoints));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    if (outcome.exit_code != 0) continue;
    std::istringstream lines(outcome.out);
    std::vector<std::string> rows;
    int undefined = 0;
    for (std::string line; std::getline(lines, line); rows.push_back(line)) {
      undefined += line.find("nan") != std::string::npos ? 1 : 0;
    }
    ASSERT_THAT(rows, SizeIs(1 + kPoints)) << outcome.out;
    EXPECT_EQ(rows.front(), "prediction,value,gradient");
    EXPECT_LT(undefined, kPoints) << "not a single point of the curve has a value\n" << outcome.out;
    const auto value = [](const std::string& row) { return row.substr(row.find(',')); };
    EXPECT_TRUE(
        std::any_of(rows.begin() + 2, rows.end(), [&](const auto& row) { return value(row) != value(rows[1]); }))
        << "a curve of a number that does not matter\n"
        << outcome.out;
  }
}

TEST_F(PlotTest, DescribesEveryLossOfTheCatalogue) {
  for (const std::string& name : Names()) {
    const Outcome outcome = Lossctl("describe " + name);
    EXPECT_EQ(outcome.exit_code, 0) << name << ": " << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr(name));
    EXPECT_THAT(outcome.out, HasSubstr("input "));
  }
}

}  // namespace
}  // namespace lossd
