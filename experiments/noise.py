#!/usr/bin/env python3
"""Can sampling noise lead somewhere better? VCAS with over-large budgets against exact training with Gaussian noise of
equal variance, tensor by tensor, and against neither.

The noise's share of V_s is what the runs of VCAS report on average, (V_act + V_w) / V_s.

  cmake --preset release -D VCAS_BUILD_BENCHMARKS=ON && cmake --build build/release --target gradient_noise
"""

import json
import subprocess

import numpy
from experiment import (
    COMMON,
    ROOT,
    Variant,
    accuracy_difference,
    arguments,
    loss_difference,
    metrics_of,
    packaged_model,
    publish,
    runs_of,
    spread,
    summaries,
    table,
    wordnet_task,
)

BUDGETS = (0.1, 0.5)
HEADER = ("", "variance added, of V_s", "train loss", "against exact, %", "held-out loss", "accuracy, %",
          "against exact, points")


def share_of(runs):
    """Mean (V_act + V_w) / V_s of the runs' log lines that have them."""
    shares = [(line["v_act"] + line["v_w"]) / line["v_sgd"] for run in runs for line in metrics_of(run)
              if line.get("v_sgd")]
    return float(numpy.mean(shares))


def noisy_runs(task, share):
    runs = []
    for seed in range(42, 42 + arguments().seeds):
        file = arguments().runs / task.name / f"noise-{share:.3f}-seed-{seed}.json"
        if not file.exists():
            program = ROOT / "build" / "release" / "experiments" / "gradient_noise"
            call = [program, f"--model_name_or_path={packaged_model()}", f"--train_file={task.train_file}",
                    f"--validation_file={task.validation_file}", f"--share={share}", f"--seed={seed}",
                    f"--threads={arguments().threads}", f"--learning_rate={COMMON['learning_rate']}"]
            file.write_text(subprocess.run(call, check=True, text=True, stdout=subprocess.PIPE).stdout)
        result = json.loads(file.read_text())
        runs.append(result | {"summary": result})
    return runs


def row(name, share, runs, exact):
    compared = ("", "") if runs is exact else (loss_difference(runs, exact), accuracy_difference(runs, exact))
    return (name, share, spread(summaries(runs, "train_loss"), 3), compared[0], spread(summaries(runs, "eval_loss"), 3),
            spread(summaries(runs, "eval_accuracy"), 2, 100), compared[1])


def main():
    task = wordnet_task("nouns")
    exact = runs_of(task, Variant.of("exact", "exact"))
    rows = [row("exact", "0", exact, exact)]
    for tau in BUDGETS:
        vcas = runs_of(task, Variant.of(f"VCAS τ={tau}", act_var_tau=tau, w_var_tau=tau))
        share = share_of(vcas)
        rows.append(row(f"VCAS τ={tau}", f"{share:.2f}", vcas, exact))
        rows.append(row("exact + Gaussian noise", f"{share:.2f}", noisy_runs(task, share), exact))
    publish(table(HEADER, rows))


if __name__ == "__main__":
    main()
