#include <ATen/ops/arange.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>

#include "kept_batch.h"
#include "kept_rows.h"
#include "ops/calibration.h"

namespace vcas::ops {
namespace {

sampling::BlockPlan half_of(int64_t samples) {
  sampling::BlockPlan plan;
  plan.sampled = true;
  plan.sample_count = samples / 2;
  return plan;
}

}  // namespace

CompactionTrial::CompactionTrial(int64_t samples, int64_t rows, int64_t hidden)
    : norms_(at::rand({samples}, at::kDouble)),
      offsets_(at::arange(0, rows + 1, rows / samples, at::kLong)),
      compact_(at::randn({rows / samples * (samples / 2), hidden})),
      rows_(rows) {}

void CompactionTrial::run() const {
  const KeptRows kept(norms_, half_of(norms_.numel()), offsets_, QueryRows(offsets_, {}), /*causal=*/false);
  scatter_rows(kept, compact_, rows_);
}

}  // namespace vcas::ops
