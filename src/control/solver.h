#pragma once

#include <memory>
#include <vector>

#include "control/state.h"
#include "vcas/control/options.h"
#include "vcas/sampling/layout.h"
#include "vcas/sampling/stream.h"

namespace vcas::control {

/// Turns a complete window into new ratios, in rounds: numbers of this rank go out, their means over ranks
/// come in. Every rank goes through the same rounds.
class RatioSolver {
 public:
  virtual ~RatioSolver() = default;
  RatioSolver(const RatioSolver&) = delete;
  RatioSolver& operator=(const RatioSolver&) = delete;

  /// Of the present round; as many on every rank.
  virtual std::vector<double> numbers() const = 0;
  /// @return true when there is another round.
  virtual bool take(const std::vector<double>& means) = 0;

 protected:
  RatioSolver() = default;
};

/// @param state with a complete window; its ratios and averages are what is solved for. State, options and
/// layout must outlive the solver.
std::unique_ptr<RatioSolver> paper_solver(ControllerState& state, const ControllerOptions& options,
                                          const sampling::SamplingLayout& layout);
/// @param stream seed and micro-batch of the replayed draws.
std::unique_ptr<RatioSolver> solve_solver(ControllerState& state, const ControllerOptions& options,
                                          const sampling::SamplingLayout& layout,
                                          const sampling::StreamKey& stream);

}  // namespace vcas::control
