#!/usr/bin/env python3
"""What VcasTrainer saves of a Trainer's time, what it costs in accuracy, and how the C++ program compares.

Four runs of a seed train MiniLM-L6 side by side on the same texts of wordnet-nouns, with the same number of steps,
batch, schedule and held-out texts: transformers.Trainer and VcasTrainer in float32 with dynamic padding
(DataCollatorWithPadding), texts tokenised beforehand; and `vcas train`, exact and by VCAS (training_steps.cpp). Either
pair sees its texts in an order of its own. The runs take turns of a few steps each, the first in turn changing, so that
the machine's changes meet all of them; a round of turns is one unit. A step's time is wall-clock and holds everything
that the step does, the batch, adaptation and logging too. Reported: how many times Trainer's time is another's, over
the whole run and over its last quarter, at the keep ratios reached there, each with a 95 % percentile bootstrap
interval over the units; accuracy on all held-out glosses, and train loss (mean of the last tenth of the steps).

Seeds that were measured with the same flags and build are taken from --state, so that a stopped command can be given
again.

  cmake --preset release -D VCAS_BUILD_BENCHMARKS=ON && cmake --build build/release
  .venv/bin/python benchmarks/end_to_end/trainer.py --output docs/benchmarks/hugging_face_trainer.md
"""

import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy
import transformers
from training_steps import (
    ROOT,
    TrainingSteps,
    bootstrap_interval,
    build_digest,
    command,
    conditions,
    packaged_model,
    publish,
)

