#include "core/registry.h"

#include <algorithm>
#include <string>
#include <unordered_map>

#include "absl/container/inlined_vector.h"
#include "absl/strings/ascii.h"
#include "core/errors.h"
#include "core/losses/topics.h"

namespace lossd {
namespace {

struct Topic {
  std::string_view name;
  std::span<const Loss> (*losses)();
};
constexpr Topic kTopics[] = {
    {"boxes", BoxLosses},
    {"classification", ClassificationLosses},
    {"divergence", DivergenceLosses},
    {"likelihood", LikelihoodLosses},
    {"margin", MarginLosses},
    {"metric", MetricLosses},
    {"preference", PreferenceLosses},
    {"ranking", RankingLosses},
    {"regression", RegressionLosses},
    {"regularizers", RegularizerLosses},
    {"robust", RobustLosses},
    {"segmentation", SegmentationLosses},
    {"sequence", SequenceLosses},
};

// Names are compared without case and separators: "BCEWithLogitsLoss", "bce_with_logits_loss".
class Folded {
 public:
  explicit Folded(std::string_view name) {
    for (const char c : name) {
      if (c != '_' && c != '-' && c != ' ') text_.push_back(absl::ascii_tolower(c));
    }
  }
  std::string_view text() const { return {text_.data(), text_.size()}; }

 private:
  absl::InlinedVector<char, 64> text_;
};

// Where a name leads. Tables differ by instruction set, positions in them do not.
struct Place {
  size_t topic, index;
  InputKind implied;
};

struct Hash {
  using is_transparent = void;
  size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
};
using Places = std::unordered_map<std::string, Place, Hash, std::equal_to<>>;

const Places& Names() {
  static const auto& names = *[] {
    auto* map = new Places;
    for (size_t topic = 0; topic < std::size(kTopics); ++topic) {
      const std::span<const Loss> losses = kTopics[topic].losses();
      for (size_t index = 0; index < losses.size(); ++index) {
        const Contract& contract = *losses[index].contract;
        map->emplace(Folded(contract.name).text(), Place{topic, index, InputKind::kUnspecified});
        for (const Alias& alias : contract.aliases) map->emplace(Folded(alias.name).text(), Place{topic, index, alias.implies});
      }
    }
    return map;
  }();
  return names;
}

// Levenshtein distance. The shorter name's length bounds memory, kMaxEcho bounds the work for a hostile name.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t substituted = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

// Canonical names of the losses nearest to `folded`, best first, at most three.
std::vector<std::string_view> Near(std::string_view folded) {
  constexpr size_t kMost = 3, kLongest = 64;
  std::vector<std::pair<size_t, std::string_view>> near;
  if (folded.size() > kLongest) return {};
  for (const auto& [name, place] : Names()) {
    const bool part = folded.size() >= 3 && name.find(folded) != std::string::npos;
    const size_t distance = part ? 1 : Distance(folded, name);
    if (distance <= 1 + folded.size() / 4)
      near.emplace_back(distance, kTopics[place.topic].losses()[place.index].contract->name);
  }
  std::sort(near.begin(), near.end());
  std::vector<std::string_view> names;
  for (const auto& [distance, name] : near) {
    if (names.size() < kMost && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

}  // namespace

std::string_view Name(Family family) {
  constexpr std::string_view kNames[] = {"elementwise", "row", "sequence", "region", "batch"};
  return kNames[static_cast<size_t>(family)];
}

std::vector<Loss> AllLosses() {
  std::vector<Loss> all;
  for (const Topic& topic : kTopics) {
    for (Loss loss : topic.losses()) {
      loss.topic = topic.name;
      all.push_back(loss);
    }
  }
  std::sort(all.begin(), all.end(), [](const Loss& a, const Loss& b) { return a.contract->name < b.contract->name; });
  return all;
}

absl::StatusOr<ResolvedLoss> FindLoss(std::string_view name) {
  if (name.empty()) return error::NoLoss();
  const Folded folded(name);
  const auto found = Names().find(folded.text());
  if (found == Names().end()) return error::UnknownLoss(name, Near(folded.text()));
  const Place& place = found->second;
  const Topic& topic = kTopics[place.topic];
  ResolvedLoss resolved{topic.losses()[place.index], place.implied};
  resolved.loss.topic = topic.name;
  return resolved;
}

}  // namespace lossd
