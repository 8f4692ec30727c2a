"""Floating point operations of what lies outside the blocks: linears and convolutions."""

from collections.abc import Callable
from typing import cast

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from vcas.control.recording import Recording


def hook_outside(
    model: nn.Module, blocks: dict[str, nn.Module], under_way: Callable[[], Recording | None]
) -> list[RemovableHandle]:
    """Counts nn.Linear, nn.Conv2d and transformers' Conv1D outside the blocks, into the recording under way."""
    inside = {id(m) for block in blocks.values() for m in block.modules()}

    def count(module: nn.Module, args: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        recording = under_way()
        if recording is None or not args or not torch.is_grad_enabled():
            return
        weight = cast(nn.Parameter, module.weight)
        positions = output.numel() // output.shape[1 if isinstance(module, nn.Conv2d) else -1]
        operations = 2.0 * weight.numel() * positions
        backward = operations * (int(weight.requires_grad) + int(args[0].requires_grad))
        recording.forward_flops += operations
        recording.outside_backward_flops += backward
        recording.exact_backward_flops += backward

    counted = [
        m
        for m in model.modules()
        if id(m) not in inside and (isinstance(m, nn.Linear | nn.Conv2d) or type(m).__name__ == "Conv1D")
    ]
    return [m.register_forward_hook(count) for m in counted]
