#include "client/cpp/lossctl/plot.h"

#include <sys/wait.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <ostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cpp/lossctl/text.h"

namespace lossd::lossctl {
namespace {

ParamValue ToParam(const google::protobuf::Value& value) {
  if (value.has_bool_value()) return value.bool_value();
  if (value.has_string_value()) return value.string_value();
  return value.number_value();
}

bool HoldsIntegers(const v1::Input& input) { return absl::StartsWith(input.content(), "integers"); }
bool HoldsFlags(const v1::Input& input) { return input.content() == "flags"; }

// What moves: an element of the first input of a worked example.
struct Place {
  int example = 0, element = 0;
};

// The first element, unless the loss does not change with it: then the steepest of the first example that has one.
Place PlaceOf(const v1::DescribeLossResponse& loss) {
  for (int i = 0; i < loss.examples_size(); ++i) {
    const auto& gradient = loss.examples(i).gradient();
    if (gradient.empty() || gradient[0] != 0) return {i, 0};
    const auto steepest = std::max_element(gradient.begin(), gradient.end(),
                                           [](double a, double b) { return std::abs(a) < std::abs(b); });
    if (*steepest != 0) return {i, static_cast<int>(steepest - gradient.begin())};
  }
  return {};
}

// The worked example as tensors; only one element where the loss is elementwise: one item makes one curve.
class Scene {
 public:
  Scene(const v1::DescribeLossResponse& loss, const v1::Example& example, int element)
      : elementwise_(loss.loss().family() == "elementwise"), kept_(element), moves_(elementwise_ ? 0 : element) {
    call_.loss = loss.loss().name();
    call_.options.reduction = Reduction::kSum;
    call_.options.input_kind = static_cast<InputKind>(example.input_kind());
    if (example.clip_policy() != v1::CLIP_POLICY_UNSPECIFIED) {
      call_.options.clip_policy = static_cast<ClipPolicy>(example.clip_policy() - 1);
    }
    for (const auto& [name, value] : example.params().fields()) call_.params.emplace_back(name, ToParam(value));
    shape_.assign(example.shape().begin(), example.shape().end());
    if (elementwise_) shape_ = {1};
    first_ = loss.inputs(0).name();
    prediction_ = Cut(example.y_pred());
    call_.with_respect_to = {first_};
    for (int i = 1; i < loss.inputs_size(); ++i) {
      const v1::Input& input = loss.inputs(i);
      if (input.name() == "y_true") {
        Add(input, Cut(example.y_true()), example.y_true_shape());
        continue;
      }
      for (const v1::Values& other : example.others()) {
        if (other.name() == input.name()) Add(input, Cut(other.values()), other.shape());
      }
    }
  }

  double start() const { return prediction_[moves_]; }
  const std::string& first() const { return first_; }

  // Value, and derivative with respect to the number that moves.
  absl::StatusOr<std::pair<double, double>> At(const Client& client, double x) {
    prediction_[moves_] = x;
    LossCall call = call_;
    const ConstTensor prediction = ConstTensor::Of(prediction_, shape_);
    if (first_ == "y_pred") {
      call.y_pred = prediction;
    } else {
      call.inputs.emplace_back(first_, prediction);
    }
    for (const Held& held : held_) {
      const ConstTensor tensor = !held.integers.empty() ? ConstTensor::Of(held.integers, held.shape)
                                 : !held.flags.empty()  ? ConstTensor::Of(held.flags, held.shape)
                                                        : ConstTensor::Of(held.numbers, held.shape);
      if (held.name == "y_true") {
        call.y_true = tensor;
      } else {
        call.inputs.emplace_back(held.name, tensor);
      }
    }
    const absl::StatusOr<GradientResult> result = client.Gradient(call);
    if (!result.ok()) return result.status();
    const auto other = result->gradients.find(first_);
    const Tensor& gradient = other == result->gradients.end() ? result->gradient : other->second;
    if (!result->value || gradient.values<double>().size() <= moves_)
      return absl::InternalError("the answer is incomplete");
    return std::pair(*result->value, gradient.values<double>()[moves_]);
  }

 private:
  struct Held {
    std::string name;
    std::vector<int64_t> shape;
    std::vector<double> numbers;  // one of the three, as the content of the input says
    std::vector<int64_t> integers;
    std::vector<uint8_t> flags;
  };

  template <class Values>
  std::vector<double> Cut(const Values& values) const {
    if (!elementwise_ || values.empty()) return {values.begin(), values.end()};
    return std::vector<double>(1, values[kept_ % values.size()]);  // a number a class, too, has one for the element
  }

  template <class Shape>
  void Add(const v1::Input& input, std::vector<double> values, const Shape& shape) {
    Held held{.name = input.name(), .shape = {shape.begin(), shape.end()}, .numbers = {}, .integers = {}, .flags = {}};
    if (elementwise_) held.shape = {1};
    if (HoldsIntegers(input)) {
      held.integers.assign(values.begin(), values.end());
    } else if (HoldsFlags(input)) {
      held.flags.assign(values.begin(), values.end());
    } else {
      held.numbers = std::move(values);
    }
    held_.push_back(std::move(held));
  }

