#include "sampling_plan.h"

#include <c10/util/Exception.h>
#include <torch/library.h>

#include <utility>

#include "vcas/sampling/counts.h"

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
                         const std::vector<int64_t>& weight_rows, const std::vector<int64_t>& stream) const {
  TORCH_CHECK(stream.size() == 3, "plan: expected seed, micro-batch and layer, got ", stream.size(),
              " numbers");
  TORCH_CHECK(block >= 0, "plan: expected a block of at least 0, got ", block);
  const sampling::StreamKey key{.seed = static_cast<uint64_t>(stream[0]),
                                .micro_batch = static_cast<uint32_t>(stream[1]),
                                .layer = static_cast<uint32_t>(stream[2])};
  const sampling::BlockRows rows{samples, weight_rows};
  sampling::write_plan(sampling::block_plan(plan_, static_cast<size_t>(block), rows, key), tensor);
}

namespace {

at::Tensor plan_tensor(int64_t weights) { return sampling::make_plan_tensor(weights); }

bool is_sampled(const at::Tensor& plan) { return sampling::read_plan(plan).sampled; }

}  // namespace

void register_sampling_plan(torch::Library& library) {
  library.class_<SamplingPlan>("SamplingPlan")
      .def(torch::init<std::vector<double>, std::vector<std::vector<double>>, const std::string&, int64_t>())
      .def("sampled", &SamplingPlan::sampled)
      .def("sample_keep_ratio", &SamplingPlan::sample_keep_ratio)
      .def("row_keep_ratio", &SamplingPlan::row_keep_ratio)
      .def("write", &SamplingPlan::write);
  library.def("plan_tensor(int weights) -> Tensor", plan_tensor);
  library.def("is_sampled(Tensor plan) -> bool", is_sampled);
}

}  // namespace vcas::bindings
