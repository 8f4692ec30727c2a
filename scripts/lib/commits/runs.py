"""The runs that either commit makes, how they are made and kept, and what two of them are found to be."""

import dataclasses
import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from lib.commits.builds import Build
from lib.commits.differences import Comparison, compare_folders
from lib.commits.inputs import Inputs

PACKAGE_TRAINER = Path(__file__).resolve().parent / "train_by_package.py"
STAMP = "made_by.json"
LONGEST_RUN_SECONDS = 600
# Both lie between the two micro-batches of an adaptation, whose sums the checkpoint then holds.
SAVED_STEP, SAVED_PACKAGE_STEP = 25, 8


@dataclasses.dataclass(frozen=True)
class Run:
    """One training run, by the program or by the Python package."""

    name: str
    flags: dict[str, object]
    by_package: bool = False
    saved_step: int | None = None
    """Where the run leaves a checkpoint."""
    ignored: frozenset[str] = frozenset()
    """Keys of logs that may differ."""

    def folder_name(self) -> str:
        return re.sub(r"[^\w.]+", "-", self.name)

    def checkpoint(self) -> str:
        return "checkpoint.pt" if self.by_package else f"checkpoint-{self.saved_step}"


def small_runs(inputs: Inputs) -> list[Run]:
    """Every method and policy, in both precisions, with and without accumulation, on one thread and two."""
    common = {
        "model_name_or_path": inputs.small_model,
        "train_file": inputs.train_file,
        "validation_file": inputs.validation_file,
        "max_seq_length": 64,
        "max_steps": 60,
        "per_device_train_batch_size": 16,
        "per_device_eval_batch_size": 32,
        "learning_rate": 1e-3,
        "warmup_ratio": 0.1,
        "cal_var_freq": 12,
        "act_var_tau": 0.2,
        "w_var_tau": 0.2,
        "logging_steps": 1,
        "eval_strategy": "steps",
        "eval_steps": 20,
        "save_strategy": "no",
    }
    methods = {
        "exact": {"method": "exact"},
        "vcas solve": {"method": "vcas", "controller": "solve"},
        "vcas paper": {"method": "vcas", "controller": "paper", "s_update_step": 0.05},
        "sb": {"method": "sb"},
        "ub": {"method": "ub"},
    }

    def run(method: str, precision: str = "float32", accumulation: int = 1, threads: int = 2, **more: object) -> Run:
        flags = {"bf16": "true" if precision == "bf16" else "false", "threads": threads}
        flags["gradient_accumulation_steps"] = accumulation
        name = f"{method}, {precision}, accumulation {accumulation}, threads {threads}"
        name += "".join(f", {flag} {value}" for flag, value in more.items())
        return Run(name, {**common, **methods[method], **flags, **more})

    crossed = [
        run(method, precision, accumulation, threads)
        for method in methods
        for precision in ("float32", "bf16")
        for accumulation in (1, 2)
        for threads in (1, 2)
    ]
    saved = run("vcas solve", save_strategy="steps", save_steps=SAVED_STEP)
    saved = dataclasses.replace(saved, name="vcas solve, checkpoint inside an adaptation", saved_step=SAVED_STEP)
    others = [run("vcas solve", draw="bernoulli"), run("vcas solve", gradient_checkpointing="true"), saved]
    return crossed + others


def mini_lm_runs(inputs: Inputs) -> list[Run]:
    """With the built-in texts, and for vcas with the gate, whose costs of this shape come with the program."""
    flags = {
        "model_name_or_path": inputs.mini_lm,
        "dataset": "wordnet-nouns",
        "max_train_samples": 2000,
        "max_eval_samples": 200,
        "max_steps": 60,
        "per_device_train_batch_size": 32,
        "per_device_eval_batch_size": 64,
        "learning_rate": 1e-4,
        "cal_var_freq": 12,
        "logging_steps": 1,
        "save_strategy": "no",
        "bf16": "true",
        "threads": 2,
    }
    return [Run(f"MiniLM-L6, {method}, bf16", {**flags, "method": method}) for method in ("exact", "vcas")]


def package_runs() -> list[Run]:
    """By vcas.Controller, on the fused operator and on blocks as they are."""

    def run(name: str, saved_step: int | None = None, ignored: tuple[str, ...] = (), **flags: object) -> Run:
        steps = {} if saved_step is None else {"save_steps": saved_step}
        return Run(f"Python, {name}", {**flags, **steps}, True, saved_step, frozenset(ignored))

    return [
        run("BERT, solve, checkpoint inside an adaptation", SAVED_PACKAGE_STEP, model="bert", policy="solve"),
        run("BERT, paper, accumulation 2", model="bert", policy="paper", accumulation=2),
        run("BERT, blocks as they are", model="bert", policy="solve", blocks="generic"),
        # Attention under a causal mask performs half of what was counted before it was counted as it is computed.
        run("GPT-2, without its FLOPs", ignored=("flops",), model="gpt2", policy="solve"),
    ]


def all_runs(inputs: Inputs) -> list[Run]:
    return small_runs(inputs) + mini_lm_runs(inputs) + package_runs()


