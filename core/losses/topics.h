// The topics' tables, each dispatched once to the instruction set of this machine. The registry joins them.
#pragma once

#include <span>

#include "core/losses/loss.h"

namespace lossd {

std::span<const Loss> BoxLosses();             // overlap of two boxes
std::span<const Loss> ClassificationLosses();  // cross-entropies and their focal kin
std::span<const Loss> DivergenceLosses();      // distances between two distributions, or two directions
std::span<const Loss> LikelihoodLosses();   // negative log-likelihoods of a distribution whose parameters are predicted
std::span<const Loss> MarginLosses();       // scores that must clear a margin
std::span<const Loss> MetricLosses();       // distances between embeddings
std::span<const Loss> PreferenceLosses();   // policies trained on preferred completions
std::span<const Loss> RankingLosses();      // the order of a list
std::span<const Loss> RegressionLosses();   // a residual between a prediction and a number
std::span<const Loss> RegularizerLosses();  // the size of a tensor of weights
std::span<const Loss> RobustLosses();       // residuals whose tails weigh less
std::span<const Loss> SegmentationLosses();  // overlap of two masks
std::span<const Loss> SequenceLosses();      // alignments of a sequence of labels with a longer one of predictions

}  // namespace lossd
