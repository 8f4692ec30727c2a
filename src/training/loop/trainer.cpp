#include "vcas/training/loop/trainer.h"

#include <ATen/ops/add.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

#include "sampling/finite.h"
#include "vcas/formats/error.h"
#include "vcas/training/loop/adamw.h"

namespace vcas::training {
namespace {

constexpr const char* kMethodTensor = "method.";

void require(bool condition, const std::string& message) {
  if (!condition) throw std::invalid_argument("trainer: " + message);
}

int64_t count_steps_per_epoch(const TrainOptions& options, int64_t micro_batches) {
  const int64_t accumulation = options.gradient_accumulation_steps;
  require(accumulation >= 1, fmt::format("expected gradient_accumulation_steps >= 1, got {}", accumulation));
  return (micro_batches + accumulation - 1) / accumulation;
}

bool is_finite(const at::Tensor& tensor) {
  const at::Tensor values = (tensor.is_sparse() ? tensor.coalesce().values() : tensor).detach();
  return sampling::all_finite(values).item<bool>();
}

/// Random streams number the micro-batches of a run with 32 bits.
void require_countable(double steps, int64_t accumulation) {
  constexpr double kMost = std::numeric_limits<uint32_t>::max();
  const double micro_batches = steps * static_cast<double>(accumulation);
  if (micro_batches <= kMost) return;
  throw formats::InputError(
      fmt::format("num_train_epochs, max_steps, gradient_accumulation_steps: expected at most "
                  "{:.0f} micro-batches in all, got {:.4g}",
                  kMost, micro_batches));
}

int64_t count_total_steps(const TrainOptions& options, int64_t steps_per_epoch) {
  const double steps = options.max_steps > 0
                           ? static_cast<double>(options.max_steps)
                           : std::ceil(options.num_train_epochs * static_cast<double>(steps_per_epoch));
  require(steps >= 1, fmt::format("expected num_train_epochs > 0, got {}", options.num_train_epochs));
  require_countable(steps, options.gradient_accumulation_steps);
  return static_cast<int64_t>(steps);
}

std::unique_ptr<Optimizer> make_adamw(const TrainOptions& options, const nn::Model& model) {
  return std::make_unique<AdamW>(
      model.trainable_parameters(),
      AdamWOptions{options.adam_beta1, options.adam_beta2, options.adam_epsilon, options.weight_decay});
}

}  // namespace

Trainer::Trainer(const TrainOptions& options, Task& task, Method& method,
                 std::unique_ptr<Optimizer> optimizer)
    : options_(options),
      task_(task),
      method_(method),
      source_(task, method, options),
      steps_per_epoch_(count_steps_per_epoch(options, source_.batches_per_epoch())),
      total_steps_(count_total_steps(options, steps_per_epoch_)),
      schedule_(options, total_steps_),
      optimizer_(optimizer ? std::move(optimizer) : make_adamw(options, task.model())) {
  if (options.keep_zeros) zero_masks_.emplace(task.model().trainable_parameters());
}

StepReport Trainer::step() {
  const auto start = std::chrono::steady_clock::now();
  StepReport report;
  gradients_.clear();  // of a step that threw
  const auto positions = positions_of(steps_done_);
  for (size_t i = 0; i < positions.size(); ++i) run(positions, i, report);
  update(report);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

void Trainer::run(const std::vector<MicroBatchPosition>& positions, size_t index, StepReport& report) {
  const auto& position = positions[index];
  const double share = 1.0 / static_cast<double>(positions.size());
  const auto batch = source_.take(
      position, index + 1 < positions.size() ? positions[index + 1] : positions_of(steps_done_ + 1).front());
  last_batch_ = fmt::format("epoch {}, micro-batch {}: examples {}", position.epoch + 1, position.index,
                            list_examples(*batch));
  for (const auto& read : task_.model().rows_read(*batch)) optimizer_->catch_up(read.parameter, read.rows);

  MicroBatch micro_batch{
      task_.forward(*batch, {options_.seed, position.number, /*training=*/true, options_.compute()}),
      {position.number, source_.is_full_size(position), steps_done_, static_cast<int64_t>(index),
       static_cast<int64_t>(positions.size())}};
  const double loss = micro_batch.pass.loss().item<double>();
  require_finite(loss, "loss");
  const auto exact = task_.model().flops(*batch, options_.compute());
  const double forward_flops = micro_batch.pass.exact_flops().forward;
  auto backward = method_.backward(micro_batch, share);
  accumulate(std::move(backward.gradients));

  report.loss += share * loss;
  report.adaptation_seconds += backward.adaptation_seconds;
  report.flops.exact += exact.forward + exact.backward;
  report.flops.performed += forward_flops + backward.flops;
}

void Trainer::finish_updates() { optimizer_->catch_up(); }

double Trainer::epoch() const {
  return static_cast<double>(steps_done_) / static_cast<double>(steps_per_epoch_);
}

std::vector<MicroBatchPosition> Trainer::positions_of(int64_t step) const {
  const int64_t per_epoch = source_.batches_per_epoch();
  const int64_t epoch = step / steps_per_epoch_;
  const int64_t first = step % steps_per_epoch_ * options_.gradient_accumulation_steps;
  const int64_t last = std::min(per_epoch, first + options_.gradient_accumulation_steps);
  std::vector<MicroBatchPosition> positions;
  for (int64_t index = first; index < last; ++index)
    positions.push_back({epoch, index, epoch * per_epoch + index});
  return positions;
}

void Trainer::accumulate(std::vector<at::Tensor> gradients) {
  if (gradients_.empty()) {
    gradients_ = std::move(gradients);
    owns_gradients_ = false;
    return;
  }
  for (size_t i = 0; i < gradients_.size(); ++i) {
    if (owns_gradients_) {
      gradients_[i].add_(gradients[i]);
    } else {
      gradients_[i] = gradients_[i].add(gradients[i]);
    }
  }
  owns_gradients_ = true;
}

void Trainer::update(StepReport& report) {
  for (auto& gradient : gradients_) {
    if (gradient.is_sparse()) gradient = gradient.coalesce();
  }
  if (zero_masks_) zero_masks_->apply(gradients_, owns_gradients_);
  report.gradient_norm = global_norm(gradients_);
  require_finite(report.gradient_norm, "gradient norm");
  const double coefficient = clipping_coefficient(report.gradient_norm, options_.max_grad_norm);
  report.clipped = coefficient < 1;
  report.learning_rate = schedule_.learning_rate(steps_done_);
  optimizer_->step(gradients_, report.learning_rate, coefficient);
  gradients_.clear();
  report.step = ++steps_done_;
}

void Trainer::require_finite(double value, const char* what) const {
  if (std::isfinite(value)) return;
  throw NonFiniteError(fmt::format("step {}: expected a finite {}, got {} ({}{})", steps_done_ + 1, what,
                                   value, last_batch_, first_not_finite()));
}

std::string Trainer::first_not_finite() const {
  const auto parameters = task_.model().trainable_parameters();
  for (const auto& parameter : parameters)
    if (!is_finite(parameter.value)) return "; not finite: weight " + parameter.name;
  for (size_t i = 0; i < gradients_.size(); ++i)
    if (!is_finite(gradients_[i])) return "; not finite: gradient of " + parameters[i].name;
  return {};
}

void Trainer::require_finite_weights() {
  finish_updates();
  for (const auto& parameter : task_.model().trainable_parameters()) {
    if (is_finite(parameter.value)) continue;
    throw NonFiniteError(fmt::format("after step {}: expected finite weights, got NaN or Inf in {} ({})",
                                     steps_done_, parameter.name, last_batch_));
  }
}

TrainerState Trainer::state() {
  finish_updates();
  const MethodState method = method_.state();
  TrainerState state;
  state.numbers = {{"step", steps_done_},
                   {"optimizer_steps", optimizer_->steps()},
                   {"micro_batches_per_epoch", source_.batches_per_epoch()},
                   {"next_micro_batch", positions_of(steps_done_).front().number},
                   {"method", method_.name()},
                   {"method_state", method.numbers},
                   {"method_tensors", method.tensors.size()}};
  state.optimizer = optimizer_->state();
  for (size_t i = 0; i < method.tensors.size(); ++i) {
    state.tensors[kMethodTensor + std::to_string(i)] = method.tensors[i];
  }
  return state;
}

void Trainer::load_state(const TrainerState& state) {
  const auto& numbers = state.numbers;
  const auto step = numbers.at("step").get<int64_t>();
  MethodState method{numbers.at("method_state"), {}};
  for (size_t i = 0; i < numbers.at("method_tensors").get<size_t>(); ++i) {
    method.tensors.push_back(state.tensors.at(kMethodTensor + std::to_string(i)));
  }
  optimizer_->load_state(state.optimizer, numbers.at("optimizer_steps").get<int64_t>());
  method_.load_state(method);
  steps_done_ = step;
  const auto expected = numbers.at("next_micro_batch").get<int64_t>();
  const int64_t got = positions_of(steps_done_).front().number;
  TORCH_CHECK(got == expected, "trainer: expected the data to go on at micro-batch ", expected, ", got ",
              got);
}

}  // namespace vcas::training
