#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "vcas/nn/model.h"

namespace vcas::models::hugging_face {

/// Values of a tensor that nothing was learned for yet: normal, or the mean alone where the deviation is 0.
struct InitialValues {
  double mean = 0;
  double deviation = 0;
};

/// Place of one of a model's own tensors in a Hugging Face file.
struct TensorRule {
  std::string own;          ///< path in the model: "encoder.0.query_weight"
  std::string file;         ///< name in the file: "bert.encoder.layer.0.attention.self.query.weight"
  bool transposed = false;  ///< the file holds [inputs, outputs], the model [outputs, inputs]
  /// Several own tensors of one shape lie in the file as one, one after the other by outputs: GPT-2's c_attn
  /// [inputs, 3·outputs] is query, key and value.
  int64_t part = 0, parts = 1;
  bool head = false;           ///< may be missing in a file
  InitialValues initial = {};  ///< where it is missing
};

/// How an architecture's tensors are called and laid out in Hugging Face's files. Rules without parts that
/// name one tensor of a file are places of one tied parameter.
struct TensorTable {
  std::string prefix;             ///< of names; a file of the backbone alone may leave it out
  std::vector<TensorRule> rules;  ///< one for each path of a tensor of the model
  std::vector<std::string>
      ignored_endings;  ///< of names of buffers that files may hold and the model does not need
  /// Parts of names, each with what older files have in its place: LayerNorm.weight, LayerNorm.gamma.
  std::vector<std::pair<std::string, std::string>> older_names = {};
};

/// How the tensors of a file fitted a model.
struct LoadReport {
  std::vector<std::string> initialised;  ///< head tensors that the file lacks, drawn from the seed
  std::vector<std::string> surplus;      ///< tensors that only the file has, without the ignored ones
  std::vector<std::string> resized;      ///< tensors of another shape in the file, drawn from the seed
};

/// Copies a file's tensors into a model, whatever their floating point dtype.
/// @param seed draws the tensors of a missing head, in the order of their names in the file.
/// @param require_head a missing head is an error instead.
/// @param ignore_mismatched_sizes draws a tensor that has another shape in the file too.
/// @throws std::invalid_argument naming every tensor that is missing, has a wrong shape or dtype, or holds a
///         value that is not finite; the model's values are then undefined. @throws c10::Error when the table
///         does not describe the model.
LoadReport load_file_tensors(nn::Model& model, const TensorTable& table, const nn::NamedTensors& tensors,
                             uint64_t seed, bool require_head, bool ignore_mismatched_sizes = false);

/// A model's tensors as Hugging Face's files have them. One that lies in the file as in the model shares its
/// storage.
nn::NamedTensors file_tensors(const nn::Model& model, const TensorTable& table);

/// Draws every tensor but the head, in the order of their names in the file, and gives them as file_tensors()
/// does.
nn::NamedTensors initialise_backbone(nn::Model& model, const TensorTable& table, uint64_t seed);

/// A tensor's name in the file, with its part where several lie in one: "h.0.attn.c_attn.weight[1]".
/// @throws c10::Error when the table does not have it.
std::string file_name(const TensorTable& table, const std::string& own);

}  // namespace vcas::models::hugging_face
