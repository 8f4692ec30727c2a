"""What the experiments share: tasks out of WordNet, runs by `vcas compare`, statistics and tables.

Every experiment is a script beside this one. It trains what is missing under build/experiments (runs that lie there
are not trained again), and writes its tables into docs/experiments/NAME.md, between the lines "<!-- results -->" and
"<!-- end of results -->"; question, answer and limits around them are written by hand.
"""

import argparse
import csv
import dataclasses
import functools
import json
import math
import pathlib
import random
import subprocess
import sys

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "benchmarks" / "end_to_end"))

from training_steps import packaged_model  # noqa: E402
from wordnet import read_synsets  # noqa: E402

SEEDS = 3
BEGIN, END = "<!-- results -->", "<!-- end of results -->"
# What every run has unless a variant says otherwise.
COMMON = {"num_train_epochs": 1, "per_device_train_batch_size": 32, "per_device_eval_batch_size": 64,
          "learning_rate": 1e-4, "warmup_ratio": 0.1, "logging_steps": 10}
# 97.5 % quantile of Student's t by degrees of freedom.
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


@dataclasses.dataclass(frozen=True)
class Task:
    """Texts to learn from and held-out ones."""
    name: str
    train_file: pathlib.Path
    validation_file: pathlib.Path


@dataclasses.dataclass(frozen=True)
class Variant:
    """A way to train: a method and the flags in which it differs from COMMON."""
    name: str
    method: str = "vcas"
    flags: tuple[tuple[str, object], ...] = ()
    model: pathlib.Path | None = None

    @classmethod
    def of(cls, name, method="vcas", model=None, **flags):
        return cls(name, method, tuple(flags.items()), model)


@functools.cache
def arguments():
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build" / "release" / "vcas")
    parser.add_argument("--runs", type=pathlib.Path, default=ROOT / "build" / "experiments", help="where runs are kept")
    parser.add_argument("--threads", type=int, default=1, help="(default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="(default: %(default)s)")
    return parser.parse_args()


def wordnet_task(name, train=10_000, held_out=2_000):
    """nouns, verbs: gloss to lexicographer file; parts: gloss to part of speech. Shuffled by a fixed seed."""
    if name == "parts":
        rows = [(synset.gloss, part) for part in ("noun", "verb", "adj", "adv") for synset in read_synsets(part)]
    else:
        rows = [(synset.gloss, f"class {synset.lexical_file:02d}") for synset in read_synsets(name.removesuffix("s"))]
    random.Random(0).shuffle(rows)
    folder = arguments().runs / "data"
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / f"{name}-{train}.csv", folder / f"{name}-{train}-held-out-{held_out}.csv"
    learned = rows[held_out:held_out + train]
    known = {label for _, label in learned}  # of few texts a rare class may have none
    for path, part in zip(files, (learned, [row for row in rows[:held_out] if row[1] in known])):
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("sentence", "label"))
            writer.writerows(part)
    return Task(f"{name}-{train}", *files)


def runs_of(task, variant):
    """The runs of a variant, a seed each: summary, per_example, folder; trained where they are missing."""
    flags = COMMON | dict(variant.flags)
    folder = arguments().runs / task.name / slug(variant.name)
    call = [arguments().program, "compare", f"--methods={variant.method}", f"--seeds={arguments().seeds}",
            f"--train_file={task.train_file}", f"--validation_file={task.validation_file}",
            f"--model_name_or_path={variant.model or packaged_model()}", f"--threads={arguments().threads}",
            f"--output_dir={folder}", *(f"--{name}={value}" for name, value in flags.items())]
    subprocess.run(call, check=True, stdout=subprocess.DEVNULL)
    runs = json.loads((folder / "compare.json").read_text())["runs"][:arguments().seeds]
    return [run | {"folder": folder / f"{variant.method}-seed-{run['seed']}"} for run in runs]


def slug(name):
    return "".join(c if c.isalnum() or c in ".-=" else "-" for c in name)


def summaries(runs, *keys):
    """A figure of summary.json, by seed."""
    def figure(summary):
        return functools.reduce(lambda value, key: value[key], keys, summary)
    return numpy.array([figure(run["summary"]) for run in runs], dtype=float)


def correct(runs):
    """[seeds, examples] of 0 and 1. Older runs have them as the text "correct"."""
    return numpy.array([[float(value) for value in run.get("per_example", {}).get("accuracy") or run["correct"]]
                        for run in runs])


def spread(values, digits, scale=1):
    values = scale * numpy.asarray(values)
    return f"{values.mean():.{digits}f} ± {values.std(ddof=1):.{digits}f}"


def paired_interval(differences):
    """95 % interval of a mean difference by seed (Student's t)."""
    half = STUDENT[len(differences) - 1] * differences.std(ddof=1) / math.sqrt(len(differences))
    return differences.mean() - half, differences.mean() + half


def loss_difference(runs, exact):
    """Relative change of the train loss, in %, paired by seed."""
    change = 100 * (summaries(runs, "train_loss") / summaries(exact, "train_loss") - 1)
    low, high = paired_interval(change)
    return f"{change.mean():+.1f} ({low:+.1f} – {high:+.1f})"


def accuracy_difference(runs, exact):
    """Points, paired by example: what each held-out example gained over the seeds; 95 % interval."""
    gained = 100 * (correct(runs).mean(axis=0) - correct(exact).mean(axis=0))
    half = 1.96 * gained.std(ddof=1) / math.sqrt(gained.size)
    return f"{gained.mean():+.2f} ({gained.mean() - half:+.2f} – {gained.mean() + half:+.2f})"


COLUMNS = ("train loss", "against exact, %", "accuracy, %", "against exact, points", "FLOPs left out, %")


def result_row(runs, exact):
    """Cells of COLUMNS."""
    return [spread(summaries(runs, "train_loss"), 3),
            "" if runs is exact else loss_difference(runs, exact),
            spread(summaries(runs, "eval_accuracy"), 2, 100),
            "" if runs is exact else accuracy_difference(runs, exact),
            spread(summaries(runs, "flops", "reduction"), 1, 100)]


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def results_table(task, variants, exact_variant=None):
    """A row a variant, the first (or exact_variant) being what the others are compared with."""
    results = {variant.name: runs_of(task, variant) for variant in variants}
    exact = results[(exact_variant or variants[0]).name]
    return table(("", *COLUMNS), [(name, *result_row(runs, exact)) for name, runs in results.items()])


def metrics_of(run):
    """Lines of metrics.jsonl."""
    return [json.loads(line) for line in (run["folder"] / "metrics.jsonl").read_text().splitlines()]


def publish(text):
    """Puts the results into the page that bears the script's name, and prints them."""
    script = pathlib.Path(sys.argv[0]).resolve()
    page = ROOT / "docs" / "experiments" / f"{script.stem}.md"
    print(text)
    before, _, rest = page.read_text().partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{page}: expected the lines {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
