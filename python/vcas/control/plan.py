"""Plans of backward passes, as ``torch.classes.vcas`` registers them."""

from collections.abc import Callable
from typing import Protocol

import torch

_PLAN_HEADER = 8
"""Values of a plan tensor before the row counts of its weights (include/vcas/sampling/plan.h)."""


class SamplingPlan(Protocol):
    """How much a backward pass keeps: ``torch.classes.vcas.SamplingPlan``."""

    def sampled(self) -> bool:
        """Whether anything may be left out."""

    def sample_keep_ratio(self) -> list[float]:
        """rho, by block."""

    def row_keep_ratio(self) -> list[list[float]]:
        """nu, by block and weight."""

    def write(self, tensor: torch.Tensor, block: int, samples: int, weight_rows: list[int], stream: list[int]) -> None:
        """Writes one block's part where its operator reads it."""


def exact_plan() -> SamplingPlan:
    """The plan of a backward pass that leaves nothing out."""
    plan: SamplingPlan = torch.classes.vcas.SamplingPlan([], [], "fixed", 0)
    return plan


def plan_tensor(weights: int) -> torch.Tensor:
    """Zeros, which is an exact plan, for a block of so many sampled weights: int64 CPU."""
    return torch.zeros(_PLAN_HEADER + weights, dtype=torch.int64)


def is_sampled(plan: torch.Tensor) -> bool:
    """Whether a plan tensor leaves anything out."""
    return bool(plan[0])


def write_ratios(write: Callable[[SamplingPlan], None], rho: float, weights: int, nu: float = 1.0) -> None:
    """Writes a plan for one block: `rho` of its samples, `nu` of the rows of each weight."""
    plan: SamplingPlan = torch.classes.vcas.SamplingPlan([rho], [[nu] * weights], "fixed", 0)
    write(plan)
