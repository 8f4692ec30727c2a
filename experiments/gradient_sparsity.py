#!/usr/bin/env python3
"""Gradient sparsity over blocks and time: does it grow towards the input, as the method assumes?

`vcas probe` trains by VCAS and looks at the exact gradients of 4 batches every 50 steps.
"""

import json
import subprocess

from experiment import COMMON, arguments, packaged_model, publish, table, wordnet_task

S = (0.8, 0.95)
BLOCKS = 6


def probes(task, seed):
    """Lines of probe.jsonl."""
    folder = arguments().runs / task.name / f"probe-seed-{seed}"
    if not (folder / "summary.json").exists():
        call = [arguments().program, "probe", f"--train_file={task.train_file}",
                f"--validation_file={task.validation_file}", f"--model_name_or_path={packaged_model()}",
                f"--threads={arguments().threads}", f"--seed={seed}", "--probe_steps=50", "--save_strategy=no",
                f"--output_dir={folder}", "--overwrite_output_dir=true",
                *(f"--{name}={value}" for name, value in COMMON.items())]
        subprocess.run(call, check=True, stdout=subprocess.DEVNULL)
    return [json.loads(line) for line in (folder / "probe.jsonl").read_text().splitlines()]


def keep_ratio(line, block, s):
    return line["blocks"][block]["keep_ratio"][line["s"].index(s)]


def top_tenth(line, block):
    """Largest tenth's border over the median: how uneven the norms are."""
    norms = line["blocks"][block]["gradient_norms"]
    return norms[5] / norms[3]


def v_sgd(line):
    return line["v_sgd"]


def activation_variance(line, j):
    """V_act at the j-th s, of V_s."""
    return line["v_act"][j] / line["v_sgd"]


def row_ratio(line, share, kind):
    """Least nu tried whose variance is at most `share` of V_s, median over the weights of a kind."""
    ratios = []
    for name, weight in line["weights"].items():
        if kind in name:
            fitting = [nu for nu, v_w in zip(line["nu"], weight["v_w"]) if v_w <= share * weight["v_sgd"]]
            ratios.append(min(fitting, default=1.0))
    return sorted(ratios)[len(ratios) // 2]


def main():
    task = wordnet_task("nouns")
    runs = [probes(task, 42 + seed) for seed in range(arguments().seeds)]
    steps = [line["micro_batch"] for line in runs[0]]

    def mean(i, figure, *places):
        return sum(figure(run[i], *places) for run in runs) / len(runs)

    def by_block(figure, digits, *places):
        return [(step, *(f"{mean(i, figure, block, *places):.{digits}f}" for block in range(BLOCKS)))
                for i, step in enumerate(steps)]

    by_block_header = ("micro-batch", *(f"block {block + 1}" for block in range(BLOCKS)))
    parts = []
    for s in S:
        parts.append(f"p_l({s}): share of the samples that hold {s:.0%} of the sum of gradient norms\n\n"
                     + table(by_block_header, by_block(keep_ratio, 2, s)))
    parts.append("90 % quantile of the sample norms over their median\n\n"
                 + table(by_block_header, by_block(top_tenth, 1)))
    rows = [(step, f"{mean(i, v_sgd):.3g}",
             *(f"{mean(i, activation_variance, j):.3f}" for j in range(len(runs[0][0]["s"]))))
            for i, step in enumerate(steps)]
    parts.append("V_s, and V_act / V_s of SampleA at s\n\n"
                 + table(("micro-batch", "V_s", *(f"s = {s}" for s in runs[0][0]["s"])), rows))
    kinds = ("query", "key", "value", "attention.output", "intermediate", "output.dense")
    rows = [(step, *(f"{mean(i, row_ratio, 0.025, kind):.2f}" for kind in kinds))
            for i, step in enumerate(steps)]
    parts.append("Least ν tried (0.05, 0.1, 0.2, 0.3, 0.5, 0.75) whose V_w is at most 0.025 V_s, under SampleA at s = "
                 "0.9, median over blocks\n\n" + table(("micro-batch", *kinds), rows))
    publish("\n\n".join(parts))


if __name__ == "__main__":
    main()
