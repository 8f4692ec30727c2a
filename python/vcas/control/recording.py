"""What a forward pass leaves behind for its backward passes: the seam between blocks and the controller."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch

from vcas.control.options import SamplingOptions
from vcas.control.plan import SamplingPlan, plan_tensor
from vcas.errors import VcasError


@dataclass
class BlockRecord:
    """One block of one forward pass. Its statistics inputs are zeros whose gradients are what a pass measured."""

    plan: torch.Tensor
    """int64 CPU, read when the backward pass runs."""
    weight_offsets: torch.Tensor
    """[weights, N+1] int64 CPU: sample i owns rows weight_offsets[w, i]..weight_offsets[w, i+1]-1 of weight w."""
    samples: int
    weight_rows: list[int]
    """Rows that each sampled weight runs on."""
    rows: int
    """Of the batch."""
    flops: torch.Tensor | None = None
    """[1] float64 CPU statistics input: the operations of a backward pass; None: the block has no backward pass."""
    sample_norms: torch.Tensor | None = None
    """[N] float64 statistics input: the norm of each sample's gradient; None: not wanted."""
    row_scores: torch.Tensor | None = None
    """[sum of weight_rows] float64 statistics input: the leverage scores, weight after weight; None: not wanted."""
    output: torch.Tensor | None = None
    """Kept of the topmost block only."""

    def statistics_inputs(self) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """sample_norms, row_scores and flops, as the operators take them."""
        return self.sample_norms, self.row_scores, self.flops


@dataclass
class Recording:
    """The blocks that one forward pass went through."""

    stream: tuple[int, int]
    """Seed, and the micro-batch's number among those of all ranks: what random numbers are keyed by."""
    sampled: bool
    """Whether a backward pass may sample or measure; otherwise blocks may run as they were."""
    wants_statistics: bool
    """Whether norms and scores may be asked for."""
    blocks: dict[int, BlockRecord] = field(default_factory=dict)
    exact_reason: str | None = None
    """Why this pass cannot be sampled; None: it can."""
    forward_flops: float = 0.0
    exact_backward_flops: float = 0.0
    outside_backward_flops: float = 0.0
    """Of the modules outside the blocks; part of exact_backward_flops too."""

    def key(self, block: int) -> list[int]:
        """What the random numbers of a block are keyed by: seed, micro-batch and block."""
        return [*self.stream, block]

    def add(
        self, block: int, weight_offsets: torch.Tensor, rows: int, device: torch.device, has_backward: bool
    ) -> BlockRecord:
        """The record of a block; the one of its first run when a checkpointed block runs again.

        Args:
            weight_offsets: [weights, N+1] int64 CPU, the rows of each sample by weight.
            rows: of the batch.

        Raises:
            VcasError: when the block ran on another batch before.
        """
        samples = weight_offsets.shape[1] - 1
        present = self.blocks.get(block)
        if present is not None:
            if present.samples != samples or present.rows != rows:
                raise VcasError(f"block {block} ran twice in one recorded forward pass; call the model once a step")
            return present
        weight_rows: list[int] = weight_offsets[:, -1].tolist()
        record = BlockRecord(plan_tensor(len(weight_rows)), weight_offsets, samples, weight_rows, rows)
        if has_backward:
            record.flops = _statistics_input(1, torch.device("cpu"))
            if self.wants_statistics:
                record.sample_norms = _statistics_input(samples, device)
                record.row_scores = _statistics_input(sum(weight_rows), device)
        self.blocks[block] = record
        return record

    def write(self, plan: SamplingPlan) -> None:
        """Writes a plan where the blocks' backward passes read it."""
        for block, record in self.blocks.items():
            plan.write(record.plan, block, record.samples, record.weight_rows, self.key(block))


def _statistics_input(size: int, device: torch.device) -> torch.Tensor:
    return torch.zeros(size, dtype=torch.float64, device=device, requires_grad=True)


class Recorder(Protocol):
    """Who asks an attached model for recordings: its controller."""

    options: SamplingOptions
    recording: Recording | None
    """The forward pass that waits for its backward pass."""

    def begin(self) -> Recording:
        """The recording of the forward pass that starts."""
