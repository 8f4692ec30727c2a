#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vcas/formats/json.h"

namespace vcas::models::hugging_face {

// The one place that reads the classes of a config.json: its keys id2label and num_labels.

/// Class names of id2label {"0": "negative", ...} in the order of their ids, which must be 0..n-1; empty
/// where it is missing, null or empty. A number for a name is its text.
/// @throws formats::InputError naming file and key.
std::vector<std::string> label_names(const formats::JsonObject& config);

/// Number of classes: of id2label, else num_labels, else Hugging Face's 2.
/// @throws formats::InputError naming file and key.
int64_t label_count(const formats::JsonObject& config);

}  // namespace vcas::models::hugging_face
