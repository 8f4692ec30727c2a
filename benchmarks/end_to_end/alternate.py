#!/usr/bin/env python3
"""What VCAS saves, how much of it becomes time, and what it costs in loss and accuracy.

An exact run and a VCAS run of the same seed train side by side as `vcas train` does, on the same batches. They take
turns: exact runs for about 30 seconds, VCAS the same steps, then VCAS first, and so on, so that slow drifts of the
machine cancel. A pair of turns is one unit. Reported over the runs' whole length, adaptation counted in:
  time reduction   1 - Σ seconds(VCAS) / Σ seconds(exact), of the steps (not of loading and tokenising);
  FLOPs reduction  1 - Σ performed / Σ exact, as summary.json counts them;
  time / FLOPs     the first divided by the second;
each with a 95 % percentile bootstrap interval over the units. More seeds give more units. The intervals hold for the
time on this machine; they also contain the change of the reduction within a run, and so are rather wide. The train loss
is the mean over the last tenth of the steps; the accuracy is on the held-out glosses of wordnet-nouns.

  cmake --preset release -D VCAS_BUILD_BENCHMARKS=ON && cmake --build build/release --target training_steps
  .venv/bin/python benchmarks/end_to_end/alternate.py --seeds 1,2,3 --output docs/benchmarks/vcas_against_exact.md
"""

import argparse
import pathlib
import sys
import typing

