#!/usr/bin/env python3
"""Shows that two commits train with equal bits: an earlier one and the present tree.

Either builds `vcas`, the earlier one in a git worktree below build/compare. Both then train the same short runs: 60
steps by every method and both policies, in float32 and bf16, with and without accumulation, on one thread and two,
of a BERT of 2 blocks x 128; exactly and by vcas of MiniLM-L6; and 20 steps of the Python package's Controller. Equal
means: the bits of model.safetensors and of a checkpoint, the lines of metrics.jsonl without their times, and what
evaluations.jsonl and summary.json of both hold. Checkpoints of the earlier commit are also given to the present one,
which must go on with the same bits or refuse them by version.

Runs are kept in build/compare/runs and made again when program, package or flags change, so that the command can be
stopped and given again. Exit status 1: some run differs.

  .venv/bin/python scripts/compare_commits.py --before HEAD~1
  .venv/bin/python scripts/compare_commits.py --before-build OTHER/build/release --only 'vcas paper'
  .venv/bin/python scripts/compare_commits.py --before HEAD~1 --speed    # benchmarks/end_to_end/against_commit.py too
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lib.commits.builds import CACHE, ROOT, Build, default_jobs, two_builds
from lib.commits.differences import listed
from lib.commits.inputs import make_inputs
from lib.commits.runs import Outcome, Side, all_runs, compare_resumed, compare_run

SPEED = ROOT / "benchmarks" / "end_to_end" / "against_commit.py"


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    before = parser.add_mutually_exclusive_group(required=True)
    before.add_argument("--before", metavar="COMMIT", help="the earlier commit, built here")
    before.add_argument("--before-build", type=Path, metavar="DIR", help="a build of the earlier commit, as it is")
    parser.add_argument("--after-build", type=Path, metavar="DIR",
                        help="a build of the later commit, as it is (default: build/release, built)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the runs whose name contains it")
    parser.add_argument("--build-only", action="store_true", help="build both and stop")
    parser.add_argument("--speed", action="store_true", help="then compare the time of a step")
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="of the builds (default: %(default)s)")
    return parser.parse_args(arguments)


def compare_all(before: Build, after: Build, only: str) -> list[Outcome]:
    sides = [Side(name, build, CACHE / "runs") for name, build in (("before", before), ("after", after))]
    outcomes = []
    for run in all_runs(make_inputs()):
        if only not in run.name:
            continue
        outcomes.append(show(compare_run(run, *sides)))
        if run.saved_step:
            outcomes.append(show(compare_resumed(run, *sides)))
    return outcomes


def show(outcome: Outcome) -> Outcome:
    detail = f": {outcome.detail}" if outcome.detail else ""
    print(f"{outcome.name:<72} {outcome.verdict}{detail}", flush=True)
    return outcome


def not_compared(outcomes: list[Outcome]) -> list[str]:
    """A line for each file of which only one of the commits has some keys."""
    found: dict[tuple[str, str], set[str]] = {}
    for comparison in (comparison for outcome in outcomes for comparison in outcome.comparisons):
        for side in ("before", "after"):
            found.setdefault((comparison.file, side), set()).update(getattr(comparison, f"only_{side}"))
    return [f"{file}, {side} only: {listed(sorted(keys))}" for (file, side), keys in found.items() if keys]


def closing(outcomes: list[Outcome]) -> str:
    counts = {verdict: sum(o.verdict == verdict for o in outcomes) for verdict in ("equal", "differs", "refused")}
    refused = f", {counts['refused']} refused by version" if counts["refused"] else ""
    return f"{counts['equal']} runs equal, {counts['differs']} differ{refused}"


def times(outcomes: list[Outcome]) -> str:
    taken = [taken for outcome in outcomes for taken in outcome.taken]
    seconds = [sum(values) for values in zip(*((t.seconds, t.processor_seconds, t.seconds * t.kept) for t in taken))]
    total, processor, kept = (second / 60 for second in seconds or [0, 0, 0])
    earlier = f", {kept:.1f} of them in an earlier call" if kept else ""
    return f"{total:.1f} minutes of training{earlier}; {processor:.1f} minutes of processor time"


def compare_speed(before: Build, after: Build) -> None:
    command = [sys.executable, str(SPEED), "--before_build", str(before.folder), "--build_dir", str(after.folder)]
    if subprocess.run(command).returncode:
        raise SystemExit("compare_commits: the comparison of speed failed")


def main(arguments: Sequence[str]) -> int:
    options = parse_arguments(arguments)
    before, after = two_builds(options.before or options.before_build, options.after_build, options.jobs, options.speed)
    print(f"before: {before.describe()}\nafter:  {after.describe()}", flush=True)
    if options.build_only:
        return 0
    outcomes = compare_all(before, after, options.only)
    for line in not_compared(outcomes):
        print(f"not compared: {line}")
    print(f"{closing(outcomes)} ({times(outcomes)})", flush=True)
    if options.speed:
        compare_speed(before, after)
    return int(not outcomes or any(outcome.verdict == "differs" for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
