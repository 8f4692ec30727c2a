#include "vcas/training/run/result.h"

#include <sys/resource.h>

namespace vcas::training {
namespace {

int64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

}  // namespace

nlohmann::json to_json(const RunSummary& summary) {
  nlohmann::json json = {{"task", summary.task},
                         {"method", summary.method},
                         {"seed", summary.seed},
                         {"steps", summary.steps},
                         {"train_loss", summary.train_loss},
                         {"train_seconds", summary.train_seconds},
                         {"adaptation_seconds", summary.adaptation_seconds},
                         {"step_ms",
                          {{"median", summary.step_milliseconds.median},
                           {"p10", summary.step_milliseconds.p10},
                           {"p90", summary.step_milliseconds.p90}}},
                         {"flops",
                          {{"exact", summary.flops.exact},
                           {"performed", summary.flops.performed},
                           {"reduction", 1 - summary.flops.performed / summary.flops.exact}}},
                         {"peak_rss_bytes", peak_rss_bytes()},
                         {"device", "cpu"},
                         {"threads", summary.threads},
                         {"dtype", summary.dtype}};
  json.update(evaluation_summary(summary.evaluation));
  return json;
}

}  // namespace vcas::training
