#!/usr/bin/env python3
"""Where the time of a training step goes: samples of both threads, grouped into parts of the step.

training_steps fine-tunes MiniLM-L6 on WordNet's glosses, exactly and by VCAS; after --warmup_steps, so that VCAS keeps
what its budget asks for, `perf record` samples it for --seconds, exact and VCAS in turns of ten seconds. A part's share
is that of the samples whose function belongs to it, by the table PARTS below. "Waiting" is a thread that spins in
OpenMP's runtime while the other one works alone or has the larger piece. An adaptation that falls among the sampled
steps counts.

  cmake --preset release -D VCAS_BUILD_BENCHMARKS=ON && cmake --build build/release --target training_steps
  .venv/bin/python benchmarks/end_to_end/profile_steps.py --output docs/benchmarks/profile.md
"""

import argparse
import collections
import contextlib
import pathlib
import re
import shutil
import subprocess
import tempfile

from training_steps import ROOT, TrainingSteps, command, conditions, packaged_model, publish

# The first part whose expression is found in "symbol (library)" has the sample.
PARTS = (
    ("products: micro-kernel", r"perf-\d+\.map|brgemm|BrgemmKey|sgemm"),
    ("products: packing and storing", r"transpose_rows|pack_|copy_row|store_tile|multiply_panels|vnni"),
    ("attention", r"attention|multiply_strip|softmax"),
    ("LayerNorm, dropout, residual", r"layer_norm|dropout"),
    ("GELU", r"gelu"),
    ("norms and column sums", r"reduce_row|row_norms|column_sums|row_scores"),
    ("AdamW, clipping", r"adamw|square_sum|LazyRows"),
    ("embeddings", r"embedding"),
    ("draws, sums of squares", r"sampling::|philox|inclusion"),
    ("packing texts into batches", r"vcas::data|PackedTexts"),
    ("waiting for the other thread", r"libgomp"),
    ("memory: copies, pages, allocation", r"memmove|memset|memcpy|malloc|free|chunk|MemoryPool|page|\[kernel"),
)
OTHER = "all else: autograd, dispatch, head, loss"
TURN_SECONDS = 10


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build_dir", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--bf16", action="store_true", help="profile bfloat16 products")
    parser.add_argument("--warmup_steps", type=int, default=300, help="not sampled (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=60, help="sampled of each (default: %(default)s)")
    parser.add_argument("--frequency", type=int, default=997, help="samples a second (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=32, help="texts a step (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--output", type=pathlib.Path, help="also write the report to this file")
    return parser.parse_args()


def part_of(function):
    return next((name for name, expression in PARTS if re.search(expression, function)), OTHER)


def functions_of(recording):
    """Samples by "symbol (library)" of a recording of perf; generated code has no library but a perf-PID.map."""
    report = subprocess.run(["perf", "script", "-i", recording, "-F", "ip,sym,dso"], check=True, text=True,
                            capture_output=True).stdout
    return collections.Counter(line.split(maxsplit=1)[1] for line in report.splitlines() if line.strip())


def sampled(run, folder, arguments):
    """(steps taken, samples by part) of one turn."""
    recording = folder / "perf.data"
    recorder = subprocess.Popen(["perf", "record", "-q", "-F", str(arguments.frequency), "-e", "cpu-clock", "-o",
                                 recording, "-p", str(run.pid)], stderr=subprocess.PIPE, text=True)
    steps = run.seconds(TURN_SECONDS)
    recorder.send_signal(2)
    _, said = recorder.communicate()
    if not recording.exists():
        raise SystemExit(f"profile_steps: perf record failed: {said.strip()}")
    parts = collections.Counter()
    for function, count in functions_of(recording).items():
        parts[part_of(function)] += count
    return steps, parts


def profile(runs, arguments):
    steps, parts = {name: [] for name in runs}, {name: collections.Counter() for name in runs}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(max(1, arguments.seconds // TURN_SECONDS)):
            for name, run in runs.items():
                taken, samples = sampled(run, pathlib.Path(folder), arguments)
                steps[name] += taken
                parts[name] += samples
    return steps, parts


def row(part, parts, milliseconds):
    cells = []
    for name, samples in parts.items():
        share = samples[part] / samples.total()
        cells += [f"{share:.1%}", f"{share * milliseconds[name]:.1f}"]
    return f"| {part} | {' | '.join(cells)} |"


def report(steps, parts, arguments):
    milliseconds = {name: 1e3 * sum(step["seconds"] for step in taken) / len(taken) for name, taken in steps.items()}
    names = [name for name, _ in PARTS] + [OTHER]
    rows = "\n".join(row(part, parts, milliseconds) for part in names)
    saved = 1 - sum(step["flops"]["performed"] for step in steps["vcas"]) / sum(
        step["flops"]["exact"] for step in steps["vcas"])
    counts = ", ".join(f"{len(taken)} {name} steps of {milliseconds[name]:.0f} ms on average"
                       for name, taken in steps.items())
    return f"""# Where a training step's time goes

    {command()}

{conditions(arguments.threads, "bfloat16 products" if arguments.bf16 else "float32")}. MiniLM-L6 on wordnet-nouns, batch
{arguments.batch}, after {arguments.warmup_steps} steps: {counts}; VCAS left out
{saved:.1%} of the FLOPs. Shares of the samples of both threads, and the same of a mean step. The script says which
function belongs where.

| part | exact | ms | VCAS | ms |
|---|---|---|---|---|
{rows}
"""


def start(method, arguments):
    return TrainingSteps(arguments.build_dir, model_name_or_path=packaged_model(), method=method,
                         bf16="true" if arguments.bf16 else "false", threads=arguments.threads,
                         per_device_train_batch_size=arguments.batch, learning_rate=1e-4)


def main():
    arguments = parse_arguments()
    if not shutil.which("perf"):
        raise SystemExit("profile_steps: expected the program perf (Debian: linux-perf), found none")
    with contextlib.ExitStack() as stack:
        runs = {name: stack.enter_context(start(name, arguments)) for name in ("exact", "vcas")}
        for run in runs.values():
            run.steps(arguments.warmup_steps)
        publish(report(*profile(runs, arguments), arguments), arguments.output)


if __name__ == "__main__":
    main()
