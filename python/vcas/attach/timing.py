"""Times of backward passes, and the costs that follow from them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from vcas.control.costs import BackwardCost, WeightGradientCost

Trial = Callable[[], object]
"""Runs once what is timed."""

_FEWEST = 11
"""Runs of each trial."""


@dataclass(frozen=True)
class Line:
    """seconds = constant + each·rows, neither negative."""

    constant: float
    each: float

    @staticmethod
    def through(small: tuple[int, float], large: tuple[int, float]) -> "Line":
        """The line through two points (rows, seconds)."""
        each = (large[1] - small[1]) / (large[0] - small[0])
        if each <= 0:
            return Line(max(0.0, (small[1] + large[1]) / 2), 0.0)
        return Line(max(0.0, small[1] - each * small[0]), each)


def shortest(trials: Sequence[Trial], seconds: float, device: torch.device) -> list[float]:
    """Seconds of the shortest run of each trial: what other load on the machine adds is no cost.

    The trials take turns for about so many seconds, at least 11 runs each.
    """
    times: list[list[float]] = [[] for _ in trials]
    for trial in trials:
        trial()
    end = time.perf_counter() + seconds
    while len(times[0]) < _FEWEST or time.perf_counter() < end:
        for trial, own in zip(trials, times, strict=True):
            _wait_for(device)
            start = time.perf_counter()
            trial()
            _wait_for(device)
            own.append(time.perf_counter() - start)
    return [min(own) for own in times]


def _wait_for(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def backward_cost(
    make: Callable[[int, bool], Trial], samples: tuple[int, int], rows: int, seconds: float, device: torch.device
) -> BackwardCost:
    """Costs of a block.

    A backward pass that keeps half of the samples is compared with an exact one over half as many: what it takes
    longer is the cost of leaving out.

    Args:
        make: (samples, whether half of them are kept) to what runs such a backward pass.
        samples: of a small and of a large batch; both even.
        rows: of a sample.
    """
    small, large = samples
    sizes = [small // 2, small, large // 2, large]
    trials = [make(size, False) for size in sizes] + [make(small, True), make(large, True)]
    half_small, full_small, half_large, full_large, kept_small, kept_large = shortest(trials, seconds, device)
    exact = Line.through((small * rows, full_small), (large * rows, full_large))
    added = Line.through((small * rows, kept_small - half_small), (large * rows, kept_large - half_large))
    return {"row": exact.each, "draw": added.constant, "batch_row": added.each}


def weight_gradient_cost(
    make: Callable[[int, bool], Trial], rows: tuple[int, int], seconds: float, device: torch.device
) -> WeightGradientCost:
    """Costs of a weight's gradient: what sampling adds shows where it leaves out a single row.

    Args:
        make: (rows, whether one is left out) to what computes such a gradient.
        rows: of a small and of a large batch.
    """
    small, large = rows
    trials = [make(small, False), make(large, False), make(small, True), make(large, True)]
    exact_small, exact_large, sampled_small, sampled_large = shortest(trials, seconds, device)
    row = Line.through((small, exact_small), (large, exact_large)).each
    added = Line.through((small, sampled_small - exact_small + row), (large, sampled_large - exact_large + row))
    return {"row": row, "draw": added.constant, "scored_row": added.each}
