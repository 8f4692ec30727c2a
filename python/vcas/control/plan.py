"""Plans of backward passes, as ``torch.classes.vcas`` registers them."""

from collections.abc import Callable
from typing import Protocol

import torch


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


def plan_tensor(weights: int) -> torch.Tensor:
    """An exact plan for a block of so many sampled weights: int64 CPU."""
    plan: torch.Tensor = torch.ops.vcas.plan_tensor(weights)
    return plan


def is_sampled(plan: torch.Tensor) -> bool:
    """Whether a plan tensor leaves anything out."""
    return bool(torch.ops.vcas.is_sampled(plan))


def write_ratios(write: Callable[[SamplingPlan], None], rho: float, weights: int, nu: float = 1.0) -> None:
    """Writes a plan for one block: `rho` of its samples, `nu` of the rows of each weight."""
    plan: SamplingPlan = torch.classes.vcas.SamplingPlan([rho], [[nu] * weights], "fixed", 0)
    write(plan)
