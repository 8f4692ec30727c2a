"""Blocks that are modules of any kind: SampleA at their border, SampleW in their nn.Linear.

A backward pass draws the samples that it keeps, runs the block once more on those alone, and goes back through that.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils import _pytree as pytree

from vcas.checkpointing import switched_off
from vcas.errors import VcasError
from vcas.recording import BlockRecord, Recording
from vcas.replay import BatchMode, LinearMode, RandomState


@dataclass
class _Run:
    """One run of a block on a batch."""

    block: "GenericBlock"
    record: BlockRecord
    spec: Any
    leaves: list[Any]
    """Of (args, kwargs); None where a tensor stood."""
    places: list[int]
    """Of the tensors among the leaves."""
    state: RandomState
    rows: int
    """Of a sample, that linears run on."""
    extras: Any = None

    def call(self, tensors: list[torch.Tensor], kept: torch.Tensor | None, linear: Any) -> torch.Tensor:
        leaves = list(self.leaves)
        for place, tensor in zip(self.places, tensors, strict=True):
            leaves[place] = tensor
        args, kwargs = pytree.tree_unflatten(leaves, self.spec)
        with BatchMode(self.record.samples, kept, linear), switched_off(self.block.block):
            output = self.block.original(*args, **kwargs)
        first, self.extras = (output, None) if isinstance(output, torch.Tensor) else (output[0], tuple(output[1:]))
        if any(isinstance(t, torch.Tensor) and t.is_floating_point() for t in pytree.tree_leaves(self.extras)):
            raise VcasError(
                f"{self.block.name}: expected a block that gives one floating point tensor, got several; "
                "ask it for no attention probabilities"
            )
        return first

    def is_batched(self, tensor: torch.Tensor) -> bool:
        return tensor.dim() >= 1 and tensor.shape[0] == self.record.samples

    def is_ambiguous(self, tensor: torch.Tensor) -> bool:
        """A table of positions may be as long as the batch."""
        return tensor.dim() <= 2 and self.is_batched(tensor) and self.record.samples == self.rows


class _SampledLinears:
    """torch.nn.functional.linear of a block that runs again: SampleW, scores and counts."""

    def __init__(self, run: _Run, kept: int, samples_rows: bool, wants_scores: bool, device: torch.device) -> None:
        self._run, self._rows, self._samples_rows = run, kept * run.rows, samples_rows
        count = len(run.record.linear_rows) if wants_scores else 0
        self.scores = [
            torch.zeros(self._rows, dtype=torch.float64, device=device, requires_grad=True) for _ in range(count)
        ]
        self._seen: set[int] = set()
        self.flops = 0.0

    def __call__(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        rows = x.numel() // max(x.shape[-1], 1)
        index = self._run.block.linear_index.get(id(weight))
        sampled = index is not None and index not in self._seen and rows == self._rows
        weight_rows = rows
        if sampled and self._samples_rows:
            weight_rows = torch.ops.vcas.row_count(self._run.record.plan, index, rows)
        self.flops += 2.0 * weight.numel() * (2 * rows + (weight_rows if weight.requires_grad else 0))
        if index is None or not sampled or not weight.requires_grad:
            return F.linear(x, weight, bias)
        self._seen.add(index)
        plan = self._run.record.plan if self._samples_rows else None
        scores = self.scores[index] if self.scores else None
        flat = x.reshape(rows, x.shape[-1])
        output: torch.Tensor = torch.ops.vcas.linear(flat, weight, bias, plan, scores, None, index)
        return output.view(*x.shape[:-1], weight.shape[0])


class _SampledBlock(torch.autograd.Function):
    """The block as one node: its backward pass runs it again on the kept samples."""

    @staticmethod
    def forward(ctx: Any, run: _Run, *tensors: torch.Tensor | None) -> torch.Tensor:
        ctx.run = run
        inputs = [t for t in tensors[3:] if t is not None]  # after the probes
        ctx.save_for_backward(*inputs)
        return run.call(inputs[: len(run.places)], None, run.block.count_forward)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        run: _Run = ctx.run
        wants_norms, wants_scores, _ = ctx.needs_input_grad[1:4]
        (gradient,) = gradients
        inputs = list(ctx.saved_tensors)
        norms = torch.ops.vcas.row_norms(gradient.reshape(run.record.samples, -1))
        kept, scales = torch.ops.vcas.draw_samples(norms, run.record.plan)
        used = kept >= 0
        kept, scales = kept[used], scales[used]
        samples_rows = bool(run.record.plan[0])
        if kept.numel() == run.record.samples or any(run.is_ambiguous(t) for t in inputs[1 : len(run.places)]):
            samples_rows = samples_rows and kept.numel() == run.record.samples
            kept, scales = torch.arange(run.record.samples, device=kept.device), torch.ones_like(norms)
        results, scores, flops = _rerun(run, inputs, gradient, kept, scales, samples_rows, wants_scores, ctx)
        numbers = torch.full((1,), flops, dtype=torch.float64, device=gradient.device)
        return None, norms if wants_norms else None, scores, numbers, *results


def _rerun(
    run: _Run,
    inputs: list[torch.Tensor],
    gradient: torch.Tensor,
    kept: torch.Tensor,
    scales: torch.Tensor,
    samples_rows: bool,
    wants_scores: bool,
    ctx: Any,
) -> tuple[list[torch.Tensor | None], torch.Tensor | None, float]:
    """Gradients of the inputs (arguments, then parameters), scores [linears, N·T], and operations."""
    wanted = list(ctx.needs_input_grad[4:])
    arguments = len(run.places)
    everything = kept.numel() == run.record.samples
    if kept.numel() == 0:
        return [torch.zeros_like(t) if want else None for t, want in zip(inputs, wanted, strict=True)], None, 0.0
    batched = [run.is_batched(t) and not (everything) for t in inputs[:arguments]]
    present = [
        (t.index_select(0, kept) if gather else t).detach().requires_grad_(want)
        for t, gather, want in zip(inputs[:arguments], batched, wanted[:arguments], strict=True)
    ]
    linears = _SampledLinears(run, kept.numel(), samples_rows, wants_scores, gradient.device)
    with torch.enable_grad(), run.state.restored():
        output = run.call(present, None if everything else kept, linears)
    arriving = gradient if everything else gradient.index_select(0, kept)
    arriving = arriving * scales.to(gradient.dtype).view(-1, *[1] * (gradient.dim() - 1))
    sources = [t for t, want in zip(present + inputs[arguments:], wanted, strict=True) if want]
    found = torch.autograd.grad(output, sources + linears.scores, arriving, allow_unused=True)
    values = iter(found)
    results: list[torch.Tensor | None] = []
    for place, (tensor, want) in enumerate(zip(inputs, wanted, strict=True)):
        value = next(values) if want else None
        if value is not None and place < arguments and batched[place]:
            value = torch.zeros_like(tensor).index_copy(0, kept, value)
        results.append(value)
    return results, _spread(run, list(values), kept, gradient.device) if wants_scores else None, linears.flops


def _spread(run: _Run, compact: list[torch.Tensor | None], kept: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Scores of the kept samples' rows, back at the rows of the batch: [linears, N·T]."""
    spread = torch.zeros(len(compact), run.record.samples, run.rows, dtype=torch.float64, device=device)
    for linear, scores in enumerate(compact):
        if scores is not None:
            spread[linear].index_copy_(0, kept, scores.view(-1, run.rows))
    return spread.flatten(1)