@dataclasses.dataclass(frozen=True)
class Taken:
    """A run that was made, now or by an earlier call."""

    folder: Path
    seconds: float
    processor_seconds: float
    """Of all threads: what the run takes of a machine that others use too."""
    kept: bool
    """Whether an earlier call made it."""
    status: int
    message: str
    """The end of its stderr, if it failed."""


@dataclasses.dataclass(frozen=True)
class Side:
    """A build, and the folder that its runs are kept in."""

    name: str
    build: Build
    runs: Path

    def take(self, run: Run, resumed_from: Path | None = None) -> Taken:
        """Makes a run, unless it lies there by the same build and flags. A run that goes on is made each time."""
        suffix = "-resumed" if resumed_from else ""
        folder = self.runs / self.name / (run.folder_name() + suffix)
        command = self._command(run, folder, resumed_from)
        fingerprint = hashlib.sha256(f"{self.build.digest()} {command}".encode()).hexdigest()
        made = json.loads((folder / STAMP).read_text()) if (folder / STAMP).exists() else {}
        if made.get("fingerprint") == fingerprint and not resumed_from:
            return Taken(folder, made["seconds"], made["processor_seconds"], True, 0, "")
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        begin = time.monotonic(), children_seconds()
        status, message = execute(command, self._environment(run))
        times = {"seconds": time.monotonic() - begin[0], "processor_seconds": children_seconds() - begin[1]}
        if status == 0:
            (folder / STAMP).write_text(json.dumps({"fingerprint": fingerprint, **times}) + "\n")
        return Taken(folder, *times.values(), False, status, message)

    def _command(self, run: Run, folder: Path, resumed_from: Path | None) -> list[str]:
        begin = [sys.executable, str(PACKAGE_TRAINER)] if run.by_package else [str(self.build.program), "train"]
        flags = dict(run.flags, output_dir=folder)
        if resumed_from:
            flags["resume_from_checkpoint"] = resumed_from
        return begin + [f"--{name}={value}" for name, value in flags.items()]

    def _environment(self, run: Run) -> dict[str, str]:
        # Threads that sleep at barriers: two that spin are many times slower when others use the cores.
        environment = {"OMP_WAIT_POLICY": "passive", **os.environ}
        if run.by_package:
            environment |= {"PYTHONPATH": str(self.build.tree / "python"), "VCAS_LIBRARY": str(self.build.library)}
        return environment


def children_seconds() -> float:
    """Processor time of the programs that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def execute(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Exit status, and the last line of stderr."""
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LONGEST_RUN_SECONDS)
    except subprocess.TimeoutExpired:
        return 1, f"did not end within {LONGEST_RUN_SECONDS} seconds"
    lines = done.stderr.strip().splitlines()
    return done.returncode, lines[-1] if lines else ""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What two runs were found to be: "equal", "differs" or "refused"."""

    name: str
    verdict: str
    detail: str = ""
    comparisons: tuple[Comparison, ...] = ()
    taken: tuple[Taken, ...] = ()


def outcome_of(name: str, taken: tuple[Taken, ...], before: Path, after: Path, **compared: object) -> Outcome:
    """Of the folders of two runs. @param compared as compare_folders() takes it."""
    try:
        comparisons = compare_folders(before, after, **compared)
    except FileNotFoundError as error:
        return Outcome(name, "differs", f"expected the file {error.filename}, found none", (), taken)
    differing = [str(comparison) for comparison in comparisons if comparison.differences]
    return Outcome(name, "differs" if differing else "equal", "; ".join(differing), tuple(comparisons), taken)


def compare_run(run: Run, before: Side, after: Side) -> Outcome:
    taken = tuple(side.take(run) for side in (before, after))
    for side, made in zip((before, after), taken):
        if made.status:
            return Outcome(run.name, "differs", f"{side.name}: exit status {made.status}: {made.message}", (), taken)
    checkpoint = run.checkpoint() if run.saved_step and not run.by_package else ""
    folders = (made.folder for made in taken)
    return outcome_of(run.name, taken, *folders, ignored=run.ignored, checkpoint=checkpoint)


def compare_resumed(run: Run, before: Side, after: Side) -> Outcome:
    """The run that goes on from a checkpoint of the commit before: with its bits, or refused by version."""
    name = f"{run.name}, read by the later commit"
    whole = before.take(run)
    if whole.status:
        return Outcome(name, "differs", f"{before.name}: exit status {whole.status}: {whole.message}", (), (whole,))
    made = after.take(run, whole.folder / run.checkpoint())
    if made.status:
        verdict = "refused" if is_refusal(made) else "differs"
        return Outcome(name, verdict, f"exit status {made.status}: {made.message}", (), (made,))
    rest = run.saved_step + 1
    return outcome_of(name, (made,), whole.folder, made.folder, ignored=run.ignored, first_step=rest)


def is_refusal(made: Taken) -> bool:
    """Whether a run ended as one does whose checkpoint is of another version, and said so."""
    return made.status == 2 and re.search(r"\b(version|format)\b", made.message) is not None
