"""Texts and metrics for run_glue.py: GLUE by the package datasets, or CSV, TSV and JSONL files."""

import csv
import json
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy
import transformers

# Columns of texts, by task.
TASKS: dict[str, tuple[str, ...]] = {
    "cola": ("sentence",),
    "mnli": ("premise", "hypothesis"),
    "mrpc": ("sentence1", "sentence2"),
    "qnli": ("question", "sentence"),
    "qqp": ("question1", "question2"),
    "rte": ("sentence1", "sentence2"),
    "sst2": ("sentence",),
    "stsb": ("sentence1", "sentence2"),
    "wnli": ("sentence1", "sentence2"),
}


class Texts(NamedTuple):
    """Rows of one part of a data set: texts (or pairs), and their labels; None where the file has none."""

    texts: list[tuple[str, ...]]
    labels: list[Any] | None


def read_file(path: str) -> Texts:
    """A CSV, TSV or JSONL file. Labels come from the column `label`, texts from `sentence1` and `sentence2` if both are
    there, else from the first one or two other columns.

    Raises:
        ValueError: another suffix, no rows, or no column of texts.
    """
    rows = _read_rows(pathlib.Path(path))
    if not rows:
        raise ValueError(f"{path}: expected rows of texts, got none")
    others = [name for name in rows[0] if name not in ("label", "idx")]
    columns = ["sentence1", "sentence2"] if {"sentence1", "sentence2"} <= set(others) else others[:2]
    if not columns:
        raise ValueError(f"{path}: expected a column of texts beside label, got {', '.join(rows[0])}")
    texts = [tuple(row[name] for name in columns) for row in rows]
    return Texts(texts, [row["label"] for row in rows] if "label" in rows[0] else None)


def _read_rows(path: pathlib.Path) -> list[dict[str, Any]]:
    if path.suffix in (".csv", ".tsv"):
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file, delimiter="," if path.suffix == ".csv" else "\t"))
    if path.suffix in (".jsonl", ".json"):
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    raise ValueError(f"{path}: expected a file that ends in .csv, .tsv, .jsonl or .json (one object a line)")


def read_glue(task: str) -> dict[str, Texts]:
    """The parts train, validation and test of a GLUE task, from the Hugging Face hub. MNLI's are the matched ones."""
    import datasets

    parts = datasets.load_dataset("nyu-mll/glue", task)
    suffix = "_matched" if task == "mnli" else ""
    read = {}
    for name, source in (("train", "train"), ("validation", "validation" + suffix), ("test", "test" + suffix)):
        part = parts[source]
        read[name] = Texts(list(zip(*(part[column] for column in TASKS[task]), strict=True)), list(part["label"]))
    return read


class Labels:
    """Classes in their order, or numbers of a regression.

    Args:
        values: of the training texts: integers or names of classes; floating-point numbers make a regression.
    """

    def __init__(self, values: Sequence[Any]) -> None:
        self.is_regression = any(isinstance(value, float) for value in values)
        distinct = set(values)
        numeric = all(isinstance(value, int) or str(value).lstrip("-").isdigit() for value in distinct)
        names = [] if self.is_regression else sorted(distinct, key=int if numeric else str)
        self.names = [str(name) for name in names]
        self._ids = {name: i for i, name in enumerate(self.names)}

    def __call__(self, value: Any) -> int | float:
        if self.is_regression:
            return float(value)
        if str(value) not in self._ids:
            raise ValueError(f"label: expected one of the training file's ({', '.join(self.names)}), got {value!r}")
        return self._ids[str(value)]


def encode(
    part: Texts, labels: Labels, tokenizer: transformers.PreTrainedTokenizerBase, max_length: int, limit: int | None
) -> list[dict[str, Any]]:
    """Features of the first `limit` texts (default: of all): what the tokenizer gives, and `labels`."""
    texts = part.texts[:limit]
    encoded = tokenizer(*map(list, zip(*texts, strict=True)), truncation=True, max_length=max_length)
    features = [{name: values[i] for name, values in encoded.items()} for i in range(len(texts))]
    # Test sets of GLUE have -1 for what is not told.
    if part.labels is not None and -1 not in part.labels:
        for feature, label in zip(features, part.labels, strict=False):
            feature["labels"] = labels(label)
    return features


def metrics_of(task: str | None, is_regression: bool) -> Any:
    """compute_metrics of a Trainer: GLUE's metrics of the task; accuracy, or squared error, of other data."""

    def compute(prediction: transformers.EvalPrediction) -> dict[str, float]:
        outputs = numpy.asarray(prediction.predictions)
        truth = numpy.asarray(prediction.label_ids)
        if is_regression:
            values = outputs.squeeze(-1)
            return {"mse": float(numpy.mean((values - truth) ** 2)), "pearson": _correlation(values, truth)}
        chosen = outputs.argmax(-1)
        metrics = {"accuracy": float(numpy.mean(chosen == truth))}
        if task == "cola":
            metrics["matthews_correlation"] = _correlation(chosen, truth)
        if task in ("mrpc", "qqp"):
            both = numpy.sum((chosen == 1) & (truth == 1))
            metrics["f1"] = float(2 * both / max(numpy.sum(chosen == 1) + numpy.sum(truth == 1), 1))
        return metrics

    return compute


def _correlation(a: numpy.ndarray, b: numpy.ndarray) -> float:
    """Pearson's; of two classes 0 and 1 it is Matthews'. 0 where one does not vary."""
    return float(numpy.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0
