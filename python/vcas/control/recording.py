"""What a forward pass leaves behind for its backward passes: the seam between blocks and the controller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch

from vcas.control.plan import SamplingPlan, plan_tensor
from vcas.errors import VcasError


@dataclass
class BlockRecord:
    """One block of one forward pass. Its statistics inputs are zeros whose gradients are what a pass measured."""

    plan: torch.Tensor
    """int64 CPU, read when the backward pass runs."""
    samples: int
    weight_rows: list[int]
    """Rows that each sampled weight runs on."""
    rows: int
    """Of the batch."""
    flops: torch.Tensor | None = None
    """[1] float64 statistics input: the operations of a backward pass; None: the block has no backward pass."""
    sample_norms: torch.Tensor | None = None
    """[N] float64 statistics input: the norm of each sample's gradient; None: not wanted."""
    row_scores: torch.Tensor | None = None
    """[weights, R] float64 statistics input: the leverage scores; None: not wanted."""
    output: torch.Tensor | None = None
    """Kept of the topmost block only."""

    def statistics_inputs(self) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """sample_norms, row_scores and flops, as the operators take them."""
        return self.sample_norms, self.row_scores, self.flops


@dataclass
class Recording:
    """The blocks that one forward pass went through."""

    stream: tuple[int, int, int]
    """Seed, micro-batch and rank: what random numbers are keyed by."""
    sampled: bool
    """Whether a backward pass may sample or measure; otherwise blocks may run as they were."""
    wants_statistics: bool
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

    def key(self, block: int) -> list[int]:
        """What the random numbers of a block are keyed by: seed, micro-batch, block and rank."""
        seed, micro_batch, rank = self.stream
        return [seed, micro_batch, block, rank]

    def add(
        self, block: int, samples: int, weight_rows: Sequence[int], rows: int, device: torch.device, has_backward: bool
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
        weights = len(weight_rows)
        record = BlockRecord(plan_tensor(weights), samples, list(weight_rows), rows)

        def statistics_input(*shape: int) -> torch.Tensor:
            return torch.zeros(shape, dtype=torch.float64, device=device, requires_grad=True)

        if has_backward:
            record.flops = statistics_input(1)
            if self.wants_statistics:
                record.sample_norms, record.row_scores = statistics_input(samples), statistics_input(weights, rows)
        self.blocks[block] = record
        return record

    def write(self, plan: SamplingPlan) -> None:
        """Writes a plan where the blocks' backward passes read it."""
        for block, record in self.blocks.items():
            plan.write(record.plan, block, record.samples, record.weight_rows, self.key(block))


class Recorder(Protocol):
    """Who asks an attached model for recordings: its controller."""

    recording: Recording | None
    """The forward pass that waits for its backward pass."""

    def begin(self) -> Recording:
        """The recording of the forward pass that starts."""
