"""Folders of runs as `vcas train`, `vcas probe` and `vcas compare` leave them, with made-up numbers."""

import json
import math

BLOCKS = 4
KINDS = ["attention.output.dense", "attention.self.query", "intermediate.dense", "output.dense"]
S = [0.5, 0.7, 0.8, 0.9, 0.95, 0.99]


def write_lines(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def metrics_line(step, method, seed, slope):
    loss = 0.2 + 3 * math.exp(-slope * step / 300) + 0.05 * math.sin(1.3 * step + seed)
    kept = 0.2 + 0.8 * math.exp(-step / 400)
    line = {"step": step, "epoch": step / 500, "loss": loss, "learning_rate": 1e-4, "grad_norm": 2.5,
            "step_ms": 80.0 if method == "vcas" else 110.0, "flops_performed": 3e10 * step * (0.6 + 0.4 * kept),
            "s": None, "rho": None, "nu": None, "v_sgd": None, "v_act": None, "v_w": None, "act_var_tau": None,
            "w_var_tau": None}  # fmt: skip
    if method == "vcas":
        v_sgd = 1 + step / 20
        line |= {
            "s": 0.9, "rho": [kept * (0.7 + 0.1 * block) for block in range(BLOCKS)],
            "nu": {f"bert.encoder.layer.{block}.{kind}.weight": kept * (0.6 + 0.1 * block)
                   for block in range(BLOCKS) for kind in KINDS},
            "v_sgd": v_sgd, "v_act": 0.02 * v_sgd, "v_w": 0.012 * v_sgd, "act_var_tau": 0.025, "w_var_tau": 0.025,
        }  # fmt: skip
    return line


def probe_line(number):
    norms = [[0.01 * 4 ** (block - number / 300) * quantile for quantile in (0.01, 0.1, 0.3, 1, 4, 20, 90)]
             for block in range(BLOCKS)]  # fmt: skip
    return {"micro_batch": number, "batches": 4, "s": S, "nu": [0.1, 0.5], "v_sgd": 2.0 + number / 100,
            "v_act": [(1 - s) * 0.4 for s in S],
            "blocks": [{"gradient_norms": norms[block],
                        "keep_ratio": [s * (0.4 + 0.1 * block) * math.exp(-number / 900) for s in S]}
                       for block in range(BLOCKS)],
            "weights": {}, "present": None}  # fmt: skip


METRICS = {
    "classifier": {"loss": False, "accuracy": True, "macro_f1": True, "matthews": True},
    "language model": {"loss": False, "perplexity": False},
}


def evaluation_of(task, seed, step=None):
    """By metric: what a run measures at a step, or at its end."""
    loss = 0.4 + (100 / step if step else 0) + 0.001 * (seed % 3)
    if task == "language model":
        return {"loss": loss, "perplexity": math.exp(loss)}
    accuracy = 0.88 - 40 / step if step else 0.88 - 0.002 * (seed % 5)
    return {"loss": loss, "accuracy": accuracy, "macro_f1": 0.8, "matthews": 0.7}


def summary_of(method, seed, steps, task="classifier"):
    seconds = steps * (0.08 if method == "vcas" else 0.11)
    exact = 3e10 * steps
    performed = metrics_line(steps, method, seed, 1)["flops_performed"] if method == "vcas" else exact
    return {"method": method, "seed": seed, "steps": steps, "train_loss": 0.21 + 0.001 * (seed % 7),
            "eval_metrics": [{"name": name, "greater_is_better": greater} for name, greater in METRICS[task].items()],
            **{f"eval_{name}": value for name, value in evaluation_of(task, seed).items()}, "train_seconds": seconds,
            "adaptation_seconds": 0.02 * seconds if method == "vcas" else 0.0,
            "step_ms": {"median": 80.0, "p10": 70.0, "p90": 95.0},
            "flops": {"exact": exact, "performed": performed, "reduction": 1 - performed / exact},
            "peak_rss_bytes": 1 << 30, "device": "cpu", "threads": 2, "dtype": "float32"}  # fmt: skip


def make_run(folder, method="vcas", seed=42, steps=1000, finished=True, probed=False, slope=1.0, task="classifier"):
    folder.mkdir(parents=True)
    lines = [metrics_line(step, method, seed, slope) for step in range(20, steps + 1, 20)]
    write_lines(folder / "metrics.jsonl", lines)
    write_lines(folder / "evaluations.jsonl", [
        {"step": step, "examples": 100, **evaluation_of(task, seed, step)} for step in range(200, steps + 1, 200)])
    if probed:
        write_lines(folder / "probe.jsonl", [probe_line(number) for number in range(0, steps, 100)])
    if finished:
        (folder / "summary.json").write_text(json.dumps(summary_of(method, seed, steps, task)))
    return folder


def per_example_of(task, seed, variant, examples=50):
    if task == "language model":
        return {"loss": [2 + 0.3 * math.sin(seed * example) + 0.02 * variant * example for example in range(examples)]}
    return {"accuracy": "".join("1" if (seed * example + variant) % 9 else "0" for example in range(examples))}


def make_comparison(folder, variants, seeds, file="compare.json", task="classifier"):
    """@param variants by name: its method."""
    runs = []
    for seed in range(42, 42 + seeds):
        for i, (name, method) in enumerate(variants.items()):
            make_run(folder / f"{name}-seed-{seed}", method, seed, slope=1 - 0.03 * i, task=task)
            runs.append({"method": name, "seed": seed, "summary": summary_of(method, seed, 1000, task),
                         "per_example": per_example_of(task, seed, i)})  # fmt: skip
    (folder / file).write_text(json.dumps({"settings": {}, "runs": runs, "methods": []}))
    return folder
