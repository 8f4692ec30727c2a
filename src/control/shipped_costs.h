#pragma once

namespace vcas::control {

/// A cost table as `vcas calibrate` writes it (docs/benchmarks/costs.md), to three digits.
inline constexpr const char* kShippedCosts = R"json({"entries": [
  {"hidden_size": 384, "intermediate_size": 1536, "dtype": "float32", "threads": 1,
   "block": {"batch_row": 4.45e-08, "draw": 1.02e-05, "row": 1.92e-05},
   "weight_gradients": [
    {"draw": 1.46e-05, "kept_row": 1.52e-06, "row": 1.52e-06, "scored_row": 2.01e-08},
    {"draw": 1.46e-05, "kept_row": 1.52e-06, "row": 1.52e-06, "scored_row": 2.01e-08},
    {"draw": 1.46e-05, "kept_row": 1.52e-06, "row": 1.52e-06, "scored_row": 2.01e-08},
    {"draw": 1.46e-05, "kept_row": 1.52e-06, "row": 1.52e-06, "scored_row": 2.01e-08},
    {"draw": 4.98e-05, "kept_row": 6.04e-06, "row": 6.03e-06, "scored_row": 0.0},
    {"draw": 5.28e-05, "kept_row": 5.89e-06, "row": 6.13e-06, "scored_row": 0.0}]},
  {"hidden_size": 384, "intermediate_size": 1536, "dtype": "float32", "threads": 2,
   "block": {"batch_row": 3.68e-08, "draw": 1.2e-05, "row": 1.06e-05},
   "weight_gradients": [
    {"draw": 1.3e-06, "kept_row": 7.14e-07, "row": 7.34e-07, "scored_row": 2.89e-08},
    {"draw": 1.3e-06, "kept_row": 7.14e-07, "row": 7.34e-07, "scored_row": 2.89e-08},
    {"draw": 1.3e-06, "kept_row": 7.14e-07, "row": 7.34e-07, "scored_row": 2.89e-08},
    {"draw": 1.3e-06, "kept_row": 7.14e-07, "row": 7.34e-07, "scored_row": 2.89e-08},
    {"draw": 3.48e-05, "kept_row": 3.28e-06, "row": 3.51e-06, "scored_row": 6.19e-08},
    {"draw": 3.65e-05, "kept_row": 3.43e-06, "row": 3.55e-06, "scored_row": 2.38e-08}]},
  {"hidden_size": 384, "intermediate_size": 1536, "dtype": "bfloat16", "threads": 1,
   "block": {"batch_row": 4.46e-08, "draw": 8.99e-06, "row": 1.14e-05},
   "weight_gradients": [
    {"draw": 2.42e-06, "kept_row": 7.12e-07, "row": 7.22e-07, "scored_row": 2.11e-08},
    {"draw": 2.42e-06, "kept_row": 7.12e-07, "row": 7.22e-07, "scored_row": 2.11e-08},
    {"draw": 2.42e-06, "kept_row": 7.12e-07, "row": 7.22e-07, "scored_row": 2.11e-08},
    {"draw": 2.42e-06, "kept_row": 7.12e-07, "row": 7.22e-07, "scored_row": 2.11e-08},
    {"draw": 4.88e-05, "kept_row": 3.11e-06, "row": 3.18e-06, "scored_row": 0.0},
    {"draw": 5.01e-05, "kept_row": 3.19e-06, "row": 3.17e-06, "scored_row": 0.0}]},
  {"hidden_size": 384, "intermediate_size": 1536, "dtype": "bfloat16", "threads": 2,
   "block": {"batch_row": 2.67e-08, "draw": 9.87e-06, "row": 6e-06},
   "weight_gradients": [
    {"draw": 2.07e-06, "kept_row": 3.64e-07, "row": 3.61e-07, "scored_row": 2.26e-08},
    {"draw": 2.07e-06, "kept_row": 3.64e-07, "row": 3.61e-07, "scored_row": 2.26e-08},
    {"draw": 2.07e-06, "kept_row": 3.64e-07, "row": 3.61e-07, "scored_row": 2.26e-08},
    {"draw": 2.07e-06, "kept_row": 3.64e-07, "row": 3.61e-07, "scored_row": 2.26e-08},
    {"draw": 2.56e-05, "kept_row": 1.46e-06, "row": 1.58e-06, "scored_row": 5.31e-09},
    {"draw": 2.12e-05, "kept_row": 1.44e-06, "row": 1.52e-06, "scored_row": 0.0}]},
  {"hidden_size": 768, "intermediate_size": 3072, "dtype": "float32", "threads": 1,
   "block": {"batch_row": 7.52e-08, "draw": 1.32e-05, "row": 6.53e-05},
   "weight_gradients": [
    {"draw": 3.67e-05, "kept_row": 5.56e-06, "row": 5.61e-06, "scored_row": 0.0},
    {"draw": 3.67e-05, "kept_row": 5.56e-06, "row": 5.61e-06, "scored_row": 0.0},
    {"draw": 3.67e-05, "kept_row": 5.56e-06, "row": 5.61e-06, "scored_row": 0.0},
    {"draw": 3.67e-05, "kept_row": 5.56e-06, "row": 5.61e-06, "scored_row": 0.0},
    {"draw": 0.000147, "kept_row": 2.12e-05, "row": 2.18e-05, "scored_row": 1.09e-07},
    {"draw": 0.000235, "kept_row": 2.13e-05, "row": 2.26e-05, "scored_row": 0.0}]},
  {"hidden_size": 768, "intermediate_size": 3072, "dtype": "float32", "threads": 2,
   "block": {"batch_row": 5.14e-08, "draw": 1.51e-05, "row": 3.46e-05},
   "weight_gradients": [
    {"draw": 1.46e-05, "kept_row": 2.73e-06, "row": 2.8e-06, "scored_row": 1.83e-08},
    {"draw": 1.46e-05, "kept_row": 2.73e-06, "row": 2.8e-06, "scored_row": 1.83e-08},
    {"draw": 1.46e-05, "kept_row": 2.73e-06, "row": 2.8e-06, "scored_row": 1.83e-08},
    {"draw": 1.46e-05, "kept_row": 2.73e-06, "row": 2.8e-06, "scored_row": 1.83e-08},
    {"draw": 8.22e-05, "kept_row": 1.1e-05, "row": 1.1e-05, "scored_row": 0.0},
    {"draw": 0.000127, "kept_row": 1.09e-05, "row": 1.15e-05, "scored_row": 0.0}]},
  {"hidden_size": 768, "intermediate_size": 3072, "dtype": "bfloat16", "threads": 1,
   "block": {"batch_row": 6.9e-08, "draw": 1.44e-05, "row": 3.8e-05},
   "weight_gradients": [
    {"draw": 3.68e-05, "kept_row": 2.98e-06, "row": 2.97e-06, "scored_row": 0.0},
    {"draw": 3.68e-05, "kept_row": 2.98e-06, "row": 2.97e-06, "scored_row": 0.0},
    {"draw": 3.68e-05, "kept_row": 2.98e-06, "row": 2.97e-06, "scored_row": 0.0},
    {"draw": 3.68e-05, "kept_row": 2.98e-06, "row": 2.97e-06, "scored_row": 0.0},
    {"draw": 0.000162, "kept_row": 1.22e-05, "row": 1.2e-05, "scored_row": 0.0},
    {"draw": 0.000189, "kept_row": 1.19e-05, "row": 1.17e-05, "scored_row": 0.0}]},
  {"hidden_size": 768, "intermediate_size": 3072, "dtype": "bfloat16", "threads": 2,
   "block": {"batch_row": 7.21e-08, "draw": 1.36e-05, "row": 2.09e-05},
   "weight_gradients": [
    {"draw": 2.54e-05, "kept_row": 1.78e-06, "row": 1.82e-06, "scored_row": 0.0},
    {"draw": 2.54e-05, "kept_row": 1.78e-06, "row": 1.82e-06, "scored_row": 0.0},
    {"draw": 2.54e-05, "kept_row": 1.78e-06, "row": 1.82e-06, "scored_row": 0.0},
    {"draw": 2.54e-05, "kept_row": 1.78e-06, "row": 1.82e-06, "scored_row": 0.0},
    {"draw": 0.000144, "kept_row": 6.43e-06, "row": 6.69e-06, "scored_row": 0.0},
    {"draw": 0.000138, "kept_row": 6.46e-06, "row": 6.43e-06, "scored_row": 0.0}]}
]})json";

}  // namespace vcas::control
