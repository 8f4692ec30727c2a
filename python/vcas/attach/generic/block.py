"""Generic blocks, which are modules of any kind: SampleA at their border, SampleW in their nn.Linear."""

import contextlib
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.hooks import RemovableHandle

from vcas.attach.checkpointing import switch_off, switch_on
from vcas.attach.generic.block_mode import BlockMode
from vcas.attach.generic.linear_weights import linear_weights
from vcas.attach.generic.random_state import RandomState
from vcas.attach.generic.rerun import Arguments, BlockRun, run_as_node
from vcas.control.recording import Recording
from vcas.errors import VcasError


class GenericBlock:
    """One block; called in place of its forward()."""

    def __init__(self, block: nn.Module, index: int, count: int, name: str) -> None:
        self.block, self.index, self.last, self.name = block, index, index + 1 == count, name
        weights = linear_weights(block).values()
        self.weight_index = {id(weight): i for i, weight in enumerate(weights)}
        self._weights = len(weights)
        self._forward_flops = self._exact_flops = 0.0

    def original(self, *args: object, **kwargs: object) -> object:
        """The block's own forward()."""
        return type(self.block).forward(self.block, *args, **kwargs)

    def count(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        """torch.nn.functional.linear that counts the forward pass's operations, and an exact backward pass's."""
        operations = 2.0 * x.numel() * weight.shape[0]
        self._forward_flops += operations
        # Inside the block's own node nothing requires a gradient but what is a leaf.
        inputs = int(x.requires_grad or not torch.is_grad_enabled())
        self._exact_flops += operations * (inputs + int(weight.requires_grad))
        return F.linear(x, weight, bias)

    def forward(self, recording: Recording, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        """Runs the block as one node of the graph.

        Raises:
            VcasError: for a block without a batch [B, T, …] among its arguments, or with a key-value cache.
        """
        arguments = Arguments(args, kwargs)
        tensors = arguments.tensors
        if not tensors or tensors[0].dim() < 2 or not tensors[0].is_floating_point():
            raise VcasError(f"{self.name}: expected the batch [B, T, …] as the block's first argument")
        if any(hasattr(leaf, "get_seq_length") for leaf in arguments.others):
            raise VcasError(f"{self.name}: expected no key-value cache in training; pass use_cache=False")
        hidden, parameters = tensors[0], list(self.block.parameters())
        samples, rows = hidden.shape[0], hidden.numel() // (hidden.shape[0] * hidden.shape[-1])
        has_backward = any(t.requires_grad for t in [*tensors, *parameters])
        offsets = (torch.arange(samples + 1) * rows).expand(self._weights, -1)
        record = recording.add(self.index, offsets, samples * rows, hidden.device, has_backward)
        if not has_backward:
            return self.forward_exactly(recording, args, kwargs)
        state = RandomState.capture(tensors)
        run = BlockRun(
            self.name, self.block, self.weight_index, record, arguments, len(tensors), state, rows, self.count
        )
        with self._counted(recording):
            output = run_as_node(run, parameters)
        if self.last:
            record.output = output
        return output if run.extras is None else (output, *run.extras)

    def forward_exactly(self, recording: Recording, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        """Runs the block as it is, and counts its operations."""
        with self._counted(recording), BlockMode(self.count):
            return self.original(*args, **kwargs)

    @contextlib.contextmanager
    def _counted(self, recording: Recording) -> Iterator[None]:
        self._forward_flops = self._exact_flops = 0.0
        yield
        recording.forward_flops += self._forward_flops
        recording.exact_backward_flops += self._exact_flops


class _GenericEntry:
    """Begins and ends a pass with the model's forward()."""

    def __init__(self, blocks: list[nn.Module], record: Callable[[], Recording]) -> None:
        self._blocks, self._record = blocks, record
        self._checkpointed: list[nn.Module] = []
        self.current: Recording | None = None
        """Of the pass under way."""

    def begin(self, *_: object) -> None:
        self.current = self._record()
        if self.current.sampled:
            self._checkpointed = switch_off(self._blocks)

    def end(self, *_: object) -> None:
        self.current = None
        switch_on(self._checkpointed)
        self._checkpointed = []


def install_generic(
    model: nn.Module, blocks: dict[str, nn.Module], record: Callable[[], Recording]
) -> list[RemovableHandle]:
    """Replaces the blocks' forward() and hooks the model; removing the handles takes the hooks away.

    Args:
        record: gives the recording of a forward pass that starts.
    """
    entry = _GenericEntry(list(blocks.values()), record)
    for index, (name, block) in enumerate(blocks.items()):
        generic = GenericBlock(block, index, len(blocks), name)
        block.__dict__["forward"] = _patched_forward(generic, lambda: entry.current)
    return [
        model.register_forward_pre_hook(entry.begin),
        model.register_forward_hook(entry.end, always_call=True),
    ]


def _patched_forward(generic: GenericBlock, current: Callable[[], Recording | None]) -> Callable[..., object]:
    """The function that stands in for a block's forward(). `current` gives the pass under way, if any."""

    def forward(*args: object, **kwargs: object) -> object:
        recording = current()
        if recording is None or not (recording.sampled or torch.is_grad_enabled()):
            return generic.original(*args, **kwargs)
        if not recording.sampled:
            return generic.forward_exactly(recording, args, kwargs)
        return generic.forward(recording, args, kwargs)

    return forward