  bool elementwise_;
  int kept_;      // of every tensor, where the loss is elementwise
  size_t moves_;  // of what is sent
  LossCall call_;
  std::string first_;
  std::vector<int64_t> shape_;
  std::vector<double> prediction_;
  std::vector<Held> held_;
};

// The bounds of "[0, inf)", cut where a curve would show nothing.
std::pair<double, double> RangeOf(const v1::DescribeLossResponse& loss, const v1::Example& example, double start) {
  double lo = start - 4, hi = start + 4;
  std::string domain = loss.inputs(0).domain();
  for (const v1::Form& form : loss.forms()) {
    if (form.input_kind() == example.input_kind()) domain = form.prediction();
  }
  if (example.input_kind() == v1::PROBABILITIES) return {0.005, 0.995};
  if (example.input_kind() == v1::LOGITS) return {-6, 6};
  if (absl::StartsWith(domain, "[0") || absl::StartsWith(domain, "(0")) lo = std::max(lo, 0.02);
  if (absl::EndsWith(domain, "1]") || absl::EndsWith(domain, "1)")) hi = std::min(hi, 0.995);
  if (absl::EndsWith(domain, " 0]")) hi = std::min(hi, -0.02);
  return {lo, hi};
}

std::string TitleOf(const v1::DescribeLossResponse& loss, const v1::Example& example, int element) {
  std::string title = loss.loss().name();
  if (loss.loss().family() == "elementwise" && element < example.y_true_size()) {
    absl::StrAppend(&title, ", y_true = ", Number(example.y_true(element)));
  }
  return title;
}

// A gnuplot that reads its commands from a pipe.
struct Closer {
  void operator()(FILE* pipe) const { pclose(pipe); }
};

}  // namespace

void AddPlotFlags(CLI::App* command, PlotFlags* flags) {
  command->add_option("LOSS", flags->loss, "Name or alias of the loss")->required();
  CLI::Option* svg = command->add_option("--svg", flags->svg, "File to draw to instead of the terminal");
  command->add_flag("--csv", flags->csv, "Print the numbers: prediction, value, gradient")->excludes(svg);
  command->add_option("--points", flags->points, "Points of the curve")
      ->check(CLI::Range(2, 2000))
      ->capture_default_str();
  command->add_option("--range", flags->range, "From and to, of the number that moves")->expected(2);
}

absl::StatusOr<Curve> Sample(const Client& client, const v1::DescribeLossResponse& loss, const PlotFlags& flags) {
  if (loss.examples_size() == 0 || loss.examples(0).y_pred_size() == 0) {
    return absl::NotFoundError(absl::StrCat(loss.loss().name(), " has no worked example to draw"));
  }
  const auto [of_example, element] = PlaceOf(loss);
  const v1::Example& example = loss.examples(of_example);
  if (element >= example.y_pred_size()) return absl::InternalError("the description is inconsistent");
  Scene scene(loss, example, element);
  Curve curve;
  curve.title = TitleOf(loss, example, element);
  curve.axis = loss.loss().family() == "elementwise" ? scene.first()
               : element == 0                        ? absl::StrCat("first element of ", scene.first())
                                                     : absl::StrCat("element ", element, " of ", scene.first());
  const auto [lo, hi] =
      flags.range.empty() ? RangeOf(loss, example, scene.start()) : std::pair(flags.range[0], flags.range[1]);
  for (int i = 0; i < flags.points; ++i) {
    const double x = lo + (hi - lo) * i / (flags.points - 1);
    const auto point = scene.At(client, x);
    if (!point.ok()) return point.status();
    curve.x.push_back(x);
    curve.value.push_back(point->first);
    curve.slope.push_back(point->second);
  }
  return curve;
}

absl::Status Draw(const Curve& curve, const PlotFlags& flags, std::ostream& out) {
  std::string data = "prediction,value,gradient\n";
  const auto number = [](double x) { return std::isfinite(x) ? absl::StrFormat("%.7g", x) : std::string("nan"); };
  for (size_t i = 0; i < curve.x.size(); ++i) {
    absl::StrAppend(&data, number(curve.x[i]), ",", number(curve.value[i]), ",", number(curve.slope[i]), "\n");
  }
  if (flags.csv) {
    out << data;
    return absl::OkStatus();
  }
  std::string script;
  if (flags.svg.empty()) {
    script = "set terminal dumb size 100,30\n";
  } else {
    for (const char c : flags.svg) {
      if (c == '\'' || c == '\n') return absl::InvalidArgumentError("--svg: a file name without quotes");
    }
    script = absl::StrCat("set terminal svg size 640,400 font 'sans-serif,12' background '#ffffff'\nset output '",
                          flags.svg, "'\n");
  }
  absl::StrAppend(&script, "set datafile separator ','\nset datafile missing 'nan'\nset grid lc rgb '#dddddd'\n",
                  "set title '", curve.title, "' noenhanced\nset xlabel '", curve.axis,
                  "' noenhanced\nset key top center horizontal\nset zeroaxis lc rgb '#888888'\n", "$curve << EOD\n",
                  data.substr(data.find('\n') + 1), "EOD\n",
                  "plot $curve using 1:2 with lines lw 2 lc rgb '#1b6ca8' title 'value', ",
                  "$curve using 1:3 with lines lw 2 dt 2 lc rgb '#c0392b' title 'gradient'\n");
  out.flush();
  std::unique_ptr<FILE, Closer> pipe(popen("gnuplot", "w"));
  if (pipe == nullptr) return absl::InternalError("cannot start gnuplot");
  std::fwrite(script.data(), 1, script.size(), pipe.get());
  const int status = pclose(pipe.release());
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
    return absl::NotFoundError("gnuplot is not installed (package gnuplot-nox); --csv prints the numbers");
  }
  return status == 0 ? absl::OkStatus() : absl::InternalError("gnuplot failed");
}

}  // namespace lossd::lossctl
