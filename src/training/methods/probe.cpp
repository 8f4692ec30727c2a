#include "training/methods/probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "formats/warning.h"
#include "sampling/distance.h"
#include "sampling/variance.h"
#include "training/methods/probe_record.h"

namespace vcas::training {
namespace {

/// Draw numbers of a probe's passes, above those that an adaptation can use (M of at most 15).
constexpr int64_t kFirstDraw = 230;
constexpr size_t kMostPasses = 24;

bool are_ratios(const std::vector<double>& values) {
  return !values.empty() && std::is_sorted(values.begin(), values.end()) && values.front() > 0 &&
         values.back() <= 1;
}

void check(const ProbeOptions& options) {
  TORCH_CHECK(options.probe_steps >= 1 && options.probe_batches >= 2,
              "probe: expected probe_steps >= 1 and probe_batches >= 2, got ", options.probe_steps, " and ",
              options.probe_batches);
  TORCH_CHECK(are_ratios(options.s) && are_ratios(options.row_keep_ratio) && options.s.size() <= kMostPasses,
              "probe: expected s, at most ", kMostPasses, " of them, and row_keep_ratio ascending in (0, 1]");
  TORCH_CHECK(std::find(options.s.begin(), options.s.end(), options.reference_s) != options.s.end(),
              "probe: expected reference_s among s, got ", options.reference_s);
}

sampling::SamplingPlan sample_plan(const sampling::SamplingLayout& layout, size_t pass,
                                   std::vector<double> sample_keep_ratio) {
  sampling::SamplingPlan plan;
  plan.sampled = true;
  plan.draw_number = kFirstDraw + static_cast<int64_t>(pass);
  plan.sample_keep_ratio = std::move(sample_keep_ratio);
  for (const auto& block : layout.blocks) plan.row_keep_ratio.emplace_back(block.weights.size(), 1);
  return plan;
}

}  // namespace

ProbingMethod::ProbingMethod(std::unique_ptr<Method> method, ProbeOptions options, std::filesystem::path file,
                             const nn::Model& model)
    : method_(std::move(method)),
      options_(std::move(options)),
      file_(std::move(file)),
      layout_(model.layout()),
      controlled_(nn::controlled_parameters(model.trainable_parameters())) {
  check(options_);
}

MicroBatchGradient ProbingMethod::backward(MicroBatch& batch, double loss_scale) {
  if (batch.info.full_size && (record_ || batch.info.number >= next_probe_)) observe(batch);
  return method_->backward(batch, loss_scale);
}

void ProbingMethod::require_written() {
  if (!log_) return;
  if (const auto error = log_->flush()) throw std::system_error(error, "cannot write " + file_.string());
}

void ProbingMethod::observe(MicroBatch& batch) {
  if (!record_) {
    record_ = std::make_shared<ProbeRecord>(options_, layout_, batch.info.number);
    next_probe_ = batch.info.number + options_.probe_steps;
  }
  const auto exact = batch.pass.backward({.want_statistics = true, .last_pass = false});
  const auto exact_gradients = nn::select(exact.gradients, controlled_);
  record_->add_exact(exact.statistics.blocks, exact_gradients);

  std::vector<at::Tensor> norms;
  for (const auto& block : exact.statistics.blocks) norms.push_back(block.sample_norms);
  for (size_t j = 0; j < options_.s.size(); ++j) {
    const auto plan = sample_plan(layout_, j, sampling::keep_ratios(layout_, norms, options_.s[j]));
    const bool reference = options_.s[j] == options_.reference_s;
    const auto pass = batch.pass.backward({.plan = plan, .want_statistics = reference, .last_pass = false});
    const auto error = sampling::squared_distance(nn::select(pass.gradients, controlled_), exact_gradients);
    record_->add_sampled(j, plan.sample_keep_ratio, error);
    if (reference) record_->add_reference(pass.statistics.blocks, plan.sample_keep_ratio);
  }
  if (record_->batches() < options_.probe_batches) return;
  write(record_->to_json(status()));
  record_.reset();
}

void ProbingMethod::write(const nlohmann::json& line) {
  // A resumed run goes on behind the probes of the steps that it does not repeat.
  if (!log_) log_.emplace(file_, "micro_batch", line.at("micro_batch").get<int64_t>() - 1);
  log_->write(line);
  if (const auto error = log_->flush(); error && !std::exchange(refused_, true))
    formats::warn(fmt::format("cannot write {}: {}; training goes on", file_.string(), error.message()));
}

}  // namespace vcas::training
