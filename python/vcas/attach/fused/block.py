"""Blocks that the fused operator runs: the forward pass that replaces their own."""

from collections.abc import Callable

import torch
from torch import nn

from vcas.attach.checkpointing import is_on
from vcas.attach.fused import operator
from vcas.attach.fused.packing import PackedBatch
from vcas.control.recording import BlockRecord, Recording
from vcas.errors import VcasError


class FusedPass:
    """One forward pass of a model whose blocks the fused operator runs."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.unpacks_each = False
        """Whether every block gives [B, T, H], because hidden states are collected."""
        self.first_row_only = False
        """Whether only position 0 of the last block is read."""
        self.batch: PackedBatch | None = None
        """Where the rows are; known before the first block runs."""

    @property
    def exact_reason(self) -> str | None:
        """Why the model's own blocks run; None: they do not."""
        return self.recording.exact_reason


class FusedBlock:
    """One block; called in place of its forward()."""

    def __init__(self, block: nn.Module, index: int, count: int, layer: operator.FusedLayer) -> None:
        self.block, self.index, self.last, self.layer = block, index, index + 1 == count, layer
        # Of the pass under way. Here and not in its recording: compiled code that reads no index serves all blocks.
        self._record: BlockRecord | None = None
        self._rng = operator.rng_tensor([0, 0, index])
        self._work = operator.work_of(layer, torch.zeros(1, dtype=torch.int64))

    def begin(self, recording: Recording, batch: PackedBatch, first_row_only: bool, has_backward: bool) -> None:
        """Takes what a forward pass of the block needs to know before it.

        Args:
            recording: of the pass; where it is sampled it gets the block's record and operations.
            batch: the rows that the block runs on.
            first_row_only: whether only position 0 of its output is read.
            has_backward: whether a backward pass can reach the block.
        """
        self._rng = operator.rng_tensor(recording.key(self.index))
        query_rows = batch.offsets[:-1].clone() if first_row_only else None
        # Checkpointed, it keeps only its input, and computes the kept samples once more in the backward pass.
        self._work = operator.work_of(self.layer, batch.offsets, query_rows, recompute=is_on(self.block))
        self._record = self._recorded(recording, batch, has_backward) if recording.sampled else None

    def end(self) -> None:
        """Lets go of the pass: its record holds the graph."""
        self._record = None

    def forward(self, current: FusedPass, hidden: torch.Tensor) -> torch.Tensor:
        """Runs the block.

        Args:
            hidden: [B, T, H], or [R, H] from the block before.

        Returns:
            [R, H]; [B, T, H] of the last block, or where hidden states are collected; [B, 1, H] of a last block of
            which only position 0 is read.

        Raises:
            VcasError: when the model ran its blocks without its embeddings.
        """
        batch = current.batch
        if batch is None:
            raise VcasError("expected the model to run its embeddings before its blocks")
        rows = batch.pack(hidden) if hidden.dim() == 3 else hidden
        output = operator.run(self.layer, rows, self._work, self._rng, self._record)
        if self._record is not None and self.last:
            self._record.output = output
        if self._work.query_rows is not None:
            return output.unsqueeze(1)
        return batch.unpack(output) if self.last or current.unpacks_each else output

    def _recorded(self, recording: Recording, batch: PackedBatch, has_backward: bool) -> BlockRecord:
        """The block's record, with its operations counted."""
        work, rows, device = self._work, int(batch.offsets[-1]), self.layer.parameters()[0].device
        record = recording.add(self.index, operator.weight_offsets(work), rows, device, has_backward)
        forward, backward = operator.flops(self.layer, work)
        recording.forward_flops += forward
        if has_backward:
            recording.exact_backward_flops += backward
        return record


def patched_forward(fused: FusedBlock, current: Callable[[], FusedPass | None]) -> Callable[..., object]:
    """The function that stands in for a block's forward(). `current` gives the pass under way, if any."""
    block = fused.block
    original = type(block).forward

    def forward(hidden_states: torch.Tensor, *args: object, **kwargs: object) -> object:
        under_way = current()
        if under_way is None or under_way.exact_reason is not None:
            return original(block, hidden_states, *args, **kwargs)
        output = fused.forward(under_way, hidden_states)
        return (output,) if fused.layer.gives_tuple else output

    return forward
