"""Prints a table that compares a run of exact training with one by VCAS, from their summary.json."""

import argparse
import json
import sys
from pathlib import Path

# Keys of summary.json that the table reads, and what each must be.
NUMBERS = ("train_loss", "train_seconds", "adaptation_seconds", "steps", "seed")
# Metrics between 0 and 1, shown in percent.
SHARES = {"accuracy", "top5", "f1", "macro_f1"}


class RunError(Exception):
    """A folder that is no finished run, or two runs that cannot be compared."""


def read_summary(folder: Path) -> dict:
    path = folder / "summary.json"
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: expected the summary of a finished run, found no such file") from None
    except json.JSONDecodeError as error:
        raise RunError(f"{path}: expected JSON: {error}") from None
    for key in NUMBERS:
        require_number(summary.get(key), path, key)
    for key in ("exact", "performed", "reduction"):
        require_number(summary.get("flops", {}).get(key), path, f"flops.{key}")
    require_number(summary.get("step_ms", {}).get("median"), path, "step_ms.median")
    return summary


def require_number(value: object, path: Path, key: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RunError(f"{path}: expected a number as {key}, got {json.dumps(value)}")


def require_comparable(exact: dict, vcas: dict) -> None:
    for key in ("seed", "steps"):
        if exact[key] != vcas[key]:
            raise RunError(f"expected two runs of the same {key}, got {exact[key]} and {vcas[key]}")


def comparison(exact: dict, vcas: dict) -> dict[str, float]:
    """Shares of exact training that VCAS saved. time_per_flops is the part of the FLOPs saved that became time."""
    flops_saved = vcas["flops"]["reduction"]
    time_saved = 1 - vcas["train_seconds"] / exact["train_seconds"]
    return {
        "flops_saved": flops_saved,
        "time_saved": time_saved,
        "time_per_flops": time_saved / flops_saved if flops_saved > 0 else float("nan"),
        "adaptation_share": vcas["adaptation_seconds"] / vcas["train_seconds"],
    }


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def main_metric(exact: dict, vcas: dict) -> str | None:
    """The metric of held-out examples that both runs have: the task's own, or the loss."""
    listed = [metric["name"] for metric in exact.get("eval_metrics", [{"name": "loss"}, {"name": "accuracy"}])]
    ordered = [*(name for name in listed if name != "loss"), "loss"]
    both = (name for name in ordered if all(run.get(f"eval_{name}") is not None for run in (exact, vcas)))
    return next(both, None)


def metric_row(exact: dict, vcas: dict) -> list[tuple[str, str, str]]:
    name = main_metric(exact, vcas)
    if name is None:
        return []
    shown = percent if name in SHARES else "{:.4f}".format
    return [(f"evaluation {name}", shown(exact[f"eval_{name}"]), shown(vcas[f"eval_{name}"]))]


def table(exact: dict, vcas: dict) -> list[tuple[str, str, str]]:
    found = comparison(exact, vcas)
    ratio = found["time_per_flops"]
    return [
        ("", "exact", "VCAS"),
        ("train loss", f"{exact['train_loss']:.4f}", f"{vcas['train_loss']:.4f}"),
        *metric_row(exact, vcas),
        ("training time", f"{exact['train_seconds']:.1f} s", f"{vcas['train_seconds']:.1f} s"),
        ("median step", f"{exact['step_ms']['median']:.1f} ms", f"{vcas['step_ms']['median']:.1f} ms"),
        ("FLOPs saved", "", percent(found["flops_saved"])),
        ("time saved", "", percent(found["time_saved"])),
        ("time saved / FLOPs saved", "", f"{ratio:.2f}" if ratio == ratio else "-"),
        ("time in adaptation", "", percent(found["adaptation_share"])),
    ]


def render(rows: list[tuple[str, str, str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{name:<{widths[0]}}  {a:>{widths[1]}}  {b:>{widths[2]}}".rstrip() for name, a, b in rows]
    lines.insert(1, "-" * (sum(widths) + 4))
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("exact", type=Path, help="output_dir of the run of exact training")
    parser.add_argument("vcas", type=Path, help="output_dir of the run by VCAS")
    folders = parser.parse_args(arguments)
    try:
        exact, vcas = read_summary(folders.exact), read_summary(folders.vcas)
        require_comparable(exact, vcas)
    except RunError as error:
        print(f"compare_runs: {error}", file=sys.stderr)
        return 2
    print(f"\n{vcas['steps']} steps each, seed {vcas['seed']}, {vcas.get('threads', '?')} threads\n")
    print(render(table(exact, vcas)))
    print(f"\nexact model: {folders.exact}\nVCAS model:  {folders.vcas}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
