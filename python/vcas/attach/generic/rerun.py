"""Backward passes of generic blocks: each draws the samples that it keeps, and runs the block again on those alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils import _pytree as pytree

from vcas.attach.checkpointing import switched_off
from vcas.attach.generic.block_mode import BlockMode
from vcas.attach.generic.random_state import RandomState
from vcas.control.plan import is_sampled
from vcas.control.recording import BlockRecord
from vcas.errors import VcasError

LinearFunction = Callable[..., torch.Tensor]
"""Takes the arguments of torch.nn.functional.linear."""

_STATISTICS_INPUTS = 3
"""Inputs of a node before its arguments: BlockRecord.statistics_inputs()."""


class Arguments:
    """A block's arguments: tensors, which may be those of some samples, and all else."""

    def __init__(self, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        leaves, self._spec = pytree.tree_flatten((args, kwargs))
        self._places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
        self.tensors: list[torch.Tensor] = [leaves[i] for i in self._places]
        self.others: list[object] = [None if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
        """Of all leaves; None where a tensor stood."""

    def release(self) -> None:
        """Lets go of the tensors, which autograd keeps."""
        self.tensors = []

    def with_tensors(self, tensors: list[torch.Tensor]) -> tuple[tuple[object, ...], dict[str, object]]:
        """The arguments with these tensors in the places of their own."""
        leaves = list(self.others)
        for place, tensor in zip(self._places, tensors, strict=True):
            leaves[place] = tensor
        args, kwargs = pytree.tree_unflatten(leaves, self._spec)
        return args, kwargs


@dataclass
class BlockRun:
    """One run of a block on a batch, and its rerun on some of the samples."""

    name: str
    module: nn.Module
    weight_index: dict[int, int]
    """Place among the sampled weights, by id of the weight."""
    record: BlockRecord
    arguments: Arguments
    argument_count: int
    """Tensors among the arguments."""
    state: RandomState
    rows: int
    """Of a sample, that linears run on."""
    count: LinearFunction
    """Stands in for torch.nn.functional.linear in the first run."""
    extras: tuple[object, ...] | None = None
    """Outputs after the first."""

    def call(self, tensors: list[torch.Tensor], kept: torch.Tensor | None, linear: LinearFunction) -> torch.Tensor:
        """Runs the block on its arguments, the tensors replaced."""
        args, kwargs = self.arguments.with_tensors(tensors)
        with BlockMode(linear, self.record.samples, kept), switched_off(self.module):
            output = type(self.module).forward(self.module, *args, **kwargs)
        several = not isinstance(output, torch.Tensor)
        first: torch.Tensor = output[0] if several else output
        self.extras = tuple(output[1:]) if several else None
        if any(isinstance(t, torch.Tensor) and t.is_floating_point() for t in pytree.tree_leaves(self.extras)):
            raise VcasError(
                f"{self.name}: expected a block that gives one floating point tensor, got several; "
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

    def __init__(self, run: BlockRun, kept: int, samples_rows: bool, wants_scores: bool, device: torch.device) -> None:
        self._run, self._rows, self._samples_rows = run, kept * run.rows, samples_rows
        count = len(run.record.weight_rows) if wants_scores else 0
        self.scores = [
            torch.zeros(self._rows, dtype=torch.float64, device=device, requires_grad=True) for _ in range(count)
        ]
        self._seen: set[int] = set()
        self.flops = 0.0

    def __call__(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        rows = x.numel() // max(x.shape[-1], 1)
        index = self._run.weight_index.get(id(weight))
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


class _Context(Protocol):
    """What autograd hands a node."""

    run: BlockRun
    saved_tensors: tuple[torch.Tensor, ...]
    needs_input_grad: tuple[bool, ...]

    def save_for_backward(self, *tensors: torch.Tensor) -> None:
        """Keeps tensors until the backward pass."""


class _BlockNode(torch.autograd.Function):
    """The block as one node: its backward pass runs it again on the kept samples."""

    @staticmethod
    def forward(ctx: _Context, run: BlockRun, *tensors: torch.Tensor | None) -> torch.Tensor:
        ctx.run = run
        inputs = [t for t in tensors[_STATISTICS_INPUTS:] if t is not None]
        ctx.save_for_backward(*inputs)
        return run.call(inputs[: run.argument_count], None, run.count)

    @staticmethod
    def backward(ctx: _Context, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        run = ctx.run
        wants_norms, wants_scores, _ = ctx.needs_input_grad[1 : 1 + _STATISTICS_INPUTS]
        (gradient,) = gradients
        norms = torch.ops.vcas.row_norms(gradient.reshape(run.record.samples, -1))
        rerun = _Rerun(run, gradient, *_draw(run, norms, list(ctx.saved_tensors)), wants_scores)
        results = rerun.gradients(list(ctx.saved_tensors), ctx.needs_input_grad[1 + _STATISTICS_INPUTS :])
        numbers = torch.full((1,), rerun.flops, dtype=torch.float64)
        return None, norms if wants_norms else None, rerun.scores, numbers, *results


def run_as_node(run: BlockRun, parameters: list[nn.Parameter]) -> torch.Tensor:
    """Runs the block as one node of autograd's graph."""
    inputs = [*run.record.statistics_inputs(), *run.arguments.tensors, *parameters]
    run.arguments.release()
    output: torch.Tensor = _BlockNode.apply(run, *inputs)  # type: ignore[no-untyped-call]
    return output


def _draw(run: BlockRun, norms: torch.Tensor, inputs: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, bool]:
    """The samples to keep [k], their scales [k], and whether rows of weight gradients are sampled too."""
    kept, scales = torch.ops.vcas.draw_samples(norms, run.record.plan)
    used = kept >= 0
    kept, scales = kept[used], scales[used]
    samples_rows = is_sampled(run.record.plan)
    if kept.numel() == run.record.samples or any(run.is_ambiguous(t) for t in inputs[1 : run.argument_count]):
        samples_rows = samples_rows and kept.numel() == run.record.samples
        kept, scales = torch.arange(run.record.samples, device=kept.device), torch.ones_like(norms)
    return kept, scales, samples_rows


class _Rerun:
    """A backward pass: the block once more on the kept samples, and back through that."""

    def __init__(
        self,
        run: BlockRun,
        gradient: torch.Tensor,
        kept: torch.Tensor,
        scales: torch.Tensor,
        samples_rows: bool,
        wants_scores: bool,
    ) -> None:
        self._run, self._gradient, self._kept, self._scales = run, gradient, kept, scales
        self._everything = kept.numel() == run.record.samples
        self._linears = _SampledLinears(run, kept.numel(), samples_rows, wants_scores, gradient.device)
        self._wants_scores = wants_scores
        self.scores: torch.Tensor | None = None
        """[weights·N·T], weight after weight, if wanted."""

    @property
    def flops(self) -> float:
        """Operations, of linears alone."""
        return self._linears.flops

    def gradients(self, inputs: list[torch.Tensor], wanted: tuple[bool, ...]) -> list[torch.Tensor | None]:
        """Of the inputs (arguments, then parameters) that they are wanted of."""
        kept, arguments = self._kept, self._run.argument_count
        if kept.numel() == 0:
            return [torch.zeros_like(t) if want else None for t, want in zip(inputs, wanted, strict=True)]
        gathered = [self._run.is_batched(t) and not self._everything for t in inputs[:arguments]]
        present = [
            (t.index_select(0, kept) if gather else t).detach().requires_grad_(want)
            for t, gather, want in zip(inputs[:arguments], gathered, wanted[:arguments], strict=True)
        ]
        with torch.enable_grad(), self._run.state.restored():
            output = self._run.call(present, None if self._everything else kept, self._linears)
        sources = [t for t, want in zip(present + inputs[arguments:], wanted, strict=True) if want]
        arriving = self._arriving()
        found = torch.autograd.grad(output, sources + self._linears.scores, arriving, allow_unused=True)
        values = iter(found)
        results: list[torch.Tensor | None] = []
        for place, (tensor, want) in enumerate(zip(inputs, wanted, strict=True)):
            value = next(values) if want else None
            if value is not None and place < arguments and gathered[place]:
                value = torch.zeros_like(tensor).index_copy(0, kept, value)
            results.append(value)
        if self._wants_scores:
            self.scores = self._spread(list(values))
        return results

    def _arriving(self) -> torch.Tensor:
        """The gradient of the kept samples, scaled."""
        gradient = self._gradient
        arriving = gradient if self._everything else gradient.index_select(0, self._kept)
        return arriving * self._scales.to(gradient.dtype).view(-1, *[1] * (gradient.dim() - 1))

    def _spread(self, compact: list[torch.Tensor | None]) -> torch.Tensor:
        """Scores of the kept samples' rows, back at the rows of the batch: [weights·N·T], weight after weight."""
        run, device = self._run, self._gradient.device
        spread = torch.zeros(len(compact), run.record.samples, run.rows, dtype=torch.float64, device=device)
        for weight, scores in enumerate(compact):
            if scores is not None:
                spread[weight].index_copy_(0, self._kept, scores.view(-1, run.rows))
        return spread.flatten()
