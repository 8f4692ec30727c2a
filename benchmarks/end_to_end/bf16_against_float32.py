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
from training_steps import ROOT, RUNS, add_run_flags, command, conditions, publish, start_run, total_ratio


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build_dir", type=pathlib.Path, default=ROOT / "build" / "release")
    add_run_flags(parser, warmup_steps=200)
    return parser.parse_args()


def ratio(units, of, by):
    """Total time of one run by another's, with its interval. @param units [rounds, runs] seconds."""
    value, low, high = total_ratio(units, of, by)
    return f"{value:.2f} | {low:.2f} – {high:.2f}"


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
        runs = [stack.enter_context(start_run(arguments.build_dir, *run, arguments)) for run in RUNS]
        for run in runs:
            run.steps(arguments.warmup_steps)
        units = [[sum(step["seconds"] for step in run.steps(arguments.segment)) for run in runs]
                 for _ in range(arguments.rounds)]
    publish(report(numpy.array(units), arguments), arguments.output)


if __name__ == "__main__":
    main()
