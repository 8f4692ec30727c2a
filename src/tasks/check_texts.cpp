#include "tasks/check_texts.h"

#include <ATen/ops/isfinite.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "formats/warning.h"
#include "vcas/formats/error.h"
#include "vcas/formats/json.h"

namespace vcas::tasks {
namespace {

[[noreturn]] void fail(const models::hugging_face::ModelDirectory& directory, std::string_view key,
                       const std::string& expected, int64_t got) {
  throw formats::InputError((directory.path / "config.json").string(),
                            fmt::format("key '{}': expected {}, got {}", key, expected, got));
}

}  // namespace

void require_embeddings(const data::TokenizedTexts& texts,
                        const models::hugging_face::ModelDirectory& directory, std::string_view part) {
  const auto config = directory.bert_config();
  for (int64_t example = 0; example < texts.size(); ++example) {
    const int64_t largest = std::ranges::max(texts.ids(example));
    if (largest >= config.vocab_size) {
      fail(directory, "vocab_size",
           fmt::format(
               "more than {}, the id of a token of text {} of the {} (the tokenizer has tokens that the "
               "model has no embedding for)",
               largest, example, part),
           config.vocab_size);
    }
    if (config.type_vocab_size < 2 && texts.second_begin(example) < texts.length(example)) {
      fail(directory, "type_vocab_size",
           fmt::format("at least 2 for the pairs of the {}, whose second texts have token type 1", part),
           config.type_vocab_size);
    }
  }
}

void warn_of_model_max_length(const models::hugging_face::ModelDirectory& directory, int64_t max_seq_length) {
  const auto file = directory.tokenizer_files.find("tokenizer_config.json");
  if (file == directory.tokenizer_files.end()) return;
  const auto config = formats::parse_json(file->second, (directory.path / file->first).string());
  const auto length = config.find("model_max_length");
  if (length == config.end() || !length->is_number() ||
      length->get<double>() >= static_cast<double>(max_seq_length))
    return;
  formats::warn(fmt::format("{}: model_max_length is {}, max_seq_length {} is followed",
                            (directory.path / file->first).string(), length->dump(), max_seq_length));
}

void require_finite(const Predictions& predictions) {
  const auto finite = predictions.probabilities.isfinite().all(1);
  for (int64_t example = 0; example < finite.size(0); ++example) {
    const double probability =
        predictions.probabilities[example][predictions.labels.at(static_cast<size_t>(example))]
            .item<double>();
    if (finite[example].item<bool>() && (std::isfinite(predictions.loss) || probability > 0)) continue;
    throw std::runtime_error(fmt::format(
        "text {} (counted from 0): expected a finite result of the model, got probability {} of its "
        "class and loss {}",
        example, probability, predictions.loss));
  }
}

}  // namespace vcas::tasks
