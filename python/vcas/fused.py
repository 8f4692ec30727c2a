"""Blocks that the operator ``vcas::encoder_layer`` runs: the forward pass that replaces their own."""

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vcas.architectures import FusedLayer
from vcas.checkpointing import is_on
from vcas.errors import VcasError
from vcas.packing import PackedBatch
from vcas.recording import BlockRecord, Recording

if TYPE_CHECKING:
    from vcas.passes import FusedPass


class FusedBlock:
    """One block; called in place of its forward()."""

    def __init__(self, block: nn.Module, index: int, count: int, layer: FusedLayer) -> None:
        self.block, self.index, self.last, self.layer = block, index, index + 1 == count, layer
        # Of the pass under way. Here and not in its recording: compiled code that reads no index serves all blocks.
        self._record: BlockRecord | None = None
        self._rng = torch.zeros(4, dtype=torch.int64)
        self._first_row_only = self._recompute = False

    def begin(self, recording: Recording, batch: PackedBatch, first_row_only: bool, has_backward: bool) -> None:
        """What a forward pass of the block needs to know before it.

        Args:
            recording: of the pass; where it is sampled it gets the block's record and operations.
            batch: the rows that the block runs on.
            first_row_only: whether only position 0 of its output is read.
            has_backward: whether a backward pass can reach the block.
        """
        self._rng = recording.rng(self.index)
        self._first_row_only = first_row_only
        # Checkpointed, it keeps only its input, and computes the kept samples once more in the backward pass.
        self._recompute = is_on(self.block)
        self._record = self._recorded(recording, batch, has_backward) if recording.sampled else None

    def end(self) -> None:
        """Lets go of the pass: its record holds the graph."""
        self._record = None

    def forward(self, current: "FusedPass", hidden: torch.Tensor) -> torch.Tensor:
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
        output = self._run(batch.pack(hidden) if hidden.dim() == 3 else hidden, batch.offsets)
        if self._record is not None and self.last:
            self._record.output = output
        if self._first_row_only:
            return output.unsqueeze(1)
        return batch.unpack(output) if self.last or current.unpacks_each else output

    def _run(self, rows: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        layer, record = self.layer, self._record
        output: torch.Tensor = torch.ops.vcas.encoder_layer(
            rows,
            offsets,
            layer.parameters(),
            self._rng,
            None if record is None else record.plan,
            *((None, None, None) if record is None else record.probes()),
            layer.num_heads,
            layer.layer_norm_eps,
            layer.hidden_dropout(),
            layer.attention_dropout(),
            layer.pre_norm,
            layer.causal,
            layer.tanh_gelu,
            self._first_row_only,
            False,
            False,
            self._recompute,
            layer.attention_output_dropout,
        )
        return output

    def _recorded(self, recording: Recording, batch: PackedBatch, has_backward: bool) -> BlockRecord:
        """The block's record, with its operations counted."""
        samples, rows, parameters = batch.samples, int(batch.offsets[-1]), self.layer.parameters()
        # Keys and values run on every row (include/vcas/ops/encoder_layer.h, runs_on_all_rows).
        linear_rows = [samples, rows, rows, samples, samples, samples] if self._first_row_only else [rows] * 6
        record = recording.add(self.index, samples, linear_rows, rows, parameters[0].device, has_backward)
        recording.offsets = batch.offsets
        trainable = [parameters[i].requires_grad for i in (0, 2, 4, 6, 10, 12)]
        one = parameters[1].detach().unsqueeze(0)
        forward, backward = torch.ops.vcas.encoder_layer_flops(
            one,
            batch.offsets,
            trainable,
            parameters[10].shape[0],
            self._first_row_only,
            self.layer.pre_norm,
            self._recompute,
        )
        recording.forward_flops += forward
        if has_backward:
            recording.exact_backward_flops += backward
        return record


def patched_forward(fused: FusedBlock, owner: Any) -> Any:
    """The function that stands in for a block's forward(). `owner.current` is the pass under way, or None."""
    block = fused.block
    original = type(block).forward

    def forward(hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        current = owner.current
        if current is None or current.exact_reason is not None:
            return original(block, hidden_states, *args, **kwargs)
        output = fused.forward(current, hidden_states)
        return (output,) if fused.layer.gives_tuple else output

    return forward
