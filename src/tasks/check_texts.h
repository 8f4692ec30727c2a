#pragma once

#include <cstdint>
#include <string_view>

#include "vcas/data/tokenized_texts.h"
#include "vcas/models/hugging_face/model_directory.h"
#include "vcas/tasks/text_classification.h"

namespace vcas::tasks {

/// Requires that a model has an embedding for every token and token type of the texts.
/// @param part of the data, for messages: "training texts".
/// @throws formats::InputError naming config.json's vocab_size or type_vocab_size, and the first such text.
void require_embeddings(const data::TokenizedTexts& texts,
                        const models::hugging_face::ModelDirectory& directory, std::string_view part);

/// Says where max_seq_length is more than tokenizer_config.json's model_max_length, which is not followed: as
/// in a call of Hugging Face's tokenizer, the length that is asked for counts.
void warn_of_model_max_length(const models::hugging_face::ModelDirectory& directory, int64_t max_seq_length);

/// Requires that every probability and the loss are finite.
/// @throws std::runtime_error naming the first text whose are not, counted from 0 as in predictions.
void require_finite(const Predictions& predictions);

}  // namespace vcas::tasks
