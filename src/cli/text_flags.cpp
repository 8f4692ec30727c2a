#include "cli/text_flags.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "vcas/formats/error.h"

namespace vcas::cli {

using formats::InputError;

void add_task_flag(FlagTable& flags, CommonOptions& options) {
  flags.add_choice<std::string>("task", options.task, {{"text-classification", "text-classification"}},
                                "what the model learns", {"image-classification", "mlm", "clm"});
}

void add_data_flags(FlagTable& flags, training::TextDataOptions& options, bool training) {
  flags.add("model_name_or_path", options.model_name_or_path,
            "folder of a Hugging Face model: config.json, model.safetensors, tokenizer.json or vocab.txt",
            "DIR");
  if (training) {
    flags.add("train_file", options.train_file,
              "texts to learn from: .csv, .tsv or .jsonl with named columns");
  }
  flags.add("validation_file", options.validation_file, "held-out texts, same columns");
  std::vector<std::pair<std::string, std::string>> datasets;
  for (const auto& name : training::builtin_text_datasets()) datasets.emplace_back(name, name);
  flags.add_choice("dataset", options.dataset, datasets, "built-in data instead of files", {"fashion-mnist"});
  flags.add("text_column", options.columns.text, "column of the text");
  flags.add("text_pair_column", options.columns.text_pair, "column of the second text, for pairs");
  flags.add("label_column", options.columns.label, "column of the class, an integer or a name");
  flags.add("max_seq_length", options.max_seq_length, at_least(2),
            "tokens of a text at most; longer ones are cut");
  if (training) {
    flags.add("max_train_samples", options.max_train_samples, at_least(1), "use the first texts only");
  }
  flags.add("max_eval_samples", options.max_eval_samples, at_least(1), "use the first held-out texts only");
  if (training) {
    flags.add_choice<training::SamplingStrategy>(
        "train_sampling_strategy", options.train_sampling_strategy,
        {{"random", training::SamplingStrategy::random},
         {"group_by_length", training::SamplingStrategy::group_by_length}},
        "how texts are put into batches");
  }
}

void add_threads_flag(FlagTable& flags, CommonOptions& options) {
  flags.add("threads", options.threads, between(0, 4096), "0: one a core; results depend on the number");
}

void require_data(const training::TextDataOptions& options, bool training) {
  if (options.model_name_or_path.empty())
    throw InputError("--model_name_or_path: expected a folder, got nothing");
  const char* file_flag = training ? "--train_file" : "--validation_file";
  const auto& file = training ? options.train_file : options.validation_file;
  if (options.dataset.empty() && file.empty()) {
    throw InputError(fmt::format("{}: expected a file, got nothing (or give --dataset)", file_flag));
  }
  if (!options.dataset.empty() && !(options.train_file.empty() && options.validation_file.empty())) {
    throw InputError(fmt::format(
        "--dataset {}: expected no --train_file or --validation_file beside it, got one", options.dataset));
  }
}

void require_existing_folder(const std::string& flag, const std::filesystem::path& file) {
  const auto folder = file.parent_path();
  if (folder.empty() || std::filesystem::is_directory(folder)) return;
  throw InputError(flag, fmt::format("expected a file in an existing folder, got '{}'", file.string()));
}

void set_threads(int64_t threads) {
  if (threads > 0) at::set_num_threads(static_cast<int>(threads));
}

}  // namespace vcas::cli
