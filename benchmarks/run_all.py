#!/usr/bin/env python3
"""Measures what docs/benchmarks shows: one page after another, each by the script that can also be run alone.

A page that this command wrote before is left as it is while the programs, its script, its flags, the processor and
PyTorch are the same; plan_grid.py and scaling.py also keep the cells that they have measured. So the command can be
stopped and given again. No page is begun that would likely end after --max_hours. Not part of it, as they are no
benchmarks of a build: costs.md, variance_budgets.md, vcas_three_epochs.md and the table in targets.md. Nor is
hugging_face_trainer.md, which trains for over an hour: end_to_end/trainer.py.

  cmake --preset release -D VCAS_BUILD_BENCHMARKS=ON && cmake --build build/release
  .venv/bin/python -m pip install -r requirements-benchmarks.txt
  .venv/bin/python benchmarks/run_all.py --list      # what it would do, and about how long
  .venv/bin/python benchmarks/run_all.py
"""

import argparse
import dataclasses
import hashlib
import json
import pathlib
import subprocess
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent / "end_to_end"))
import plots
from training_steps import ROOT, build_digest, conditions

FOLDER = pathlib.Path(__file__).resolve().parent
PAGES_FOLDER = pathlib.Path("docs/benchmarks")
AGAINST = ("--peers", "eager,compile,per_linear")


@dataclasses.dataclass(frozen=True)
class Page:
    name: str
    script: str
    minutes: int  # as planned for 2 cores
    programs: tuple[str, ...]
    flags: tuple[str, ...] = ()
    plot: str | None = None

    def outputs(self):
        return [PAGES_FOLDER / name for name in (self.name, self.plot) if name]

    def command(self):
        """From the project's root, as the page will show it."""
        script = (FOLDER / self.script).relative_to(ROOT)
        return [sys.executable, str(script), *self.flags, "--output", str(PAGES_FOLDER / self.name)]

    def fingerprint(self, build_dir):
        """What the page holds for."""
        about = [build_digest(build_dir, *self.programs), (FOLDER / self.script).read_text(), self.command()[1:],
                 conditions(threads=2)]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()


PAGES = (
    Page("gemm.md", "ops/roofline.py", 8, ("gemm_benchmark", "elementwise_benchmark"), plot="roofline.svg"),
    Page("elementwise.md", "ops/passes.py", 2, ("elementwise_benchmark", "word_table_benchmark")),
    Page("against_hugging_face.md", "end_to_end/against_hugging_face.py", 10, ("training_steps",), AGAINST),
    Page("against_hugging_face_unpadded.md", "end_to_end/against_hugging_face.py", 13, ("training_steps",),
         (*AGAINST, "--uniform_length", "64")),
    Page("against_hugging_face_bert_base.md", "end_to_end/against_hugging_face.py", 16, ("training_steps",),
         (*AGAINST, "--random_weights", "BERT-base", "--runs", "exact/float32,vcas/float32", "--warmup_steps", "120",
          "--steps", "30")),
    Page("vcas_against_exact.md", "end_to_end/alternate.py", 14, ("training_steps",), ("--seeds", "1,2,3")),
    Page("vcas_against_exact_bf16.md", "end_to_end/alternate.py", 11, ("training_steps",),
         ("--bf16", "--seeds", "1,2,3")),
    Page("bf16_against_float32.md", "end_to_end/bf16_against_float32.py", 3, ("training_steps",),
         ("--warmup_steps", "150", "--rounds", "8")),
    Page("scaling.md", "end_to_end/scaling.py", 6, ("plan_steps",), plot="scaling.svg"),
    Page("plan_grid.md", "end_to_end/plan_grid.py", 70, ("plan_steps",)),
)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build_dir", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--only", help="comma-separated pages (default: all)")
    parser.add_argument("--max_hours", type=float, default=3, help="(default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="say what would be done and stop")
    parser.add_argument("--state", type=pathlib.Path, default=ROOT / "build" / "benchmark_pages.json",
                        help="what the pages hold for (default: %(default)s)")
    return parser.parse_args()


def chosen_pages(only):
    if not only:
        return PAGES
    by_name = {page.name: page for page in PAGES}
    if unknown := [name for name in only.split(",") if name not in by_name]:
        raise SystemExit(f"run_all: --only: expected some of {', '.join(by_name)}, got {unknown[0]}")
    return tuple(by_name[name] for name in only.split(","))


def read_state(path):
    return json.loads(path.read_text()) if path.exists() else {}


def is_up_to_date(page, arguments):
    written = all((ROOT / output).exists() for output in page.outputs())
    return written and read_state(arguments.state).get(page.name) == page.fingerprint(arguments.build_dir)


def run(page, arguments):
    """Whether the page was written."""
    print(f"\n{page.name}: about {page.minutes} minutes", file=sys.stderr)
    build = [] if arguments.build_dir == ROOT / "build" / "release" else ["--build_dir", str(arguments.build_dir)]
    if subprocess.run([*page.command(), *build], cwd=ROOT, stdout=subprocess.DEVNULL).returncode:
        return False
    arguments.state.parent.mkdir(parents=True, exist_ok=True)
    state = read_state(arguments.state) | {page.name: page.fingerprint(arguments.build_dir)}
    arguments.state.write_text(json.dumps(state, indent=1) + "\n")
    return True


def announce(pages, stale):
    for page in pages:
        print(f"{page.name:36} {f'about {page.minutes} minutes' if page in stale else 'up to date'}", file=sys.stderr)
    print(f"{len(stale)} of {len(pages)} pages to measure: about {sum(page.minutes for page in stale)} minutes",
          file=sys.stderr)


def run_within(pages, arguments):
    """Names of the pages that failed, and of those for which there was no time."""
    failed, left = [], []
    end = time.monotonic() + 3600 * arguments.max_hours
    for page in pages:
        if time.monotonic() + 60 * page.minutes > end:
            left.append(page.name)
        elif not run(page, arguments):
            failed.append(page.name)
    return failed, left


def main():
    arguments = parse_arguments()
    pages = chosen_pages(arguments.only)
    stale = [page for page in pages if not is_up_to_date(page, arguments)]
    announce(pages, stale)
    if arguments.list:
        return
    if any(page.plot for page in stale):
        plots.load_pyplot()
    failed, left = run_within(stale, arguments)
    if left:
        print(f"no time left for {', '.join(left)}: give the command again", file=sys.stderr)
    if failed:
        raise SystemExit(f"run_all: failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
