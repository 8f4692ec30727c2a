#!/usr/bin/env python3
"""Element-wise passes, attention, AdamW and the word table against PyTorch: runs the two programs and writes the page.

Each program measures a pass, what PyTorch offers for the same and at::copy_ of as many bytes, in turns, and reports
medians. It runs --repeats times; a figure is the median of those, with the lowest and the highest.

  cmake --preset release -D VCAS_BUILD_BENCHMARKS=ON && cmake --build build/release
  .venv/bin/python benchmarks/ops/passes.py --output docs/benchmarks/elementwise.md
"""

import argparse
import json
import pathlib
import subprocess
import sys

import numpy

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "end_to_end"))
from training_steps import ROOT, build_digest, command, conditions, publish

PROGRAMS = ("elementwise_benchmark", "word_table_benchmark")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, seconds=0.5)
    return parser.parse_args()


def add_arguments(parser, seconds):
    parser.add_argument("--build_dir", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--threads", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=seconds, help="of a candidate (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of the program (default: %(default)s)")
    parser.add_argument("--output", type=pathlib.Path, help="also write the report to this file")


def run_repeatedly(program, keys, arguments):
    """A program's JSON lines by the values of those keys: of every line its dicts, one a run."""
    build_digest(arguments.build_dir, program)  # says what to build when it is not there
    path = arguments.build_dir / "benchmarks" / program
    lines = {}
    for _ in range(arguments.repeats):
        output = subprocess.run([path, str(arguments.threads), str(arguments.seconds), "--json"], text=True, check=True,
                                stdout=subprocess.PIPE).stdout
        for line in map(json.loads, output.splitlines()):
            lines.setdefault(tuple(line[key] for key in keys), []).append(line)
    return lines


def with_range(values, form):
    """Median (lowest – highest)."""
    return f"{numpy.median(values):{form}} ({min(values):{form}} – {max(values):{form}})"


def gigabytes_per_second(lines, candidate):
    return [4e-9 * line["floats"] / line[candidate] for line in lines]


def row(name, lines):
    ours, theirs = (1e6 * numpy.median([line[candidate] for line in lines]) for candidate in ("ours", "torch"))
    ratios = [line["torch"] / line["ours"] for line in lines]
    bandwidths = (f"{numpy.median(gigabytes_per_second(lines, candidate)):.1f}" for candidate in ("ours", "copy"))
    return f"| {name} | {ours:.1f} | {theirs:.1f} | {with_range(ratios, '.2f')} | {' | '.join(bandwidths)} |"


def report(passes, arguments):
    rows = "\n".join(row(name, lines) for (name,), lines in passes.items())
    return f"""# Element-wise passes, attention, optimizer and word table against PyTorch

    {command()}

{conditions(arguments.threads)}; medians of {arguments.repeats} runs (lowest – highest), in each of which all candidates
take turns. The sources say what is compared: benchmarks/ops. GB/s counts what ours must read and write once; "copy" is
at::copy_ of as many bytes. Times are of a shared machine; the ratios are what counts.

| | ours, µs | PyTorch, µs | PyTorch / ours | ours, GB/s | copy, GB/s |
|---|---|---|---|---|---|
{rows}
"""


def main():
    arguments = parse_arguments()
    passes = {}
    for program in PROGRAMS:
        passes |= run_repeatedly(program, ["name"], arguments)
    publish(report(passes, arguments), arguments.output)


if __name__ == "__main__":
    main()
