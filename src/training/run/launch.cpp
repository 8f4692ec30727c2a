#include "vcas/training/run/launch.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <set>
#include <string>
#include <utility>

#include "formats/atomic_directory.h"
#include "formats/warning.h"
#include "ops/dtype_name.h"
#include "training/methods/probe.h"
#include "training/run/checkpoint.h"
#include "training/run/output_directory.h"
#include "training/run/run.h"
#include "vcas/formats/error.h"
#include "vcas/ops/precision.h"
#include "vcas/training/methods/calibration.h"

namespace vcas::training {
namespace {

namespace fs = std::filesystem;
using formats::InputError;

/// Said once a run: results are correct either way.
void warn_of_slow(ops::Precision precision) {
  if (!ops::is_fast(ops::Precision::float32)) {
    formats::warn("products run without AVX-512 here (processor or ONEDNN_MAX_CPU_ISA): right, but slow");
  } else if (!ops::is_fast(precision)) {
    formats::warn(
        "products run without AVX512-BF16 here (processor or ONEDNN_MAX_CPU_ISA): slower than in float32");
  }
}

bool lies_in(const fs::path& checkpoint, const fs::path& output_dir) {
  return fs::exists(checkpoint) && fs::exists(output_dir) &&
         fs::equivalent(fs::canonical(checkpoint).parent_path(), output_dir);
}

std::optional<fs::path> find_checkpoint(const RunOptions& options) {
  if (options.resume_from_checkpoint.empty()) return std::nullopt;
  if (options.resume_from_checkpoint == "auto") return newest_checkpoint(options.output_dir);
  if (!fs::is_directory(options.resume_from_checkpoint)) {
    throw InputError(fmt::format("resume_from_checkpoint: expected auto or a checkpoint's folder, got '{}'",
                                 options.resume_from_checkpoint));
  }
  return fs::path(options.resume_from_checkpoint);
}

bool continues_run(const RunOptions& options, const std::optional<fs::path>& checkpoint) {
  return checkpoint && lies_in(*checkpoint, options.output_dir);
}

control::CostTable cost_table(const RunOptions& options) {
  return options.cost_table.empty() ? control::CostTable::shipped() : read_cost_table(options.cost_table);
}

void write_documents(const Method& method, const fs::path& output_dir) {
  for (const auto& [name, document] : method.documents())
    formats::write_file_atomically(output_dir / name, document.dump(2) + "\n");
}

RunSettings settings_of(const RunOptions& options, const Task& task, const std::string& task_name,
                        const std::function<int()>& stop_signal) {
  RunSettings settings{task_name, options.output_dir, stop_signal, task.fingerprint(), at::get_num_threads()};
  settings.fingerprint["bf16"] = options.train.bf16;
  return settings;
}

}  // namespace

std::optional<fs::path> checkpoint_to_resume(const RunOptions& options, const fs::path& model) {
  auto checkpoint = find_checkpoint(options);
  require_usable_output_directory(options.output_dir, model,
                                  continues_run(options, checkpoint) || options.overwrite_output_dir);
  return checkpoint;
}

control::BlockCosts costs_of(const RunOptions& options, const nn::Model& model) {
  if (options.method.name != "vcas" || !options.benefit_gate) return {};
  const auto layout = model.layout();
  const std::string dtype = ops::dtype_name(options.train.compute().precision);
  const int64_t threads = at::get_num_threads();
  auto costs = cost_table(options).find(layout, "cpu", dtype, threads);
  std::set<std::string> unknown;
  for (size_t i = 0; i < layout.blocks.size(); ++i) {
    const auto& block = layout.blocks[i];
    if (costs[i] && costs[i]->weights.size() == block.weights.size()) continue;
    if (costs[i] && !options.cost_table.empty()) {
      throw InputError(options.cost_table.string(),
                       fmt::format("expected {} weight_gradients of {}, got {}", block.weights.size(),
                                   block.cost_key, costs[i]->weights.size()));
    }
    costs[i].reset();
    unknown.insert(block.cost_key.empty() ? block.name : block.cost_key);
  }
  if (unknown.empty()) return costs;
  const auto blocks = fmt::format("{} ({}, {} threads)", fmt::join(unknown, ", "), dtype, threads);
  if (!options.cost_table.empty())
    throw InputError(options.cost_table.string(), fmt::format("expected an entry for {}", blocks));
  formats::warn(
      fmt::format("no costs come with vcas for blocks of {}: all is sampled, paying or not (vcas calibrate "
                  "measures them, --cost_table reads them)",
                  blocks));
  return costs;
}

RunResult launch(const RunOptions& options, Task& task, const std::string& task_name,
                 const std::optional<fs::path>& checkpoint, const std::function<int()>& stop_signal) {
  warn_of_slow(options.train.compute().precision);
  // A checkpoint holds the costs that its run began with.
  auto costs = checkpoint ? control::BlockCosts{} : costs_of(options, task.model());
  auto method = make_method(options.method, task.model(), options.train.seed, std::move(costs));
  if (options.probe) {
    method = std::make_unique<ProbingMethod>(std::move(method), *options.probe,
                                             options.output_dir / "probe.jsonl", task.model());
  }
  Run run(options.train, settings_of(options, task, task_name, stop_signal), task, *method);
  if (checkpoint) run.resume(*checkpoint);

  if (const int signal = stop_signal()) return {{}, signal, {}};
  prepare_output_directory(options.output_dir, /*remove_previous_run=*/options.overwrite_output_dir &&
                                                   !continues_run(options, checkpoint));
  write_documents(*method, options.output_dir);
  return run.execute();
}

}  // namespace vcas::training