class GenericBlock:
    """One block; called in place of its forward()."""

    def __init__(self, block: nn.Module, index: int, count: int, name: str) -> None:
        self.block, self.index, self.last, self.name = block, index, index + 1 == count, name
        linears = [m for m in block.modules() if type(m) is nn.Linear]
        self.linears = linears
        self.linear_index = {id(linear.weight): i for i, linear in enumerate(linears)}

    def original(self, *args: Any, **kwargs: Any) -> Any:
        """The block's own forward()."""
        return type(self.block).forward(self.block, *args, **kwargs)

    def count_forward(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        """torch.nn.functional.linear that counts the forward pass's operations, and an exact backward pass's."""
        operations = 2.0 * x.numel() * weight.shape[0]
        self.forward_flops += operations
        # Inside the block's own node nothing requires a gradient but what is a leaf.
        inputs = int(x.requires_grad or not torch.is_grad_enabled())
        self.exact_flops += operations * (inputs + int(weight.requires_grad))
        return F.linear(x, weight, bias)

    forward_flops = 0.0
    exact_flops = 0.0

    def forward(self, recording: Recording, args: Any, kwargs: Any) -> Any:
        """Runs the block as one node of the graph.

        Raises:
            VcasError: for a block without a batch [B, T, …] among its arguments, or with a key-value cache.
        """
        leaves, spec = pytree.tree_flatten((args, kwargs))
        places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
        if not places or leaves[places[0]].dim() < 2 or not leaves[places[0]].is_floating_point():
            raise VcasError(f"{self.name}: expected the batch [B, T, …] as the block's first argument")
        if any(hasattr(leaf, "get_seq_length") for leaf in leaves):
            raise VcasError(f"{self.name}: expected no key-value cache in training; pass use_cache=False")
        tensors = [leaves[i] for i in places]
        hidden, parameters = tensors[0], list(self.block.parameters())
        samples, rows = hidden.shape[0], hidden.numel() // (hidden.shape[0] * hidden.shape[-1])
        has_backward = any(t.requires_grad for t in tensors + parameters)
        count = samples * rows
        record = recording.add(self.index, samples, [count] * len(self.linears), count, hidden.device, has_backward)
        if recording.offsets is None:
            recording.offsets = torch.arange(samples + 1) * rows
        if not has_backward:
            return self.forward_exactly(recording, args, kwargs)
        kept_leaves = [None if i in set(places) else leaf for i, leaf in enumerate(leaves)]
        run = _Run(self, record, spec, kept_leaves, places, RandomState.capture(tensors), rows)
        with self._counted(recording):
            output: torch.Tensor = _SampledBlock.apply(run, *record.probes(), *tensors, *parameters)  # type: ignore[no-untyped-call]
        if self.last:
            record.output = output
        return output if run.extras is None else (output, *run.extras)

    def forward_exactly(self, recording: Recording, args: Any, kwargs: Any) -> Any:
        """Runs the block as it is, and counts its operations."""
        with self._counted(recording), LinearMode(self.count_forward):
            return self.original(*args, **kwargs)

    @contextlib.contextmanager
    def _counted(self, recording: Recording) -> Iterator[None]:
        self.forward_flops = self.exact_flops = 0.0
        yield
        recording.forward_flops += self.forward_flops
        recording.exact_backward_flops += self.exact_flops


def patched_forward(generic: GenericBlock, owner: Any) -> Any:
    """The function that stands in for a block's forward(). `owner.current` is the pass under way, or None."""

    def forward(*args: Any, **kwargs: Any) -> Any:
        current = owner.current
        if current is None or not current.recording.sampled:
            if current is None or not torch.is_grad_enabled():
                return generic.original(*args, **kwargs)
            return generic.forward_exactly(current.recording, args, kwargs)
        return generic.forward(current.recording, args, kwargs)

    return forward
