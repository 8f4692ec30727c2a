#!/usr/bin/env python3
"""What bfloat16 products make of a training step: exact and VCAS, in float32 and in bfloat16.

Four runs of the same seed train side by side as `vcas train` does, on the same batches, and take turns of a few steps.
A round of turns is one unit; the ratios are of the total times, each with a 95 % percentile bootstrap interval over the
units. The first steps, in which kernels are made and VCAS keeps nearly everything, are left out.

  cmake --preset release -D VCAS_BUILD_BENCHMARKS=ON && cmake --build build/release --target training_steps
  .venv/bin/python benchmarks/end_to_end/bf16_against_float32.py --output docs/benchmarks/bf16_against_float32.md
"""

import argparse
import contextlib
import pathlib

import numpy
from training_steps import ROOT, TrainingSteps, bootstrap_interval, command, conditions, packaged_model, publish

RUNS = [("exact", "float32"), ("vcas", "float32"), ("exact", "bfloat16"), ("vcas", "bfloat16")]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, help="Hugging Face folder (default: the package MiniLM-L6)")
    parser.add_argument("--build_dir", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--max_train_samples", type=int, default=40_000, help="texts (default: %(default)s)")
    parser.add_argument("--warmup_steps", type=int, default=200, help="not timed (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=12, help="(default: %(default)s)")
    parser.add_argument("--segment", type=int, default=20, help="steps of a turn (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=32, help="texts a step (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="(default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--output", type=pathlib.Path, help="also write the report to this file")
    return parser.parse_args()


def start(method, precision, arguments):
    return TrainingSteps(arguments.build_dir, model_name_or_path=arguments.model or packaged_model(), method=method,
                         bf16="true" if precision == "bfloat16" else "false", threads=arguments.threads,
                         max_train_samples=arguments.max_train_samples, learning_rate=1e-4, seed=arguments.seed,
                         per_device_train_batch_size=arguments.batch)


def ratio(units, of, by):
    """Total time of one run by another's, with its interval. @param units [rounds, runs] seconds."""
    def total(rows):
        return rows[:, of].sum() / rows[:, by].sum()

    low, high = bootstrap_interval(total, units)
    return f"{total(units):.2f} | {low:.2f} – {high:.2f}"


def report(units, arguments):
    steps = arguments.rounds * arguments.segment
    means = "\n".join(f"| {method}, {precision}: mean ms a step | {1e3 * seconds / steps:.0f} | |"
                      for (method, precision), seconds in zip(RUNS, units.sum(axis=0), strict=True))
    return f"""# bfloat16 against float32

    {command()}

{conditions(arguments.threads, "both precisions")}. wordnet-nouns, batch {arguments.batch}, seed {arguments.seed},
{steps} steps after {arguments.warmup_steps} of an epoch of {arguments.max_train_samples} texts,
in {arguments.rounds} rounds of {arguments.segment} steps of each run. The script says what is counted.

| | | 95 % interval |
|---|---|---|
{means}
| exact: float32 / bfloat16 | {ratio(units, 0, 2)} |
| VCAS: float32 / bfloat16 | {ratio(units, 1, 3)} |
| exact in float32 / VCAS in bfloat16 | {ratio(units, 0, 3)} |
"""


def main():
    arguments = parse_arguments()
    with contextlib.ExitStack() as stack:
        runs = [stack.enter_context(start(method, precision, arguments)) for method, precision in RUNS]
        for run in runs:
            run.steps(arguments.warmup_steps)
        units = [[sum(step["seconds"] for step in run.steps(arguments.segment)) for run in runs]
                 for _ in range(arguments.rounds)]
    publish(report(numpy.array(units), arguments), arguments.output)


if __name__ == "__main__":
    main()
