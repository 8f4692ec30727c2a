#pragma once

namespace vcas::control {

/// A cost table as `vcas calibrate` writes it (docs/benchmarks/costs.md), to three digits.
inline constexpr const char* kShippedCosts = R"json({"entries": [
  {"block": "transformer_layer 384x1536", "device": "cpu", "dtype": "float32", "threads": 1,
   "backward": {"batch_row": 5.4e-08, "draw": 1.2e-05, "row": 2e-05},
   "weight_gradients": [
    {"draw": 6.6e-06, "row": 1.48e-06, "scored_row": 2.73e-08},
    {"draw": 6.6e-06, "row": 1.48e-06, "scored_row": 2.73e-08},
    {"draw": 6.6e-06, "row": 1.48e-06, "scored_row": 2.73e-08},
    {"draw": 6.6e-06, "row": 1.48e-06, "scored_row": 2.73e-08},
    {"draw": 5.77e-06, "row": 6.4e-06, "scored_row": 8.11e-08},
    {"draw": 1.2e-05, "row": 6.66e-06, "scored_row": 0.0}]},
  {"block": "transformer_layer 384x1536", "device": "cpu", "dtype": "float32", "threads": 2,
   "backward": {"batch_row": 3.71e-08, "draw": 1.46e-05, "row": 1.09e-05},
   "weight_gradients": [
    {"draw": 7.14e-06, "row": 9.83e-07, "scored_row": 6.01e-08},
    {"draw": 7.14e-06, "row": 9.83e-07, "scored_row": 6.01e-08},
    {"draw": 7.14e-06, "row": 9.83e-07, "scored_row": 6.01e-08},
    {"draw": 7.14e-06, "row": 9.83e-07, "scored_row": 6.01e-08},
    {"draw": 4.44e-06, "row": 3.51e-06, "scored_row": 5.32e-08},
    {"draw": 6.88e-06, "row": 3.54e-06, "scored_row": 5.1e-08}]},
  {"block": "transformer_layer 384x1536", "device": "cpu", "dtype": "bfloat16", "threads": 1,
   "backward": {"batch_row": 4.44e-08, "draw": 1.21e-05, "row": 1.24e-05},
   "weight_gradients": [
    {"draw": 4.54e-06, "row": 7.38e-07, "scored_row": 3.64e-08},
    {"draw": 4.54e-06, "row": 7.38e-07, "scored_row": 3.64e-08},
    {"draw": 4.54e-06, "row": 7.38e-07, "scored_row": 3.64e-08},
    {"draw": 4.54e-06, "row": 7.38e-07, "scored_row": 3.64e-08},
    {"draw": 1.19e-05, "row": 3.28e-06, "scored_row": 6.06e-08},
    {"draw": 1.33e-05, "row": 3.12e-06, "scored_row": 1.95e-08}]},
  {"block": "transformer_layer 384x1536", "device": "cpu", "dtype": "bfloat16", "threads": 2,
   "backward": {"batch_row": 3.89e-08, "draw": 1.28e-05, "row": 7.22e-06},
   "weight_gradients": [
    {"draw": 7.78e-06, "row": 5.58e-07, "scored_row": 4.26e-08},
    {"draw": 7.78e-06, "row": 5.58e-07, "scored_row": 4.26e-08},
    {"draw": 7.78e-06, "row": 5.58e-07, "scored_row": 4.26e-08},
    {"draw": 7.78e-06, "row": 5.58e-07, "scored_row": 4.26e-08},
    {"draw": 1.19e-05, "row": 2.04e-06, "scored_row": 3.26e-08},
    {"draw": 1.01e-05, "row": 1.95e-06, "scored_row": 2.11e-08}]},
  {"block": "transformer_layer 768x3072", "device": "cpu", "dtype": "float32", "threads": 1,
   "backward": {"batch_row": 1.19e-07, "draw": 1.45e-05, "row": 7.17e-05},
   "weight_gradients": [
    {"draw": 1.49e-05, "row": 5.85e-06, "scored_row": 1.9e-08},
    {"draw": 1.49e-05, "row": 5.85e-06, "scored_row": 1.9e-08},
    {"draw": 1.49e-05, "row": 5.85e-06, "scored_row": 1.9e-08},
    {"draw": 1.49e-05, "row": 5.85e-06, "scored_row": 1.9e-08},
    {"draw": 0.0, "row": 2.3e-05, "scored_row": 1.73e-07},
    {"draw": 2.74e-05, "row": 2.5e-05, "scored_row": 6.43e-08}]},
  {"block": "transformer_layer 768x3072", "device": "cpu", "dtype": "float32", "threads": 2,
   "backward": {"batch_row": 7.41e-08, "draw": 1.66e-05, "row": 3.67e-05},
   "weight_gradients": [
    {"draw": 1.4e-05, "row": 3.08e-06, "scored_row": 6.91e-08},
    {"draw": 1.4e-05, "row": 3.08e-06, "scored_row": 6.91e-08},
    {"draw": 1.4e-05, "row": 3.08e-06, "scored_row": 6.91e-08},
    {"draw": 1.4e-05, "row": 3.08e-06, "scored_row": 6.91e-08},
    {"draw": 4.51e-06, "row": 1.16e-05, "scored_row": 9.46e-08},
    {"draw": 0.0, "row": 1.25e-05, "scored_row": 0.0}]},
  {"block": "transformer_layer 768x3072", "device": "cpu", "dtype": "bfloat16", "threads": 1,
   "backward": {"batch_row": 1.05e-07, "draw": 1.3e-05, "row": 3.91e-05},
   "weight_gradients": [
    {"draw": 1.01e-05, "row": 3.18e-06, "scored_row": 4.2e-08},
    {"draw": 1.01e-05, "row": 3.18e-06, "scored_row": 4.2e-08},
    {"draw": 1.01e-05, "row": 3.18e-06, "scored_row": 4.2e-08},
    {"draw": 1.01e-05, "row": 3.18e-06, "scored_row": 4.2e-08},
    {"draw": 9.13e-06, "row": 1.23e-05, "scored_row": 1.23e-07},
    {"draw": 1.33e-05, "row": 1.24e-05, "scored_row": 9.61e-08}]},
  {"block": "transformer_layer 768x3072", "device": "cpu", "dtype": "bfloat16", "threads": 2,
   "backward": {"batch_row": 5.38e-08, "draw": 1.44e-05, "row": 2.03e-05},
   "weight_gradients": [
    {"draw": 7.86e-06, "row": 1.56e-06, "scored_row": 7.83e-08},
    {"draw": 7.86e-06, "row": 1.56e-06, "scored_row": 7.83e-08},
    {"draw": 7.86e-06, "row": 1.56e-06, "scored_row": 7.83e-08},
    {"draw": 7.86e-06, "row": 1.56e-06, "scored_row": 7.83e-08},
    {"draw": 1.52e-05, "row": 6.32e-06, "scored_row": 7.41e-08},
    {"draw": 1.71e-05, "row": 6.1e-06, "scored_row": 4.37e-08}]}
]})json";

}  // namespace vcas::control
