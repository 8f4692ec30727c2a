"""Backward passes of a generic block on the arguments of a typical batch, to be timed."""

import copy
import functools
from collections.abc import Callable

import torch
from torch import nn

from vcas.attach.generic.block import GenericBlock
from vcas.attach.generic.rerun import Arguments
from vcas.attach.timing import Trial
from vcas.control.plan import write_ratios
from vcas.control.recording import Recording
from vcas.errors import VcasError

_FEWEST_SAMPLES = 8


def arguments_of(blocks: list[nn.Module], forward: Callable[[], object]) -> list[Arguments]:
    """What each of the blocks is called with in a forward pass of the model.

    Raises:
        VcasError: the forward pass did not go through all of them.
    """
    found: dict[int, Arguments] = {}

    def keep(block: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        found.setdefault(id(block), Arguments(args, kwargs))

    hooks = [block.register_forward_pre_hook(keep, with_kwargs=True) for block in blocks]
    try:
        with torch.no_grad():
            forward()
    finally:
        for hook in hooks:
            hook.remove()
    if len(found) != len(blocks):
        raise VcasError(
            f"measure_costs: expected a forward pass through {len(blocks)} blocks, got {len(found)} of them"
        )
    return [found[id(block)] for block in blocks]


class GenericTrial:
    """Makes the trials of a block. The gradients of its nn.Linear's weights are not among what is timed."""

    def __init__(self, block: nn.Module, name: str, arguments: Arguments, dtype: torch.dtype) -> None:
        """
        Raises:
            VcasError: for a batch too small to be halved twice.
        """
        hidden = arguments.tensors[0]
        # A copy, so that the model stays as it is.
        copied = copy.deepcopy(block)
        weights = [m.weight for m in copied.modules() if type(m) is nn.Linear]
        for weight in weights:
            weight.requires_grad_(False)
        self._block, self._weights = GenericBlock(copied, 0, 1, name), len(weights)
        self._parameters = [parameter for parameter in copied.parameters() if parameter.requires_grad]
        self._arguments, self._dtype, self._samples = arguments, dtype, hidden.shape[0]
        self.rows = hidden.numel() // (hidden.shape[0] * hidden.shape[-1])
        """Of a sample."""
        large = self._samples // 4 * 4
        if large < _FEWEST_SAMPLES:
            raise VcasError(
                f"measure_costs: expected a batch of at least {_FEWEST_SAMPLES} samples, got {self._samples}"
            )
        self.samples = (large // 2, large)
        """Of a small and of a large batch."""

    def make(self, samples: int, keeps_half: bool) -> Trial:
        """A backward pass over the first so many samples."""
        tensors = [t[:samples] if t.dim() and t.shape[0] == self._samples else t for t in self._arguments.tensors]
        tensors[0] = tensors[0].detach().clone().requires_grad_()
        args, kwargs = self._arguments.with_tensors(tensors)
        recording = Recording((0, 0), sampled=True, wants_statistics=False)
        device = tensors[0].device
        with torch.enable_grad(), torch.autocast(device.type, self._dtype, enabled=self._dtype != tensors[0].dtype):
            self._block.forward(recording, args, kwargs)
        write_ratios(recording.write, 0.5 if keeps_half else 1.0, self._weights)
        output = recording.blocks[0].output
        if output is None:
            raise VcasError(f"measure_costs: expected {self._block.name} to give one floating point tensor")
        inputs, arriving = [tensors[0], *self._parameters], torch.ones_like(output)
        return functools.partial(torch.autograd.grad, output, inputs, arriving, retain_graph=True, allow_unused=True)
