#!/usr/bin/env python3
"""Other ways to spend the same variance budget, tried on the gradients of a run: what do they cost at equal variance?

sampling_trials fine-tunes MiniLM-L6 by VCAS and, from micro-batch 100 on, runs backward passes of SampleA alone over
each of some batches: 3 draws of each way at s = 0.8, 0.9 and 0.95. V_act of a way and s is the mean squared error over
batches and draws; its cost that of the backward passes. Compared at the V_act of the plain way at s = 0.9, costs
interpolated linearly in the logarithm of V_act. SampleW: windows of two batches, ratios that reach the budget weight
by weight, against the cheapest of the same variance in all, or of the same mean of V_w / V_s over weights. Intervals:
95 %, bootstrap over batches (windows).

  cmake --preset release -D VCAS_BUILD_BENCHMARKS=ON && cmake --build build/release --target sampling_trials
"""

import functools
import json
import subprocess

import numpy
from experiment import ROOT, arguments, packaged_model, publish, table, wordnet_task
from training_steps import bootstrap_interval

REFERENCE = ("plain", 0.9)
ROW_NAMES = {"each weight": "weight by weight", "total": "least cost, ΣV_w", "relative": "least cost, mean V_w / V_s"}
NAMES = {"own batch": "keep ratios from the batch's own norms",
         "tilt -0.5": "more left out near the input (1-s by e^0.5)",
         "tilt 0.5": "more left out near the output (1-s by e^0.5)"}


def trials():
    """Lines of sampling_trials: passes, windows."""
    file = arguments().runs / "sampling_trials.jsonl"
    if not file.exists():
        task = wordnet_task("nouns")
        program = ROOT / "build" / "release" / "experiments" / "sampling_trials"
        call = [program, f"--model_name_or_path={packaged_model()}", f"--train_file={task.train_file}",
                f"--threads={arguments().threads}", "--batches=16", "--draws=3", "--learning_rate=1e-4"]
        file.write_text(subprocess.run(call, check=True, text=True, stdout=subprocess.PIPE).stdout)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [[line for line in lines if key in line] for key in ("batch", "window")]


def by_batch(passes):
    """{way: {s: [batches, (V_act, FLOPs, exact FLOPs, seconds)]}}, draws averaged."""
    batches = sorted({line["batch"] for line in passes})
    ways = {}
    for way in sorted({line["way"] for line in passes}):
        for s in sorted({line["s"] for line in passes}):
            rows = []
            for batch in batches:
                lines = [line for line in passes if (line["way"], line["s"], line["batch"]) == (way, s, batch)]
                rows.append(numpy.mean([[line["squared_error"], line["flops"], line["exact_flops"], line["seconds"]]
                                        for line in lines], axis=0))
            ways.setdefault(way, {})[s] = numpy.array(rows)
    return ways


def at_variance(curves, chosen, variance, column):
    """The column's mean over the chosen batches where V_act is `variance`."""
    means = numpy.array([values[chosen].mean(axis=0) for values in curves.values()])
    order = numpy.argsort(means[:, 0])
    x, y = numpy.log(means[order, 0]), means[order, column]
    i = int(numpy.clip(numpy.searchsorted(x, numpy.log(variance)), 1, len(x) - 1))
    slope = (y[i] - y[i - 1]) / (x[i] - x[i - 1])
    return y[i - 1] + slope * (numpy.log(variance) - x[i - 1])


def interval(statistic, count):
    low, high = bootstrap_interval(statistic, numpy.arange(count), resamples=2_000)
    return f"{statistic(numpy.arange(count)):.3f} ({low:.3f} – {high:.3f})"


def sample_rows(passes, tried):
    ways = by_batch(passes)
    exact = ways["plain"][REFERENCE[1]]

    def relative(way, column):
        def statistic(chosen):
            variance = exact[chosen, 0].mean()
            return (at_variance(ways[way], chosen, variance, column)
                    / at_variance(ways["plain"], chosen, variance, column))
        return interval(statistic, len(exact))

    return [(NAMES[way], len(exact), relative(way, 1), relative(way, 3)) for way in tried]


def windows_of(lines, tau, way):
    """[windows, (FLOPs, V_w, FLOPs of all rows, mean V_w / V_s, largest V_w / V_s)]."""
    keys = ("flops", "variance", "flops_of_all_rows", "relative", "worst")
    return numpy.array([[line[key] for key in keys] for line in lines if line["tau"] == tau and line["way"] == way])


def flops_against(chosen, one, other):
    return other[chosen, 0].sum() / one[chosen, 0].sum()


def row_rows(lines):
    rows = []
    for tau in sorted({line["tau"] for line in lines}):
        each = windows_of(lines, tau, "each weight")
        for way, name in ROW_NAMES.items():
            tried = windows_of(lines, tau, way)
            against = interval(functools.partial(flops_against, one=each, other=tried), len(each))
            rows.append((tau, name, f"{tried[:, 0].sum() / tried[:, 2].sum():.3f}",
                         "" if way == "each weight" else against, f"{tried[:, 1].mean() / each[:, 1].mean():.2f}",
                         f"{tried[:, 3].mean() / tau:.2f}", f"{tried[:, 4].mean() / tau:.1f}"))
    return rows


def main():
    passes, windows = trials()
    samples = sample_rows(passes, ("own batch", "tilt -0.5", "tilt 0.5"))
    publish("SampleA, at the V_act of the plain way, which takes its keep ratios from the two batches before\n\n"
            + table(("way", "batches", "backward FLOPs, of plain's", "backward time, of plain's"), samples)
            + "\n\nSampleW. V_w and V_s are those of a weight; 1 τ is its budget, of which 0.8 is aimed at\n\n"
            + table(("τ_w", "ratios", "ν, mean by FLOPs", "FLOPs, of weight by weight", "ΣV_w, of weight by weight",
                     "mean V_w / V_s, in τ", "largest V_w / V_s, in τ"), row_rows(windows)))


if __name__ == "__main__":
    main()
