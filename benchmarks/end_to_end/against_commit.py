#!/usr/bin/env python3
"""The time of a training step against that of an earlier commit: exact and VCAS, in float32 and in bfloat16.

Two programs, built from either commit, train the same run side by side as `vcas train` does, on the same batches. They
take turns of a few steps, begun by either alternately, so that slow drifts of the machine cancel. A pair of turns is
one unit; a ratio is of the total times, with a 95 % percentile bootstrap interval over the units. The first steps, in
which kernels are made and VCAS keeps nearly everything, are left out. A warm step is one without what adaptation adds.
Commits whose losses differ do not do the same work, and the report says so.

  .venv/bin/python benchmarks/end_to_end/against_commit.py --before HEAD~1    # builds both
  .venv/bin/python benchmarks/end_to_end/against_commit.py --before_build OTHER/build/release
"""

import argparse
import pathlib
import sys
import typing

import numpy
from training_steps import ROOT, RUNS, add_run_flags, command, conditions, publish, start_run, total_ratio

sys.path.append(str(ROOT / "scripts"))
from lib.commits.builds import default_jobs, two_builds


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    before = parser.add_mutually_exclusive_group(required=True)
    before.add_argument("--before", metavar="COMMIT", help="the earlier commit; it and the present tree are built")
    before.add_argument("--before_build", type=pathlib.Path, metavar="DIR", help="its build, as it is")
    parser.add_argument("--build_dir", type=pathlib.Path, default=ROOT / "build" / "release",
                        help="build of the later commit, with --before_build (default: build/release)")
    add_run_flags(parser, warmup_steps=150)
    return parser.parse_args()


def builds(arguments):
    """Build folders of the earlier and the later commit."""
    if arguments.before:
        return [build.folder for build in two_builds(arguments.before, None, default_jobs(), with_benchmarks=True)]
    return [arguments.before_build, arguments.build_dir]


def take_turns(before, after, rounds, segment):
    """Pairs of turns (steps of before, steps of after), alternately begun by either."""
    for number in range(rounds):
        if number % 2 == 0:
            first = before.steps(segment)
            yield first, after.steps(segment)
        else:
            first = after.steps(segment)
            yield before.steps(segment), first


class Timing(typing.NamedTuple):
    """Of one method and precision."""

    method: str
    precision: str
    units: numpy.ndarray
    """[rounds, 4] seconds: of before and after; of their warm steps."""
    same_losses: bool
    steps: int


def seconds_of(steps):
    """Of the steps, and without what adaptation adds."""
    total = sum(step["seconds"] for step in steps)
    return total, total - sum(step["adaptation_seconds"] for step in steps)


def timing(method, precision, pairs):
    """@param pairs of turns."""
    units, same = [], True
    for before, after in pairs:
        (before_all, before_warm), (after_all, after_warm) = seconds_of(before), seconds_of(after)
        units.append((before_all, after_all, before_warm, after_warm))
        same = same and [step["loss"] for step in before] == [step["loss"] for step in after]
    return Timing(method, precision, numpy.array(units), same, sum(len(before) for before, _ in pairs))


def measure(folders, method, precision, arguments):
    with start_run(folders[0], method, precision, arguments) as before, \
            start_run(folders[1], method, precision, arguments) as after:
        for run in (before, after):
            run.steps(arguments.warmup_steps)
        pairs = list(take_turns(before, after, arguments.rounds, arguments.segment))
    return timing(method, precision, pairs)


def rows(found):
    """Lines of the table: the step, and for VCAS the warm step too."""
    kinds = [("step", 0, 1), ("warm step", 2, 3)] if found.method == "vcas" else [("step", 0, 1)]
    losses = "equal" if found.same_losses else "differ"
    for kind, before, after in kinds:
        value, low, high = total_ratio(found.units, of=after, by=before)
        means = " | ".join(f"{1e3 * found.units[:, i].sum() / found.steps:.1f}" for i in (before, after))
        name = f"{found.method}, {found.precision}: {kind}"
        yield f"| {name} | {means} | {value:.3f} | {low:.3f} – {high:.3f} | {losses} |"


def report(timings, arguments):
    lines = "\n".join(line for found in timings for line in rows(found))
    steps = arguments.rounds * arguments.segment
    return f"""# Time of a step against an earlier commit

    {command()}

{conditions(arguments.threads, "both precisions")}. wordnet-nouns, batch {arguments.batch}, seed {arguments.seed},
{steps} steps after {arguments.warmup_steps}, in {arguments.rounds} pairs of turns of {arguments.segment} steps.
The script says what is counted.

| | before, ms | after, ms | after / before | 95 % interval | losses |
|---|---|---|---|---|---|
{lines}
"""


def main():
    arguments = parse_arguments()
    folders = builds(arguments)
    timings = []
    for method, precision in RUNS:
        timings.append(measure(folders, method, precision, arguments))
        print(f"measured {method} in {precision}", file=sys.stderr)
    publish(report(timings, arguments), arguments.output)


if __name__ == "__main__":
    main()
