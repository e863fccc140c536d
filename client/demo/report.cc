#include "client/demo/report.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace lossd::demo {
namespace {

constexpr size_t kBarWidth = 30;

// The program's exit code; 127 where it is not installed. No shell: a path may hold any character.
int RunGnuplot(const std::string& csv, const std::string& svg, const std::string& script) {
  std::string arguments[] = {"gnuplot", "-c", script, csv, svg};
  char* argv[] = {arguments[0].data(), arguments[1].data(), arguments[2].data(),
                  arguments[3].data(), arguments[4].data(), nullptr};
  pid_t child = 0;
  if (posix_spawnp(&child, "gnuplot", nullptr, nullptr, argv, environ) != 0) return 127;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace

Progress::Progress(int num_epochs) : num_epochs_(num_epochs), terminal_(isatty(STDOUT_FILENO) != 0) {}

void Progress::Step(int epoch, size_t step, size_t num_steps, double loss) {
  if (!terminal_) return;
  const size_t filled = kBarWidth * step / num_steps;
  absl::PrintF("\repoch %3d/%d  [%s%s]  loss %.4f", epoch, num_epochs_, std::string(filled, '#'),
               std::string(kBarWidth - filled, ' '), loss);
  std::fflush(stdout);
}

void Progress::EndEpoch(const Epoch& epoch) {
  // The bar is replaced by the epoch's line, the rest of which is cleared.
  absl::PrintF("%sepoch %3d/%d  loss %.4f  test accuracy %.4f%s\n", terminal_ ? "\r" : "", epoch.number, num_epochs_,
               epoch.loss, epoch.test_accuracy, terminal_ ? "\x1b[K" : "");
  std::fflush(stdout);
}

absl::Status WriteReport(const std::vector<Epoch>& history, const std::string& directory, const std::string& script) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  const std::string csv = absl::StrCat(directory, "/history.csv");
  const std::string svg = absl::StrCat(directory, "/training.svg");
  std::ofstream out(csv, std::ios::trunc);
  out << "epoch,loss,test_accuracy\n";
  for (const Epoch& epoch : history)
    out << absl::StreamFormat("%d,%.9g,%.9g\n", epoch.number, epoch.loss, epoch.test_accuracy);
  out.close();
  if (!out) return absl::UnavailableError(absl::StrCat(csv, ": cannot be written"));
  const int code = RunGnuplot(csv, svg, script);
  if (code == 127)
    return absl::NotFoundError("gnuplot is not installed; scripts/setup installs it (package gnuplot-nox)");
  if (code != 0) return absl::InternalError(absl::StrCat("gnuplot -c ", script, ": exit code ", code));
  return absl::OkStatus();
}

}  // namespace lossd::demo
