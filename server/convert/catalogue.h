// From contracts to the catalogue messages.
#pragma once

#include "core/losses/loss.h"
#include "lossd/v1/catalogue.pb.h"

namespace lossd::server {

v1::LossSummary ToSummary(const Loss& loss);
v1::DescribeLossResponse ToDescription(const Loss& loss);

}  // namespace lossd::server
