// The process_* metrics that every Prometheus client library offers, sampled from /proc when the page is read.
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

namespace lossd::server {

std::vector<prometheus::MetricFamily> ProcessMetrics();

// One metric without labels.
prometheus::MetricFamily SingleGauge(const char* name, const char* help, double value);

}  // namespace lossd::server
