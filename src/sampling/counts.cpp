#include "vcas/sampling/counts.h"

#include <c10/util/Exception.h>

#include <algorithm>

namespace vcas::sampling {

int64_t available_rows(int64_t kept_samples, int64_t samples, int64_t rows) {
  if (rows == 0) return 0;
  return count_from_ratio(static_cast<double>(kept_samples) / static_cast<double>(samples), rows);
}

BlockCounts block_counts(double rho, const std::vector<double>& nu, const BlockRows& rows) {
  TORCH_CHECK(nu.size() == rows.weight_rows.size(), "plan: expected ", rows.weight_rows.size(),
              " row keep ratios, got ", nu.size());
  BlockCounts counts;
  counts.samples = count_from_ratio(rho, rows.samples);
  for (size_t w = 0; w < nu.size(); ++w) {
    const int64_t available = available_rows(counts.samples, rows.samples, rows.weight_rows[w]);
    const bool keeps_all = nu[w] >= 1 || available == 0;
    counts.available.push_back(available);
    counts.kept.push_back(keeps_all ? BlockPlan::kAllRows : count_from_ratio(nu[w], available));
  }
  return counts;
}

BlockPlan block_plan(const SamplingPlan& plan, size_t block, const BlockRows& rows, const StreamKey& stream) {
  BlockPlan result;
  result.stream = stream;
  result.stream.draw = static_cast<uint32_t>(plan.draw_number);
  result.draw_method = plan.draw_method;
  result.sample_count = rows.samples;
  result.row_counts.assign(rows.weight_rows.size(), BlockPlan::kAllRows);
  if (!plan.sampled) return result;
  TORCH_CHECK(block < plan.sample_keep_ratio.size() && block < plan.row_keep_ratio.size(),
              "plan: expected keep ratios of more than ", block, " blocks, got ",
              plan.sample_keep_ratio.size(), " and ", plan.row_keep_ratio.size());

  auto counts = block_counts(plan.sample_keep_ratio[block], plan.row_keep_ratio[block], rows);
  result.sample_count = counts.samples;
  result.row_counts = std::move(counts.kept);
  const bool keeps_rows = std::all_of(result.row_counts.begin(), result.row_counts.end(),
                                      [](int64_t count) { return count == BlockPlan::kAllRows; });
  // Where nothing is left out, run as exact training does.
  result.sampled = result.sample_count < rows.samples || !keeps_rows;
  return result;
}

}  // namespace vcas::sampling
