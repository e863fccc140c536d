// The worker of bench/peers/worker.py with lossd in it. Modes: inprocess; tcp, unix and shared, through a server that
// it starts. FOLDER holds the request as a message, request.bin.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "bench/peers/remote.h"
#include "bench/rpc/in_process.h"

namespace lossd::bench {
namespace {

using Clock = std::chrono::steady_clock;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Worker {
 public:
  explicit Worker(std::string lossd) : lossd_(std::move(lossd)) {}

  std::string Answer(const std::string& mode, int threads, double seconds, const std::string& folder) {
    if (folder != folder_) Load(folder);
    const std::function<double()> call = MakeCall(mode, threads);
    const auto [entry, first] = values_.try_emplace({mode, threads});
    if (first) entry->second = call();  // not timed
    std::vector<double> times;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    while (times.empty() || Clock::now() < end) {
      const auto begin = Clock::now();
      call();
      times.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
    }
    std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
    char text[80];
    std::snprintf(text, sizeof text, "%.9g %.17g %s", times[times.size() / 2], entry->second,
                  std::string(Name(Arithmetic())).c_str());
    return text;
  }

 private:
  DType Arithmetic() const {
    const Problem& problem = problem_->problem();
    for (const FormKernels& kernels : problem.loss.forms) {
      if (kernels.form == problem.form && kernels.widens) return DType::kF64;
    }
    return problem.arithmetic;
  }

  void Load(const std::string& folder) {
    message_ = ReadFile(folder + "/request.bin");
    problem_ = std::make_unique<InProcess>(message_, /*gradient=*/true);
    folder_ = folder;
    values_.clear();
    prepared_.clear();
  }

  std::function<double()> MakeCall(const std::string& mode, int threads) {
    if (mode == "inprocess" || mode == "memcpy") {
      if (executor_ == nullptr || executor_->num_threads() != threads) {
        executor_ = nullptr;  // two of them at once would limit each other
        executor_ = std::make_unique<Executor>(threads);
      }
      if (mode == "memcpy") return [this, threads] { return Copy(threads); };
      return [this] { return problem_->Evaluate(*executor_); };
    }
    static const std::map<std::string, Way> kWays = {
        {"tcp", Way::kTcp}, {"unix", Way::kUnix}, {"shared", Way::kSharedMemory}};
    std::unique_ptr<Remote>& remote = remotes_[mode];
    if (remote == nullptr) remote = std::make_unique<Remote>(lossd_, kWays.at(mode));
    if (prepared_.insert(mode).second) remote->Prepare(message_);
    return [&remote] { return remote->Gradient(); };
  }

  // Half of the bytes read, half written.
  double Copy(int threads) {
    const size_t share = problem_->bytes() / 2 / static_cast<size_t>(threads);
    from_.resize(share * threads);
    to_.resize(share * threads);
    executor_->ForEachShard(threads, Cancellation(),
                            [&](size_t i) { std::memcpy(&to_[i * share], &from_[i * share], share); });
    return 0;
  }

  std::string lossd_;
  std::string folder_;
  std::map<std::pair<std::string, int>, double> values_;  // by mode and threads, of this folder
  std::unique_ptr<InProcess> problem_;
  std::string message_;
  std::vector<std::byte> from_, to_;
  std::unique_ptr<Executor> executor_;
  std::map<std::string, std::unique_ptr<Remote>> remotes_;  // by mode
  std::set<std::string> prepared_;                          // modes whose remote has this folder's request
};

}  // namespace
}  // namespace lossd::bench

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  lossd::bench::Worker worker(std::filesystem::absolute(argv[0]).parent_path() / "lossd");
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string mode, folder;
    int threads = 1;
    double seconds = 0;
    words >> mode >> threads >> seconds >> std::ws;
    std::getline(words, folder);
    try {
      std::cout << worker.Answer(mode, threads, seconds, folder) << std::endl;
    } catch (const std::exception& error) {
      std::cout << "error: " << error.what() << std::endl;
    }
  }
  return 0;
}
