#!/usr/bin/env python3
"""How much of the FLOPs that a sampling plan saves becomes time, over sizes of model and batch.

Each cell of the grid is a BERT with random weights that takes training steps (forward, backward, clipping, AdamW) in
turns, exactly and under one fixed plan, on the same batches of random tokens in one process (plan_steps.cpp). A pair
of steps is one unit; ratios are of the total times, each with a 95 % percentile bootstrap interval over the units (a
little too narrow where units are few). Plans:
  reached  ratios that a prototype's controller reached after an epoch of SST-2, by block from the input on (stretched
           over the blocks of a deeper model), one nu for all linears of a block;
  light    everything at 0.95, rounded to whole samples and rows: what sampling costs where it saves next to nothing.
Lengths: as many rows in every sample, or "ragged": those of the first glosses of wordnet-nouns. No adaptation runs, and
time in it is not part of these figures (vcas_against_exact.md counts it).

Cells that the results file holds for this program, plan and machine are not measured again. Those whose exact step is
expected to take more than --max_seconds (by its FLOPs) are left out, and so are those whose program needs more than
16 GiB (its limit of private memory, RLIMIT_DATA); the report names them. One thread is measured at one shape a model.

  cmake --preset release -D VCAS_BUILD_BENCHMARKS=ON && cmake --build build/release --target plan_steps
  .venv/bin/python benchmarks/end_to_end/plan_grid.py --output docs/benchmarks/plan_grid.md
"""

import argparse
import dataclasses
import hashlib
import itertools
import json
import pathlib
import re
import resource
import subprocess
import sys

import numpy
from tokenizers import Tokenizer
from training_steps import ROOT, bootstrap_interval, build_digest, command, conditions, packaged_model, publish
from wordnet import read_synsets

