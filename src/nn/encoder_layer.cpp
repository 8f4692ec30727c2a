#include "vcas/nn/encoder_layer.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <string>

namespace vcas::nn {

EncoderLayerImpl::EncoderLayerImpl(const EncoderLayerOptions& options) : options_(options) {
  const int64_t hidden = options.hidden_size, intermediate = options.intermediate_size;
  for (const char* name : {"query", "key", "value", "attention_output"}) add_linear(name, hidden, hidden);
  add_norm("attention_norm");
  add_linear("intermediate", intermediate, hidden);
  add_linear("output", hidden, intermediate);
  add_norm("output_norm");
}

void EncoderLayerImpl::add_linear(const std::string& name, int64_t outputs, int64_t inputs) {
  auto weight = at::empty({outputs, inputs});
  parameters_.push_back(register_parameter(name + "_weight", weight.normal_(0, 0.02)));
  parameters_.push_back(register_parameter(name + "_bias", at::zeros({outputs})));
}

void EncoderLayerImpl::add_norm(const std::string& name) {
  parameters_.push_back(register_parameter(name + "_weight", at::ones({options_.hidden_size})));
  parameters_.push_back(register_parameter(name + "_bias", at::zeros({options_.hidden_size})));
}

at::Tensor EncoderLayerImpl::forward(const at::Tensor& x, const at::Tensor& offsets, Recording& recording) {
  const auto stream = recording.next_stream();
  auto layer = options_.layer;
  if (!recording.training()) layer.hidden_dropout = layer.attention_dropout = 0;
  layer.precision = recording.compute().precision;
  layer.recompute = layer.recompute || recording.compute().recompute;
  const auto& record = recording.add(make_record(x, offsets, stream));
  count_flops(x, offsets, layer, recording);
  return ops::encoder_layer(x, offsets, parameters_, ops::make_rng_tensor(stream), record.plan, record.probes,
                            layer);
}

BlockRecord EncoderLayerImpl::make_record(const at::Tensor& x, const at::Tensor& offsets,
                                          const sampling::StreamKey& stream) const {
  BlockRecord record;
  record.stream = stream;
  record.samples = offsets.numel() - 1;
  for (int64_t i = 0; i < ops::kEncoderLinears; ++i) {
    const bool all_rows = ops::runs_on_all_rows(options_.layer.first_row_only, i);
    record.linear_rows.push_back(all_rows ? x.size(0) : record.samples);
  }
  record.plan = sampling::make_plan_tensor(ops::kEncoderLinears);
  const auto zeros = [&](at::IntArrayRef sizes) {
    return at::zeros(sizes, x.options().dtype(at::kDouble)).set_requires_grad(true);
  };
  record.probes = {zeros({record.samples}), zeros({ops::kEncoderLinears, x.size(0)}), zeros({1})};
  return record;
}

void EncoderLayerImpl::count_flops(const at::Tensor& x, const at::Tensor& offsets,
                                   const ops::EncoderLayerOptions& layer, Recording& recording) const {
  const auto work = ops::encoder_layer_work(offsets, layer.first_row_only);
  std::vector<double> weight_rows;
  for (int64_t i = 0; i < ops::kEncoderLinears; ++i)
    weight_rows.push_back(parameters_[ops::kLinearWeight[i]].requires_grad()
                              ? static_cast<double>(recording.blocks().back().linear_rows[i])
                              : 0.0);
  recording.forward_flops +=
      ops::encoder_layer_forward_flops(work, options_.hidden_size, options_.intermediate_size);
  recording.exact_backward_flops +=
      ops::encoder_layer_backward_flops(work, weight_rows, options_.hidden_size, options_.intermediate_size,
                                        ops::encoder_layer_backward_kind(x, layer));
}

}  // namespace vcas::nn