import numpy
from training_steps import ROOT, TrainingSteps, bootstrap_interval, command, conditions, packaged_model, publish


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, help="Hugging Face folder (default: the package MiniLM-L6)")
    parser.add_argument("--train_file", type=pathlib.Path, help="texts (default: wordnet-nouns)")
    parser.add_argument("--build_dir", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--max_train_samples", type=int, default=40_000, help="texts (default: %(default)s)")
    parser.add_argument("--num_train_epochs", type=float, default=1, help="(default: %(default)s)")
    parser.add_argument("--max_steps", type=int, default=-1, help="instead of epochs")
    parser.add_argument("--batch", type=int, default=32, help="texts a step (default: %(default)s)")
    parser.add_argument("--learning_rate", type=float, default=1e-4, help="AdamW's highest (default: %(default)s)")
    parser.add_argument("--bf16", action="store_true", help="linears multiply in bfloat16, by either method")
    parser.add_argument("--segment_seconds", type=float, default=30, help="of a turn (default: %(default)s)")
    parser.add_argument("--seeds", default="42", help="comma-separated, a pair of runs each (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--output", type=pathlib.Path, help="also write the report to this file")
    return parser.parse_args()


def start(method, seed, arguments):
    return TrainingSteps(arguments.build_dir, model_name_or_path=arguments.model or packaged_model(),
                         train_file=arguments.train_file, max_train_samples=arguments.max_train_samples, method=method,
                         threads=arguments.threads, max_steps=arguments.max_steps,
                         num_train_epochs=arguments.num_train_epochs, per_device_train_batch_size=arguments.batch,
                         learning_rate=arguments.learning_rate, seed=seed,
                         bf16="true" if arguments.bf16 else "false")


def take_turns(exact, vcas, segment_seconds):
    """Pairs of turns (steps of exact, steps of VCAS), alternately begun by either."""
    while True:
        exact_first = exact.seconds(segment_seconds)
        if not exact_first:
            return
        yield exact_first, vcas.steps(len(exact_first))
        vcas_first = vcas.seconds(segment_seconds)
        if not vcas_first:
            return
        yield exact.steps(len(vcas_first)), vcas_first


def total(steps, value):
    return sum(value(step) for step in steps)


def unit(exact, vcas):
    """Of one pair of turns: seconds of exact, of VCAS, adaptation; FLOPs of exact, of VCAS; steps."""
    if [step["examples"] for step in exact] != [step["examples"] for step in vcas]:
        raise SystemExit("alternate: expected both runs to take the same examples")
    return (total(exact, lambda step: step["seconds"]), total(vcas, lambda step: step["seconds"]),
            total(vcas, lambda step: step["adaptation_seconds"]), total(exact, lambda step: step["flops"]["performed"]),
            total(vcas, lambda step: step["flops"]["performed"]), len(exact))


def time_reduction(units):
    return 1 - units[:, 1].sum() / units[:, 0].sum()


def flops_reduction(units):
    return 1 - units[:, 4].sum() / units[:, 3].sum()


def time_for_flops(units):
    return time_reduction(units) / flops_reduction(units)


def row(name, statistic, units, form):
    low, high = bootstrap_interval(statistic, units)
    return f"| {name} | {statistic(units):{form}} | {low:{form}} – {high:{form}} |"


class Outcome(typing.NamedTuple):
    """Of one run."""

    loss: float
    accuracy: float | None


def outcome(run, losses, arguments):
    last = losses[-max(1, len(losses) // 10):]
    accuracy = None if arguments.train_file else run.evaluate()["accuracy"]
    return Outcome(sum(last) / len(last), accuracy)


def outcome_table(outcomes):
    """@param outcomes by seed: of exact and of VCAS."""
    lines = ["| seed | train loss, exact | VCAS | accuracy, exact | VCAS |", "|---|---|---|---|---|"]
    losses, accuracies = [], []
    for seed, (exact, vcas) in outcomes.items():
        losses.append((exact.loss, vcas.loss))
        shown = "| | |"
        if exact.accuracy is not None:
            accuracies.append(vcas.accuracy - exact.accuracy)
            shown = f"| {exact.accuracy:.2%} | {vcas.accuracy:.2%} |"
        lines.append(f"| {seed} | {exact.loss:.4f} | {vcas.loss:.4f} {shown}")
    exact_loss, vcas_loss = numpy.mean(losses, axis=0)
    change = f"VCAS's train loss is {vcas_loss / exact_loss - 1:+.1%} of exact's"
    if accuracies:
        change += f", its accuracy {100 * numpy.mean(accuracies):+.2f} points ({describe_spread(accuracies)})"
    return "\n".join(lines) + f"\n\nOn the mean over seeds, {change}."


def describe_spread(differences):
    return "by seed " + ", ".join(f"{100 * difference:+.2f}" for difference in differences)


def report(units, outcomes, arguments):
    seconds_exact, seconds_vcas, adaptation, _, _, steps = units.sum(axis=0)
    data = arguments.train_file or "wordnet-nouns"
    precision = "bfloat16" if arguments.bf16 else "float32"
    return f"""# VCAS against exact training: FLOPs, time, loss and accuracy

    {command()}

{conditions(arguments.threads, precision)}. {data}, the first {arguments.max_train_samples} texts,
batch {arguments.batch}, highest learning rate {arguments.learning_rate:g}, seeds {arguments.seeds}:
{steps:.0f} steps by each method, on the same batches, in {len(units)} pairs of turns of about
{arguments.segment_seconds:g} seconds. The script says what is counted.

| | | 95 % interval |
|---|---|---|
{row("time reduction", time_reduction, units, ".1%")}
{row("FLOPs reduction", flops_reduction, units, ".1%")}
{row("time reduction / FLOPs reduction", time_for_flops, units, ".2f")}

Mean step: exact {1e3 * seconds_exact / steps:.0f} ms, VCAS {1e3 * seconds_vcas / steps:.0f} ms; adaptation took
{adaptation / seconds_vcas:.1%} of VCAS's time.

{outcome_table(outcomes)}
"""


def run_seed(seed, arguments):
    """Units of one pair of runs, and the outcome of either."""
    units, exact_losses, vcas_losses = [], [], []
    with start("exact", seed, arguments) as exact, start("vcas", seed, arguments) as vcas:
        for exact_steps, vcas_steps in take_turns(exact, vcas, arguments.segment_seconds):
            units.append(unit(exact_steps, vcas_steps))
            exact_losses += [step["loss"] for step in exact_steps]
            vcas_losses += [step["loss"] for step in vcas_steps]
            print(f"seed {seed}: step {vcas_steps[-1]['step']} of {vcas.total_steps}", file=sys.stderr)
        return units, (outcome(exact, exact_losses, arguments), outcome(vcas, vcas_losses, arguments))


def main():
    arguments = parse_arguments()
    units, outcomes = [], {}
    for seed in arguments.seeds.split(","):
        pairs, outcomes[seed] = run_seed(int(seed), arguments)
        units += pairs
    publish(report(numpy.array(units), outcomes, arguments), arguments.output)


if __name__ == "__main__":
    main()