SIZES = {
    "MiniLM-L6": {"num_hidden_layers": 6, "hidden_size": 384, "intermediate_size": 1536, "num_attention_heads": 12},
    "BERT-base": {"num_hidden_layers": 12, "hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12},
}
PLANS = {
    "reached": {"sample_keep_ratio": [0.35, 0.36, 0.38, 0.47, 0.49, 0.64],
                "row_keep_ratio": [0.29, 0.27, 0.25, 0.24, 0.26, 0.45]},
    "light": {"sample_keep_ratio": [0.95], "row_keep_ratio": [0.95]},
}
RAGGED_BATCHES = 32
FLOPS_PER_SECOND = 3e11  # of a whole exact step on 2 threads, to guess how long a cell takes
MIN_PAIRS = 7
MAX_GIBIBYTES = 16
OUT_OF_MEMORY = re.compile("allocate memory|bad_alloc")


def size_of(model):
    """Flags of one of SIZES, or of "L6-H384": so many blocks of that hidden size with heads of 64."""
    if model in SIZES:
        return SIZES[model]
    blocks, hidden = map(int, re.fullmatch(r"L(\d+)-H(\d+)", model).groups())
    return {"num_hidden_layers": blocks, "hidden_size": hidden, "intermediate_size": 4 * hidden,
            "num_attention_heads": hidden // 64}


@dataclasses.dataclass(frozen=True)
class Cell:
    model: str
    batch: int
    length: int | str
    precision: str
    threads: int
    plan: str

    def name(self):
        return "/".join(str(value) for value in dataclasses.astuple(self))

    def rows(self, ragged):
        mean = numpy.mean(ragged) if self.length == "ragged" else self.length
        return self.batch * mean

    def expected_seconds(self, ragged):
        size = size_of(self.model)
        weights = size["num_hidden_layers"] * size["hidden_size"] * (4 * size["hidden_size"] +
                                                                     2 * size["intermediate_size"])
        return 6 * weights * self.rows(ragged) / FLOPS_PER_SECOND * 2 / self.threads


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build_dir", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--models", default=",".join(SIZES), help="(default: %(default)s)")
    parser.add_argument("--batches", default="8,32,64", help="samples a step (default: %(default)s)")
    parser.add_argument("--lengths", default="32,128,512,ragged", help="(default: %(default)s)")
    parser.add_argument("--precisions", default="float32,bfloat16", help="(default: %(default)s)")
    parser.add_argument("--plans", default=",".join(PLANS), help="(default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--one_thread", default="32x32", help="batch and length that is also measured on one thread; "
                        "empty: none (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=20, help="of a cell, at least 7 pairs (default: %(default)s)")
    parser.add_argument("--max_seconds", type=float, default=20, help="of an exact step (default: %(default)s)")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "build" / "plan_grid.jsonl",
                        help="what was measured so far (default: %(default)s)")
    parser.add_argument("--output", type=pathlib.Path, help="also write the report to this file")
    return parser.parse_args()


def cells(arguments):
    lengths = [length if length == "ragged" else int(length) for length in arguments.lengths.split(",")]
    shapes = [(int(batch), length, arguments.threads)
              for batch, length in itertools.product(arguments.batches.split(","), lengths)]
    if arguments.one_thread:
        shapes.append((*map(int, arguments.one_thread.split("x")), 1))
    for model, (batch, length, threads), precision, plan in itertools.product(
            arguments.models.split(","), shapes, arguments.precisions.split(","), arguments.plans.split(",")):
        yield Cell(model, batch, length, precision, threads, plan)


def gloss_lengths(count):
    tokenizer = Tokenizer.from_file(str(packaged_model() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(128)
    glosses = [synset.gloss for synset in read_synsets()[:count]]
    return [len(encoded.ids) for encoded in tokenizer.encode_batch(glosses)]


def limit_memory():
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_GIBIBYTES << 30, MAX_GIBIBYTES << 30))


def run_steps(cell, ragged, arguments):
    """The finished program."""
    lengths = ragged[:cell.batch * RAGGED_BATCHES] if cell.length == "ragged" else [cell.length]
    flags = {**size_of(cell.model), **PLANS[cell.plan], "lengths": lengths, "threads": cell.threads,
             "per_device_train_batch_size": cell.batch, "seconds": arguments.seconds, "pairs": MIN_PAIRS,
             "bf16": "true" if cell.precision == "bfloat16" else "false"}
    text = {name: ",".join(map(str, value)) if isinstance(value, list) else value for name, value in flags.items()}
    program = arguments.build_dir / "benchmarks" / "plan_steps"
    return subprocess.run([program, *(f"--{name}={value}" for name, value in text.items())], text=True,
                          capture_output=True, preexec_fn=limit_memory)


def measure(cell, ragged, arguments):
    """Units of a cell; none when it needs more memory than there may be."""
    print(f"measuring {cell.name()}", file=sys.stderr)
    finished = run_steps(cell, ragged, arguments)
    if finished.returncode:
        if OUT_OF_MEMORY.search(finished.stderr):
            return []
        raise SystemExit(f"plan_steps failed on {cell.name()} (status {finished.returncode}):\n{finished.stderr}")
    steps = [json.loads(line) for line in finished.stdout.splitlines()]
    units = []
    for pair in zip(steps[::2], steps[1::2], strict=True):
        by_method = {step["method"]: step for step in pair}
        units.append([value for method in ("exact", "vcas") for value in (
            by_method[method]["seconds"], by_method[method]["forward"] + by_method[method]["backward"],
            by_method[method]["flops"]["performed"])])
    return units


def fingerprint(cell, arguments):
    """What a cell's figures hold for."""
    about = [build_digest(arguments.build_dir, "plan_steps"), size_of(cell.model), PLANS[cell.plan], arguments.seconds,
             conditions(cell.threads)]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def measured(cell, arguments):
    """Units of a cell from the results file, or None."""
    if not arguments.results.exists():
        return None
    for line in arguments.results.read_text().splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:  # of a run that was killed
            continue
        if record["cell"] == cell.name() and record["fingerprint"] == fingerprint(cell, arguments):
            return numpy.array(record["units"])
    return None


def remember(cell, units, arguments):
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    record = {"cell": cell.name(), "fingerprint": fingerprint(cell, arguments), "units": units}
    with arguments.results.open("a") as file:
        file.write(json.dumps(record) + "\n")


def measure_all(chosen, ragged, arguments):
    """Units of the cells, measured or remembered; and why each of the others was left out."""
    results, left_out = {}, {}
    for cell in chosen:
        if cell.expected_seconds(ragged) > arguments.max_seconds:
            left_out[cell] = f"a step would take over {arguments.max_seconds:.0f} s"
            continue
        units = measured(cell, arguments)
        if units is None:
            remember(cell, measure(cell, ragged, arguments), arguments)
            units = measured(cell, arguments)
        if len(units):
            results[cell] = units
        else:
            left_out[cell] = f"it would need over {MAX_GIBIBYTES} GiB"
    return results, left_out


# Columns of a cell's units.
EXACT_STEP, EXACT_PASSES, EXACT_FLOPS, VCAS_STEP, VCAS_PASSES, VCAS_FLOPS = range(6)


def reduction(units, exact, vcas):
    return 1 - units[:, vcas].sum() / units[:, exact].sum()


def of_step(units):
    return reduction(units, EXACT_STEP, VCAS_STEP) / reduction(units, EXACT_FLOPS, VCAS_FLOPS)


def of_passes(units):
    return reduction(units, EXACT_PASSES, VCAS_PASSES) / reduction(units, EXACT_FLOPS, VCAS_FLOPS)


def step_ratio(units):
    return units[:, VCAS_STEP].sum() / units[:, EXACT_STEP].sum()


def with_interval(statistic, units):
    low, high = bootstrap_interval(statistic, units)
    return f"{statistic(units):.2f} ({low:.2f} – {high:.2f})"


def row(cell, units):
    exact_ms = 1e3 * numpy.median(units[:, EXACT_STEP])
    saved = reduction(units, EXACT_FLOPS, VCAS_FLOPS)
    cells_of_row = [cell.model, cell.batch, cell.length, cell.precision, cell.threads, len(units), f"{exact_ms:.0f}",
                    f"{saved:.1%}", with_interval(step_ratio, units)]
    # Of next to no saving there is no meaningful share.
    shares = [with_interval(of_passes, units), with_interval(of_step, units)] if saved > 0.1 else ["", ""]
    return "| " + " | ".join(str(value) for value in [*cells_of_row, *shares]) + " |"


def table(plan, results):
    lines = [f"## Plan: {plan}", "",
             "| model | batch | length | precision | threads | pairs | exact step, ms (median) | FLOPs saved | "
             "step time, VCAS / exact | "
             "time / FLOPs saved, forward and backward | time / FLOPs saved, whole step |",
             "|---" * 11 + "|"]
    lines += [row(cell, units) for cell, units in results.items()]
    ratios = numpy.array([step_ratio(units) for units in results.values()])
    lines += ["", f"Geometric mean of VCAS / exact step time: {numpy.exp(numpy.log(ratios).mean()):.2f}."]
    return "\n".join(lines)


def describe_left_out(left_out):
    """A paragraph by reason."""
    text = ""
    for reason in dict.fromkeys(left_out.values()):
        names = dict.fromkeys(f"{cell.model} {cell.batch} x {cell.length} {cell.precision}"
                              for cell in left_out if left_out[cell] == reason)
        text += f"\n\nLeft out, as {reason}: {', '.join(names)}."
    return text


def report(results, left_out, arguments):
    tables = "\n\n".join(table(plan, {cell: units for cell, units in results.items() if cell.plan == plan})
                         for plan in arguments.plans.split(","))
    return f"""# Fixed sampling plans over sizes of model and batch

    {command()}

{conditions(arguments.threads, "precision as given")}, one thread where a row says so. Random weights. The script says
what is counted; intervals are 95 %.

{tables}{describe_left_out(left_out)}
"""


def main():
    arguments = parse_arguments()
    ragged = gloss_lengths(RAGGED_BATCHES * max(int(batch) for batch in arguments.batches.split(",")))
    results, left_out = measure_all(cells(arguments), ragged, arguments)
    publish(report(results, left_out, arguments), arguments.output)


if __name__ == "__main__":
    main()
