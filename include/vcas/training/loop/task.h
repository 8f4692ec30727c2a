#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "vcas/data/order.h"
#include "vcas/nn/batch.h"
#include "vcas/nn/model.h"
#include "vcas/nn/pass.h"
#include "vcas/training/loop/evaluation.h"

namespace vcas::training {

/// What a batch is made of: everything that its content depends on.
struct BatchRequest {
  std::vector<data::Visit> visits;
  uint64_t seed = 0;  ///< of what is random in the data: masks, augmentation; keyed by it, example and visit
};

/// A model together with the data that it learns from: what the trainer needs of either, and nothing about
/// what the data is. Derive from TaskOf.
class Task {
 public:
  virtual ~Task() = default;

  virtual nn::Model& model() = 0;
  /// [n] rows of each training example, at least one example; they group batches by length.
  virtual std::vector<int64_t> lengths() const = 0;
  /// A pure function of the request: it can be made ahead, on another thread.
  virtual std::unique_ptr<nn::Batch> batch(const BatchRequest& request) const = 0;
  /// @param batch that batch() made.
  virtual nn::Pass forward(const nn::Batch& batch, const nn::PassOptions& options) = 0;

  /// Values of the data that a resumed run must share, by flag.
  virtual nlohmann::json fingerprint() const { return nlohmann::json::object(); }
  /// Further values that the result depends on, by flag, and that a resumed run need not share: held-out
  /// data, the model that training begins with.
  virtual nlohmann::json result_fingerprint() const { return nlohmann::json::object(); }
  /// Nothing when there are no held-out examples. @throws EvaluationStopped when asked to stop.
  virtual std::optional<Evaluation> evaluate(const StopRequested& /*stop_requested*/) { return std::nullopt; }
  std::optional<Evaluation> evaluate() {
    return evaluate([] { return false; });
  }
  /// Writes the model into an existing folder, and reads it back: by default its own tensors as
  /// model.safetensors.
  /// @throws formats::InputError naming file and tensor.
  virtual void save_model(const std::filesystem::path& folder);
  virtual void load_model(const std::filesystem::path& folder);
};

/// Gives a batch the examples and weights of its visits.
void set_visits(nn::Batch& batch, const std::vector<data::Visit>& visits);

/// A task whose batches are of one type.
template <typename BatchType>
class TaskOf : public Task {
 public:
  std::unique_ptr<nn::Batch> batch(const BatchRequest& request) const final {
    auto batch = std::make_unique<BatchType>(make_batch(request));
    set_visits(*batch, request.visits);
    return batch;
  }
  nn::Pass forward(const nn::Batch& batch, const nn::PassOptions& options) final {
    return forward_batch(static_cast<const BatchType&>(batch), options);
  }

 protected:
  /// As batch(); examples and weights are filled in afterwards.
  virtual BatchType make_batch(const BatchRequest& request) const = 0;
  virtual nn::Pass forward_batch(const BatchType& batch, const nn::PassOptions& options) = 0;
};

/// "17, 4, 230".
std::string list_examples(const nn::Batch& batch);

}  // namespace vcas::training
