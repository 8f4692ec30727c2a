"""What a forward pass leaves behind for its backward passes: the seam between blocks and the controller."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from vcas.errors import VcasError

PLAN_HEADER = 8
"""Values of a plan tensor before the row counts of its linears (include/vcas/sampling/plan.h)."""


@dataclass
class BlockRecord:
    """One block of one forward pass."""

    plan: torch.Tensor
    """[8 + linears] int64 CPU, read when the backward pass runs."""
    samples: int
    linear_rows: list[int]
    """Rows that each linear runs on."""
    rows: int
    """Of the batch."""
    flops: torch.Tensor | None = None
    """[1] float64 zeros whose gradient is the operations of a backward pass; None: the block has no backward."""
    sample_norms: torch.Tensor | None = None
    """[N] float64 zeros whose gradient is the norm of each sample's gradient; None: not wanted."""
    row_scores: torch.Tensor | None = None
    """[linears, R] float64 zeros whose gradient is the leverage scores."""
    output: torch.Tensor | None = None
    """Kept of the topmost block only."""

    def probes(self) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """sample_norms, row_scores and flops, as the operators take them."""
        return self.sample_norms, self.row_scores, self.flops


@dataclass
class Recording:
    """The blocks that one forward pass went through."""

    stream: tuple[int, int, int]
    """Seed, micro-batch and rank: what random numbers are keyed by."""
    sampled: bool
    """Whether a backward pass may sample or measure; otherwise blocks may run as they were."""
    wants_stats: bool
    """Whether norms and scores may be asked for."""
    blocks: dict[int, BlockRecord] = field(default_factory=dict)
    offsets: torch.Tensor | None = None
    """[N+1] int64 CPU."""
    exact_reason: str | None = None
    """Why this pass cannot be sampled; None: it can."""
    forward_flops: float = 0.0
    exact_backward_flops: float = 0.0
    outside_backward_flops: float = 0.0
    """Of the modules outside the blocks; part of exact_backward_flops too."""

    def rng(self, block: int) -> torch.Tensor:
        """The operators' rng tensor [seed, micro_batch, layer, rank] of one block."""
        seed, micro_batch, rank = self.stream
        return torch.tensor([seed, micro_batch, block, rank])

    def add(
        self, block: int, samples: int, linear_rows: Sequence[int], rows: int, device: torch.device, has_backward: bool
    ) -> BlockRecord:
        """The record of a block; the one of its first run when a checkpointed block runs again.

        Raises:
            VcasError: when the block ran on another batch before.
        """
        present = self.blocks.get(block)
        if present is not None:
            if present.samples != samples or present.rows != rows:
                raise VcasError(f"block {block} ran twice in one recorded forward pass; call the model once a step")
            return present
        linears = len(linear_rows)
        record = BlockRecord(torch.zeros(PLAN_HEADER + linears, dtype=torch.int64), samples, list(linear_rows), rows)

        def probe(*shape: int) -> torch.Tensor:
            return torch.zeros(shape, dtype=torch.float64, device=device, requires_grad=True)

        if has_backward:
            record.flops = probe(1)
            if self.wants_stats:
                record.sample_norms, record.row_scores = probe(samples), probe(linears, rows)
        self.blocks[block] = record
        return record

    def write(self, plan: Any) -> None:
        """Writes a ``torch.classes.vcas.SamplingPlan`` where the blocks' backward passes read it."""
        seed, micro_batch, rank = self.stream
        for block, record in self.blocks.items():
            plan.write(record.plan, block, record.samples, record.linear_rows, [seed, micro_batch, block, rank])
