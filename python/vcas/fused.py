"""Blocks that the operator ``vcas::encoder_layer`` runs: the forward pass that replaces their own."""

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vcas.architectures import FusedLayer
from vcas.errors import VcasError
from vcas.recording import Recording

if TYPE_CHECKING:
    from vcas.passes import FusedPass


class FusedBlock:
    """One block; called in place of its forward()."""

    def __init__(self, block: nn.Module, index: int, count: int, layer: FusedLayer) -> None:
        self.block, self.index, self.last, self.layer = block, index, index + 1 == count, layer

    @property
    def recompute(self) -> bool:
        """Keep only the block's input, and compute the kept samples once more: transformers' gradient checkpointing."""
        return bool(getattr(self.block, "gradient_checkpointing", False)) and self.block.training

    def forward(self, current: "FusedPass", hidden: torch.Tensor) -> torch.Tensor:
        """Runs the block.

        Args:
            hidden: [B, T, H], or [R, H] from the block before.

        Returns:
            [R, H]; [B, T, H] of the last block, or where hidden states are collected; [B, 1, H] of a last block of
            which only position 0 is read.
        """
        batch = current.batch_of(hidden)
        rows = batch.pack(hidden) if hidden.dim() == 3 else hidden
        first_row_only = self.last and current.first_row_only
        output = self._run(rows, batch.offsets, first_row_only, current.recording)
        if first_row_only:
            return output.unsqueeze(1)
        return batch.unpack(output) if self.last or current.unpacks_each else output

    def _run(
        self, rows: torch.Tensor, offsets: torch.Tensor, first_row_only: bool, recording: Recording
    ) -> torch.Tensor:
        parameters = self.layer.parameters()
        record = None
        if recording.sampled:
            if self.index not in recording.blocks:
                has_backward = rows.requires_grad or any(p.requires_grad for p in parameters)
                self.prepare(recording, offsets, rows.shape[0], first_row_only, has_backward)
            record = recording.blocks[self.index]
            if record.rows != rows.shape[0]:
                raise VcasError(f"block {self.index} ran on another batch before; call the model once a step")
        layer = self.layer
        output: torch.Tensor = torch.ops.vcas.encoder_layer(
            rows,
            offsets,
            parameters,
            recording.rng(self.index),
            None if record is None else record.plan,
            *((None, None, None) if record is None else record.probes()),
            layer.num_heads,
            layer.layer_norm_eps,
            layer.hidden_dropout(),
            layer.attention_dropout(),
            layer.pre_norm,
            layer.causal,
            layer.tanh_gelu,
            first_row_only,
            False,
            False,
            self.recompute,
            layer.attention_output_dropout,
        )
        if record is not None and self.last:
            record.output = output
        return output

    def prepare(
        self, recording: Recording, offsets: torch.Tensor, rows: int, first_row_only: bool, has_backward: bool
    ) -> None:
        """Adds the block's record to a recording, and counts its operations.

        Args:
            offsets: [N+1] of the packed batch. rows: of all its samples.
            has_backward: whether a backward pass can reach the block.
        """
        samples, parameters = offsets.numel() - 1, self.layer.parameters()
        first_row_only = first_row_only and self.last
        # Keys and values run on every row (include/vcas/ops/encoder_layer.h, runs_on_all_rows).
        linear_rows = [samples, rows, rows, samples, samples, samples] if first_row_only else [rows] * 6
        recording.add(self.index, samples, linear_rows, rows, parameters[0].device, has_backward)
        recording.offsets = offsets
        trainable = [parameters[i].requires_grad for i in (0, 2, 4, 6, 10, 12)]
        one = parameters[1].detach().unsqueeze(0)
        forward, backward = torch.ops.vcas.encoder_layer_flops(
            one, offsets, trainable, parameters[10].shape[0], first_row_only, self.layer.pre_norm, self.recompute
        )
        recording.forward_flops += forward
        if has_backward:
            recording.exact_backward_flops += backward


def patched_forward(fused: FusedBlock, owner: Any) -> Any:
    """The function that stands in for a block's forward(). `owner.current` is the pass under way, or None."""
    block = fused.block
    original = type(block).forward

    def forward(hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        current = owner.current
        if current is None or current.exact_reason is not None:
            return original(block, hidden_states, *args, **kwargs)
        return fused.forward(current, hidden_states)

    return forward
