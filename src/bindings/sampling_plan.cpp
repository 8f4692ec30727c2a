#include "sampling_plan.h"

#include <c10/util/Exception.h>
#include <torch/library.h>

#include <tuple>
#include <utility>

#include "vcas/nn/recording.h"

namespace vcas::bindings {

sampling::DrawMethod draw_method_from(const std::string& name) {
  TORCH_CHECK(name == "fixed" || name == "bernoulli", "draw: expected fixed or bernoulli, got ", name);
  return name == "fixed" ? sampling::DrawMethod::fixed : sampling::DrawMethod::bernoulli;
}

SamplingPlan::SamplingPlan(std::vector<double> sample_keep_ratio,
                           std::vector<std::vector<double>> row_keep_ratio, const std::string& draw,
                           int64_t draw_number) {
  plan_.sampled = !sample_keep_ratio.empty();
  plan_.draw_method = draw_method_from(draw);
  plan_.draw_number = draw_number;
  plan_.sample_keep_ratio = std::move(sample_keep_ratio);
  plan_.row_keep_ratio = std::move(row_keep_ratio);
}

void SamplingPlan::write(at::Tensor tensor, int64_t block, int64_t samples,
                         const std::vector<int64_t>& linear_rows, const std::vector<int64_t>& stream) const {
  TORCH_CHECK(stream.size() == 4, "plan: expected seed, micro-batch, layer and rank, got ", stream.size(),
              " numbers");
  const auto blocks = static_cast<int64_t>(plan_.sample_keep_ratio.size());
  TORCH_CHECK(!plan_.sampled || (0 <= block && block < blocks &&
                                 plan_.row_keep_ratio.size() == plan_.sample_keep_ratio.size()),
              "plan: expected a block below ", blocks, ", got ", block);
  nn::BlockRecord record;
  record.samples = samples;
  record.linear_rows = linear_rows;
  record.stream.seed = static_cast<uint64_t>(stream[0]);
  record.stream.micro_batch = static_cast<uint32_t>(stream[1]);
  record.stream.layer = static_cast<uint32_t>(stream[2]);
  record.stream.rank = static_cast<uint32_t>(stream[3]);
  sampling::write_plan(nn::block_plan(plan_, static_cast<size_t>(block), record), tensor);
}

TORCH_LIBRARY_FRAGMENT(vcas, library) {
  library.class_<SamplingPlan>("SamplingPlan")
      .def(torch::init<std::vector<double>, std::vector<std::vector<double>>, const std::string&, int64_t>())
      .def("sampled", &SamplingPlan::sampled)
      .def("sample_keep_ratio", &SamplingPlan::sample_keep_ratio)
      .def("row_keep_ratio", &SamplingPlan::row_keep_ratio)
      .def("write", &SamplingPlan::write);
}

}  // namespace vcas::bindings
