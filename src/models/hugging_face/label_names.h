#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vcas/formats/json.h"

namespace vcas::models::hugging_face {

// The one place that reads the classes of a config.json: its keys id2label and num_labels.

/// Hugging Face's name of a class without one: LABEL_0.
std::string default_label_name(int64_t id);

/// Class names of id2label {"0": "negative", ...} for the ids 0..n-1, n its size; empty where it is missing,
/// null or empty. As in Hugging Face keys are integers ("00" is 0), a number or truth value for a name is its
/// text in Python (True), and an id below n without a name has the default one.
/// @throws formats::InputError naming file and key.
std::vector<std::string> label_names(const formats::JsonObject& config);

/// Number of classes: of id2label, else num_labels, else Hugging Face's 2.
/// @throws formats::InputError naming file and key.
int64_t label_count(const formats::JsonObject& config);

}  // namespace vcas::models::hugging_face
