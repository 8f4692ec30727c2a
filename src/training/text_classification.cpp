#include "vcas/training/text_classification.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "vcas/formats/atomic_directory.h"
#include "vcas/formats/error.h"
#include "vcas/formats/json.h"
#include "vcas/ops/encoder_layer.h"
#include "vcas/training/calibration.h"
#include "vcas/training/checkpoint.h"
#include "vcas/training/evaluation.h"
#include "vcas/training/output_directory.h"
#include "vcas/training/text_model_directory.h"

namespace vcas::training {
namespace {

namespace fs = std::filesystem;
using formats::InputError;

constexpr const char* kWordNetNouns = "wordnet-nouns";
constexpr int64_t kBertPositions =
    512;  // max_position_embeddings where config.json says nothing, as in BertConfig

struct TextSplits {
  data::TextDataset train;
  std::optional<data::TextDataset> validation;
};

TextSplits read_splits(const TextDataOptions& options) {
  TextSplits splits;
  if (options.dataset == kWordNetNouns) {
    auto wordnet = data::read_wordnet_nouns();
    splits = {std::move(wordnet.train), std::move(wordnet.validation)};
  } else {
    splits.train = data::read_training_file(options.train_file, options.columns);
    if (!options.validation_file.empty()) {
      splits.validation =
          data::read_evaluation_file(options.validation_file, options.columns, splits.train.label_names);
    }
  }
  if (options.max_train_samples) splits.train.keep_first(*options.max_train_samples);
  if (options.max_eval_samples && splits.validation) splits.validation->keep_first(*options.max_eval_samples);
  return splits;
}

void require_length_fits(const TextDataOptions& options, const TextModelDirectory& directory) {
  const formats::JsonObject config(directory.config, (directory.path / "config.json").string());
  const int64_t positions = config.integer_or("max_position_embeddings", kBertPositions);
  const int64_t minimum = options.columns.text_pair ? 3 : 2;
  if (options.max_seq_length < minimum || options.max_seq_length > positions) {
    throw InputError(fmt::format("max_seq_length: expected {} to {} ({}: max_position_embeddings), got {}",
                                 minimum, positions, directory.path.string(), options.max_seq_length));
  }
}

data::TokenizedTexts tokenize(const data::TextDataset& dataset, const TextModelDirectory& directory,
                              int64_t max_length, std::string_view part) {
  data::TokenizedTexts texts(dataset, directory.tokenizer, max_length, at::get_num_threads());
  if (texts.truncated_count() > 0) {
    warn(fmt::format("{}: {} of {} texts are longer than max_seq_length {} and were cut", part,
                     texts.truncated_count(), texts.size(), max_length));
  }
  return texts;
}

/// What sampling costs and saves in a block of this model; nothing where the table does not know its shape.
std::optional<control::EncoderLayerCost> cost_of(const TextTrainingOptions& options,
                                                 const TextModelDirectory& directory) {
  if (options.method.name != "vcas" || !options.benefit_gate) return std::nullopt;
  const auto config = read_bert_config(directory.config, directory.path);
  const auto key =
      present_cost_key(config.hidden_size, config.intermediate_size, options.train.compute().precision);
  const auto table =
      options.cost_table.empty() ? control::CostTable::shipped() : read_cost_table(options.cost_table);
  const auto* cost = table.find(key);
  if (cost != nullptr && std::ssize(cost->linears) == ops::kEncoderLinears) return *cost;
  if (options.cost_table.empty()) {
    warn(fmt::format(
        "no costs come with vcas for blocks of {} x {}, {}, {} threads: all is sampled, paying or "
        "not (vcas calibrate measures them, --cost_table reads them)",
        key.hidden_size, key.intermediate_size, key.dtype, key.threads));
    return std::nullopt;
  }
  throw InputError(
      options.cost_table.string(),
      fmt::format("expected an entry for hidden_size {}, intermediate_size {}, {}, {} threads with {} "
                  "weight_gradients",
                  key.hidden_size, key.intermediate_size, key.dtype, key.threads, ops::kEncoderLinears));
}

/// The costs that a run decides by, beside its results.
void write_costs(const Method& method, const fs::path& output_dir) {
  const auto cost = method.cost();
  if (!cost) return;
  control::CostTable table;
  table.set(*cost);
  formats::write_file_atomically(output_dir / "cost_table.json", table.to_json().dump(2) + "\n");
}

TextBatching batching_of(const TextTrainingOptions& options) {
  return {options.train.seed, options.train.per_device_train_batch_size,
          options.train.per_device_eval_batch_size,
          options.data.train_sampling_strategy == SamplingStrategy::group_by_length};
}

RunOptions run_options_of(const TextTrainingOptions& options, const data::TokenizedTexts& train,
                          const std::function<int()>& stop_signal) {
  RunOptions run_options;
  run_options.output_dir = options.output_dir;
  run_options.stop_signal = stop_signal;
  run_options.threads = at::get_num_threads();
  run_options.fingerprint = {{"max_seq_length", options.data.max_seq_length},
                             {"training examples", train.size()},
                             {"training tokens", train.token_count()},
                             {"bf16", options.train.bf16}};
  return run_options;
}

/// Said once a run: results are right either way.
void warn_of_slow(ops::Precision precision) {
  if (!ops::is_fast(ops::Precision::float32)) {
    warn("products run without AVX-512 here (processor or ONEDNN_MAX_CPU_ISA): right, but slow");
  } else if (!ops::is_fast(precision)) {
    warn("products run without AVX512-BF16 here (processor or ONEDNN_MAX_CPU_ISA): slower than in float32");
  }
}

/// The checkpoint to go on from, if any.
std::optional<fs::path> checkpoint_to_resume(const TextTrainingOptions& options) {
  if (options.resume_from_checkpoint.empty()) return std::nullopt;
  if (options.resume_from_checkpoint == "auto") return newest_checkpoint(options.output_dir);
  if (!fs::is_directory(options.resume_from_checkpoint)) {
    throw InputError(fmt::format("resume_from_checkpoint: expected auto or a checkpoint's folder, got '{}'",
                                 options.resume_from_checkpoint));
  }
  return fs::path(options.resume_from_checkpoint);
}

bool lies_in(const fs::path& checkpoint, const fs::path& output_dir) {
  return fs::exists(checkpoint) && fs::exists(output_dir) &&
         fs::equivalent(fs::canonical(checkpoint).parent_path(), output_dir);
}

/// Names of a model whose config.json names none, as Hugging Face gives them.
std::vector<std::string> labels_or_default(const TextModelDirectory& directory) {
  if (!directory.labels.empty()) return directory.labels;
  const formats::JsonObject config(directory.config, (directory.path / "config.json").string());
  const int64_t count = config.integer_or("num_labels", 2, 2);
  std::vector<std::string> labels;
  for (int64_t id = 0; id < count; ++id) labels.push_back(fmt::format("LABEL_{}", id));
  return labels;
}

data::TextDataset read_held_out(const TextDataOptions& options, const std::vector<std::string>& labels) {
  if (options.dataset != kWordNetNouns) {
    return data::read_evaluation_file(options.validation_file, options.columns, labels);
  }
  auto held_out = data::read_wordnet_nouns().validation;
  if (held_out.label_names != labels) {
    throw InputError(fmt::format("{}: expected the classes of {} ({}), got {}",
                                 options.model_name_or_path.string(), kWordNetNouns,
                                 fmt::join(held_out.label_names, ", "), fmt::join(labels, ", ")));
  }
  return held_out;
}

}  // namespace

RunResult train_text_classifier(const TextTrainingOptions& options, const std::function<int()>& stop_signal) {
  const auto checkpoint = checkpoint_to_resume(options);
  const bool continues_run = checkpoint && lies_in(*checkpoint, options.output_dir);
  require_usable_output_directory(options.output_dir, options.data.model_name_or_path,
                                  continues_run || options.overwrite_output_dir);
  // A checkpoint is a model's folder too: with its head, and with the configuration that the run writes.
  const auto directory = read_text_model_directory(checkpoint.value_or(options.data.model_name_or_path));
  require_length_fits(options.data, directory);
  // A checkpoint holds the costs that its run began with.
  const auto cost = checkpoint ? std::nullopt : cost_of(options, directory);

  const TextSplits splits = read_splits(options.data);
  const auto& labels = splits.train.label_names;
  auto train = tokenize(splits.train, directory, options.data.max_seq_length, "training texts");
  std::optional<data::TokenizedTexts> validation;
  if (splits.validation) {
    validation = tokenize(*splits.validation, directory, options.data.max_seq_length, "evaluation texts");
  }
  const auto model = load_text_classifier(directory, labels, options.train.seed,
                                          /*require_head=*/checkpoint.has_value());

  const auto run_options = run_options_of(options, train, stop_signal);
  TextClassificationTask task(
      *model, std::move(train), std::move(validation), batching_of(options),
      [&](const fs::path& folder) { save_text_classifier(directory, *model, labels, folder); },
      options.train.compute());
  warn_of_slow(options.train.compute().precision);
  auto method = make_method(options.method, task, options.train.seed, cost);
  if (options.probe) {
    method =
        std::make_unique<ProbingMethod>(std::move(method), *options.probe, options.output_dir / "probe.jsonl",
                                        task.parameters(), task.sampled_linears());
  }
  Run run(options.train, run_options, task, *method);
  if (checkpoint) run.resume(*checkpoint);

  if (const int signal = stop_signal()) return {{}, signal, {}};
  prepare_output_directory(options.output_dir,
                           /*remove_previous_run=*/options.overwrite_output_dir && !continues_run);
  write_costs(*method, options.output_dir);
  return run.execute();
}

TextEvaluation evaluate_text_classifier(const TextDataOptions& options, int64_t batch_size) {
  const auto directory = read_text_model_directory(options.model_name_or_path);
  require_length_fits(options, directory);
  const auto labels = labels_or_default(directory);
  auto dataset = read_held_out(options, labels);
  if (options.max_eval_samples) dataset.keep_first(*options.max_eval_samples);
  const auto texts = tokenize(dataset, directory, options.max_seq_length, "evaluation texts");
  const auto model = load_text_classifier(directory, labels, /*seed=*/0, /*require_head=*/true);
  auto predictions = predict(*model, texts, batch_size);
  const auto scores = score_predictions(predictions.labels, predictions.classes,
                                        static_cast<int64_t>(labels.size()), predictions.loss);
  return {scores, std::move(predictions), labels};
}

control::EncoderLayerCost calibrate(const fs::path& model_name_or_path, ops::Precision precision,
                                    double seconds) {
  const auto directory = read_text_model_directory(model_name_or_path);
  const auto config = read_bert_config(directory.config, directory.path);
  return measure_encoder_layer_cost(config.hidden_size, config.intermediate_size, config.num_attention_heads,
                                    precision, seconds);
}

control::CostTable read_cost_table(const fs::path& path) {
  try {
    return control::CostTable::from_json(formats::read_json(path));
  } catch (const std::invalid_argument& error) {
    throw InputError(path.string(), error.what());
  }
}

const std::vector<std::string>& builtin_text_datasets() {
  static const std::vector<std::string> names = {kWordNetNouns};
  return names;
}

}  // namespace vcas::training
