"""Finds where the files of two runs differ, bit for bit: logs, summaries and weights."""

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
from safetensors.numpy import load_file

# Measured, so that no two runs have the same.
TIMES = frozenset({"step_ms", "tokens_per_second", "train_seconds", "adaptation_seconds", "peak_rss_bytes"})
TIME_TENSORS = frozenset({"history.seconds"})
ABSENT = "absent"


@dataclasses.dataclass(frozen=True)
class Difference:
    place: str
    """Where in the file: "step 13, rho[0]"."""
    key: str
    """The outermost key, or the tensor's name."""
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.place}: {self.before} -> {self.after}"


@dataclasses.dataclass
class Comparison:
    """Of one file."""

    file: str
    differences: list[Difference] = dataclasses.field(default_factory=list)
    only_before: set[str] = dataclasses.field(default_factory=set)
    """Keys that were not compared, because the other run has none."""
    only_after: set[str] = dataclasses.field(default_factory=set)

    def add_objects(
        self, before: dict[str, Any], after: dict[str, Any], ignored: frozenset[str], strict: bool, at: str = ""
    ) -> None:
        """Adds what two JSON objects differ in. A key of one alone is noted; when strict, it must not have gone."""
        ignored = ignored | TIMES
        for key in [key for key in before if key not in ignored]:
            if key not in after and not strict:
                self.only_before.add(key)
                continue
            for place, a, b in leaf_differences(before[key], after.get(key, ABSENT), key):
                self.differences.append(Difference(f"{at}{place}", key, shown(a), shown(b)))
        self.only_after |= set(after) - set(before) - ignored

    def __str__(self) -> str:
        """The first difference, and what else differs."""
        others = list(dict.fromkeys(d.key for d in self.differences if d.key != self.differences[0].key))
        also = f" (also {listed(others)})" if others else ""
        return f"{self.file}: {self.differences[0]}{also}"


def listed(names: list[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def leaf_differences(before: Any, after: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(place, value before, value after) of every number or text that differs; numbers are compared exactly."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            inner = f"{place}.{key}" if place else key
            yield from leaf_differences(before.get(key, ABSENT), after.get(key, ABSENT), inner)
    elif isinstance(before, list) and isinstance(after, list):
        for i in range(max(len(before), len(after))):
            pair = (values[i] if i < len(values) else ABSENT for values in (before, after))
            yield from leaf_differences(*pair, f"{place}[{i}]")
    elif not is_same(before, after):
        yield place, before, after


def is_same(before: Any, after: Any) -> bool:
    if isinstance(before, bool) != isinstance(after, bool):
        return False
    if isinstance(before, float) and isinstance(after, float) and math.isnan(before):
        return math.isnan(after)
    return before == after


def shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def compare_logs(
    file: str,
    before: list[dict[str, Any]],
    after: list[dict[str, Any]],
    ignored: frozenset[str] = frozenset(),
    strict: bool = True,
) -> Comparison:
    """Lines of a log, pair by pair.

    Args:
        ignored: outermost keys that may differ, beside TIMES.
        strict: a key that only `before` has is a difference.
    """
    comparison = Comparison(file)
    if len(before) != len(after):
        counts = (f"{len(lines)} lines" for lines in (before, after))
        comparison.differences.append(Difference("length", "length", *counts))
    for a, b in zip(before, after):
        comparison.add_objects(a, b, ignored, strict, f"step {a.get('step')}, ")
    return comparison


def compare_summaries(
    file: str, before: dict[str, Any], after: dict[str, Any], ignored: frozenset[str] = frozenset()
) -> Comparison:
    """The keys that both have."""
    comparison = Comparison(file)
    comparison.add_objects(before, after, ignored, strict=False)
    return comparison


def compare_tensors(
    file: str, before: dict[str, numpy.ndarray], after: dict[str, numpy.ndarray], strict: bool = True
) -> Comparison:
    """Tensors by name. A name of one side alone is a difference when strict, and noted when not."""
    comparison = Comparison(file)
    for name in sorted({*before, *after} - TIME_TENSORS):
        if name in before and name in after:
            comparison.differences += tensor_difference(name, before[name], after[name])
        elif strict:
            sides = (str(side[name].shape) if name in side else ABSENT for side in (before, after))
            comparison.differences.append(Difference(name, name, *sides))
        else:
            (comparison.only_before if name in before else comparison.only_after).add(name)
    return comparison


def tensor_difference(name: str, before: numpy.ndarray, after: numpy.ndarray) -> list[Difference]:
    """The first element whose bits differ, if any."""
    kinds = [f"{tensor.dtype} {list(tensor.shape)}" for tensor in (before, after)]
    if kinds[0] != kinds[1]:
        return [Difference(name, name, *kinds)]
    bits = [numpy.ascontiguousarray(t).reshape(-1).view(f"u{t.itemsize}") for t in (before, after)]
    differing = numpy.flatnonzero(bits[0] != bits[1])
    if not differing.size:
        return []
    index = [int(i) for i in numpy.unravel_index(differing[0], before.shape)]
    values = [exact_text(tensor[tuple(index)]) for tensor in (before, after)]
    return [Difference(f"{name}{index}, {differing.size} of {before.size} values", name, *values)]


def exact_text(value: Any) -> str:
    """As many digits as tell two values apart; bits where even these are equal (-0.0, a NaN's payload)."""
    return f"{value!s} (bits {value.tobytes()[::-1].hex()})"


def read_log(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def compare_folders(
    before: Path, after: Path, ignored: frozenset[str] = frozenset(), checkpoint: str = "", first_step: int = 0
) -> list[Comparison]:
    """Everything that two runs leave in their folders. What the first does not have is not looked for.

    Args:
        ignored: outermost keys of logs and summaries.
        checkpoint: a checkpoint's folder in both, to compare too.
        first_step: lines of earlier steps are left out of the logs of `before`.
    """
    comparisons = []
    for file, strict in (("metrics.jsonl", True), ("evaluations.jsonl", False)):
        if (before / file).exists():
            kept = [line for line in read_log(before / file) if line["step"] >= first_step]
            comparisons.append(compare_logs(file, kept, read_log(after / file), ignored, strict))
    if (before / "summary.json").exists():
        summaries = (json.loads((side / "summary.json").read_text(encoding="utf-8")) for side in (before, after))
        comparisons.append(compare_summaries("summary.json", *summaries, ignored))
    comparisons.append(compare_tensor_files("model.safetensors", before, after))
    if checkpoint:
        comparisons += compare_checkpoints(checkpoint, before, after)
    return comparisons


def compare_tensor_files(file: str, before: Path, after: Path, strict: bool = True) -> Comparison:
    return compare_tensors(file, load_file(before / file), load_file(after / file), strict)


def compare_checkpoints(checkpoint: str, before: Path, after: Path) -> list[Comparison]:
    """Weights and moments; and the rest of the state, whose tensors are numbered, where its version is the same."""
    comparisons = [
        compare_tensor_files(f"{checkpoint}/model.safetensors", before, after),
        compare_tensor_files(f"{checkpoint}/optimizer.safetensors", before, after, strict=False),
    ]
    state = f"{checkpoint}/training_state"
    versions = [json.loads((side / f"{state}.json").read_text(encoding="utf-8"))["version"] for side in (before, after)]
    if versions[0] == versions[1]:
        comparisons.append(compare_tensor_files(f"{state}.safetensors", before, after, strict=False))
    else:
        only = ({f"version {version}"} for version in versions)
        comparisons.append(Comparison(state, [], *only))
    return comparisons