RUNS = {"trainer": "Trainer", "vcas_trainer": "VcasTrainer", "cpp_exact": "C++ program, exact",
        "cpp_vcas": "C++ program, VCAS"}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, help="Hugging Face folder (default: the package MiniLM-L6)")
    parser.add_argument("--build_dir", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--runs", default=",".join(RUNS), help="of these, Trainer first (default: %(default)s)")
    parser.add_argument("--max_train_samples", type=int, default=40_000, help="texts (default: %(default)s)")
    parser.add_argument("--max_eval_samples", type=int, help="held-out texts of the Trainers (default: all)")
    parser.add_argument("--max_steps", type=int, default=1250, help="(default: %(default)s)")
    parser.add_argument("--batch", type=int, default=32, help="texts a step (default: %(default)s)")
    parser.add_argument("--learning_rate", type=float, default=1e-4, help="AdamW's highest (default: %(default)s)")
    parser.add_argument("--segment", type=int, default=25, help="steps of a turn (default: %(default)s)")
    parser.add_argument("--seeds", default="1,2,3", help="comma-separated (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--state", type=pathlib.Path, default=ROOT / "build" / "hugging_face_trainer.json",
                        help="seeds measured so far (default: %(default)s)")
    parser.add_argument("--output", type=pathlib.Path, help="also write the report to this file")
    arguments = parser.parse_args()
    names = arguments.runs.split(",")
    if names[0] != "trainer" or not set(names) <= set(RUNS):
        parser.error(f"--runs: expected trainer and others of {', '.join(RUNS)}, got {arguments.runs}")
    return arguments


class TrainerSteps(TrainingSteps):
    """The client of trainer_steps.py."""

    def __init__(self, build_dir, **flags):
        program = pathlib.Path(__file__).with_name("trainer_steps.py")
        values = [f"--{name}={value}" for name, value in flags.items() if value is not None]
        environment = {**os.environ, "VCAS_LIBRARY": str(build_dir / "libvcas.so"),
                       "PYTHONPATH": os.pathsep.join([str(ROOT / "python"), os.environ.get("PYTHONPATH", "")])}
        self._process = subprocess.Popen([sys.executable, program, *values], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True, env=environment)
        self.total_steps = json.loads(self._line())["total_steps"]


def start(name, seed, folder, arguments):
    flags = dict(model_name_or_path=arguments.model or packaged_model(), max_train_samples=arguments.max_train_samples,
                 max_steps=arguments.max_steps, per_device_train_batch_size=arguments.batch,
                 learning_rate=arguments.learning_rate, threads=arguments.threads, seed=seed)
    if name.startswith("cpp"):
        return TrainingSteps(arguments.build_dir, method=name.removeprefix("cpp_"), **flags)
    return TrainerSteps(arguments.build_dir, trainer="vcas" if name == "vcas_trainer" else "exact",
                        max_eval_samples=arguments.max_eval_samples, output_dir=folder, **flags)


def take_turns(runs, segment):
    """Steps by run, round after round until they end; each round another run begins."""
    order = list(runs)
    while True:
        steps = {name: runs[name].steps(segment) for name in order}
        if not steps[order[0]]:
            return
        yield {name: steps[name] for name in runs}
        order = order[1:] + order[:1]


def run_seed(seed, arguments):
    """Of one seed: seconds a step [rounds][runs], train losses and evaluations by run."""
    names = arguments.runs.split(",")
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        runs = {name: stack.enter_context(start(name, seed, folder, arguments)) for name in names}
        units, losses = [], {name: [] for name in names}
        for steps in take_turns(runs, arguments.segment):
            units.append([sum(step["seconds"] for step in steps[name]) for name in names])
            for name in names:
                losses[name] += [step["loss"] for step in steps[name]]
            print(f"seed {seed}: step {steps[names[0]][-1]['step']} of {arguments.max_steps}", file=sys.stderr)
        evaluations = {name: run.evaluate() for name, run in runs.items()}
    last = max(1, arguments.max_steps // 10)
    return {"units": units, "losses": {name: float(numpy.mean(values[-last:])) for name, values in losses.items()},
            "evaluations": evaluations}


def fingerprint(arguments):
    """What a measured seed holds for."""
    package = [path.read_bytes() for path in sorted((ROOT / "python").rglob("*.py"))]
    flags = {name: str(value) for name, value in vars(arguments).items() if name not in ("seeds", "output", "state")}
    about = [build_digest(arguments.build_dir, "training_steps"), hashlib.sha256(b"".join(package)).hexdigest(), flags]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def measured(arguments):
    """What run_seed gives, by seed; seeds already in the state are not run again."""
    held = fingerprint(arguments)
    state = json.loads(arguments.state.read_text()) if arguments.state.exists() else {}
    seeds = state["seeds"] if state.get("fingerprint") == held else {}
    for seed in arguments.seeds.split(","):
        if seed not in seeds:
            seeds[seed] = run_seed(int(seed), arguments)
            arguments.state.parent.mkdir(parents=True, exist_ok=True)
            arguments.state.write_text(json.dumps({"fingerprint": held, "seeds": seeds}))
    return {seed: seeds[seed] for seed in arguments.seeds.split(",")}


def times_faster(units, column):
    def ratio(rows):
        return rows[:, 0].sum() / rows[:, column].sum()

    low, high = bootstrap_interval(ratio, units)
    return f"{ratio(units):.2f} ({low:.2f} – {high:.2f})"


def last_quarter(units):
    return units[len(units) - max(1, len(units) // 4):]


def time_table(seeds, arguments):
    units = [numpy.array(result["units"]) for result in seeds.values()]
    whole, late = numpy.concatenate(units), numpy.concatenate([last_quarter(rows) for rows in units])
    steps = arguments.max_steps * len(seeds)
    lines = ["| | mean ms a step | times faster than Trainer, whole runs | the last quarter |", "|---|---|---|---|"]
    for column, name in enumerate(arguments.runs.split(",")):
        ratios = "| | |" if column == 0 else f"| {times_faster(whole, column)} | {times_faster(late, column)} |"
        lines.append(f"| {RUNS[name]} | {1e3 * whole[:, column].sum() / steps:.0f} {ratios}")
    return "\n".join(lines)


def outcome_table(seeds, arguments):
    names = arguments.runs.split(",")
    lines = ["| seed | " + " | ".join(f"{RUNS[name]}: accuracy, train loss" for name in names) + " |",
             "|---" * (len(names) + 1) + "|"]
    for seed, result in seeds.items():
        shown = [f"{result['evaluations'][name]['accuracy']:.2%}, {result['losses'][name]:.4f}" for name in names]
        lines.append(f"| {seed} | {' | '.join(shown)} |")
    accuracy = {name: [result["evaluations"][name]["accuracy"] for result in seeds.values()] for name in names}
    loss = {name: [result["losses"][name] for result in seeds.values()] for name in names}
    means = [f"{numpy.mean(accuracy[name]):.2%}, {numpy.mean(loss[name]):.4f}" for name in names]
    return "\n".join([*lines, f"| mean | {' | '.join(means)} |"])


def kept(seeds):
    """What VcasTrainer kept at the end, and what it saved."""
    evaluations = [result["evaluations"].get("vcas_trainer") for result in seeds.values()]
    if None in evaluations:
        return ""
    rho = numpy.mean([evaluation["rho"] for evaluation in evaluations], axis=0)
    nu = numpy.mean([list(evaluation["nu"].values()) for evaluation in evaluations])
    saved = 1 - sum(evaluation["flops"]["performed"] for evaluation in evaluations) / sum(
        evaluation["flops"]["exact"] for evaluation in evaluations)
    return f"""
At the end VcasTrainer kept {", ".join(f"{ratio:.0%}" for ratio in rho)} of the samples by block, first to last, and
{nu:.0%} of their rows in a weight's gradient (means over seeds); over the whole runs it performed {saved:.1%} fewer
floating-point operations than exact passes, adaptation counted.
"""


def report(seeds, arguments):
    rounds = sum(len(result["units"]) for result in seeds.values())
    return f"""# VcasTrainer against Hugging Face's Trainer

    {command()}

{conditions(arguments.threads)}, transformers {transformers.__version__}.
{arguments.model or "MiniLM-L6"}, wordnet-nouns, the first {arguments.max_train_samples} texts, batch {arguments.batch},
highest learning rate {arguments.learning_rate:g}, {arguments.max_steps} steps of each run, seeds {arguments.seeds};
{rounds} rounds of turns of {arguments.segment} steps. The script says what is counted.

{time_table(seeds, arguments)}

{outcome_table(seeds, arguments)}
{kept(seeds)}"""


def main():
    arguments = parse_arguments()
    publish(report(measured(arguments), arguments), arguments.output)


if __name__ == "__main__":
    main()
