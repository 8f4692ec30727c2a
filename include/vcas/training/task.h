#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "vcas/models/text_classifier.h"
#include "vcas/training/method.h"
#include "vcas/training/tensor_file.h"

namespace vcas::training {

/// Which micro-batch: its place in the data, and its number over the whole run.
struct MicroBatchPosition {
  int64_t epoch = 0;
  int64_t index = 0;  ///< in its epoch
  int64_t number = 0;

  bool operator==(const MicroBatchPosition&) const = default;
};

/// How a classifier does on held-out examples.
struct Evaluation {
  int64_t examples = 0;
  double loss = 0;  ///< mean cross-entropy
  double accuracy = 0;
  double macro_f1 = 0;  ///< mean over the classes that occur in labels or predictions
  double matthews = 0;  ///< Matthews correlation coefficient, 0 where it is undefined
};

/// A model together with the data that it learns from: what the trainer needs of either, and nothing about
/// what the data is.
class Task {
 public:
  virtual ~Task() = default;

  virtual std::vector<models::NamedParameter> parameters() const = 0;
  virtual std::vector<std::vector<models::SampledLinear>> sampled_linears() const = 0;
  /// Every tensor of the model, sharing storage: what a checkpoint stores and restores.
  virtual NamedTensors named_tensors() const = 0;

  virtual int64_t micro_batches_per_epoch() const = 0;
  /// Rows that forward() at this position reads of parameters whose gradient is sparse. The optimizer updates
  /// them just before; rows of such a parameter that no pass reads wait. A parameter that is never named here
  /// may have any gradient.
  virtual std::vector<models::RowsRead> rows_read(const MicroBatchPosition& /*position*/) { return {}; }
  /// A function of position and seed alone: a resumed run sees the same batches and the same dropout.
  virtual MicroBatch forward(const MicroBatchPosition& position, uint64_t seed) = 0;
  /// Names the examples of a micro-batch, for messages: "examples 17, 4, 230".
  virtual std::string describe(const MicroBatchPosition& position) = 0;

  /// Nothing when there are no held-out examples.
  virtual std::optional<Evaluation> evaluate() = 0;
  /// Writes the model as Hugging Face loads it into an existing folder.
  virtual void save_model(const std::filesystem::path& folder) const = 0;
};

}  // namespace vcas::training
