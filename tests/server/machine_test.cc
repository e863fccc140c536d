#include "server/machine.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace lossd::server {
namespace {

namespace fs = std::filesystem;

// A root directory with the files of control groups.
class MachineTest : public ::testing::Test {
 protected:
  MachineTest() { Write("proc/self/cgroup", "0::/a/b\n"); }
  ~MachineTest() override { fs::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  const fs::path root_ = fs::path(::testing::TempDir()) / ("lossd_machine_" + std::to_string(getpid()));
  const Machine whole_ = DetectMachine(root_);  // no limits below an empty root
};

TEST_F(MachineTest, WithoutLimitsIsTheMachine) {
  EXPECT_GE(whole_.cores, 1);
  EXPECT_GT(whole_.memory_bytes, size_t{1} << 20);
}

TEST_F(MachineTest, TheTightestGroupOnTheWayUpCounts) {
  Write("sys/fs/cgroup/a/b/memory.max", "max\n");
  Write("sys/fs/cgroup/a/memory.max", "1048576\n");
  Write("sys/fs/cgroup/memory.max", "2097152\n");
  EXPECT_EQ(DetectMachine(root_).memory_bytes, size_t{1} << 20);
}

TEST_F(MachineTest, InAContainerTheFilesLieAtTheMount) {
  Write("sys/fs/cgroup/memory.max", "2097152\n");
  Write("sys/fs/cgroup/cpu.max", "100000 100000\n");
  EXPECT_EQ(DetectMachine(root_).memory_bytes, size_t{2} << 20);
  EXPECT_EQ(DetectMachine(root_).cores, 1);
}

TEST_F(MachineTest, ABitOfACoreIsACore) {
  Write("sys/fs/cgroup/a/b/cpu.max", "5000 100000\n");
  EXPECT_EQ(DetectMachine(root_).cores, 1);
}

TEST_F(MachineTest, NoQuotaIsNoLimit) {
  Write("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(DetectMachine(root_).cores, whole_.cores);
}

TEST_F(MachineTest, VersionOneIsReadToo) {
  Write("proc/self/cgroup", "5:memory:/m\n4:cpu,cpuacct:/c\n");
  Write("sys/fs/cgroup/memory/m/memory.limit_in_bytes", "4194304\n");
  Write("sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "100000\n");
  Write("sys/fs/cgroup/cpu/c/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(DetectMachine(root_).memory_bytes, size_t{4} << 20);
  EXPECT_EQ(DetectMachine(root_).cores, 1);
}

TEST_F(MachineTest, VersionOneWithoutQuotaIsNoLimit) {
  Write("proc/self/cgroup", "4:cpu,cpuacct:/c\n");
  Write("sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "-1\n");
  Write("sys/fs/cgroup/cpu/c/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(DetectMachine(root_).cores, whole_.cores);
}

}  // namespace
}  // namespace lossd::server
