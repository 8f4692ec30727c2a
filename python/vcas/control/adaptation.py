"""One micro-batch of an adaptation: an exact backward pass, whose gradient trains, and trial passes, which measure."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn
from torch.autograd.graph import Node

from vcas.control import ranks
from vcas.control.plan import SamplingPlan
from vcas.control.recording import BlockRecord, Recording
from vcas.control.sampled_model import SampledBlock, gradient_list
from vcas.control.sampler import PassRequest, Sampler
from vcas.errors import VcasError


@dataclass
class PassStatistics:
    """What one pass reported, by block: [N] and [rows of all weights] float64."""

    norms: list[torch.Tensor]
    scores: list[torch.Tensor]


@dataclass
class _TrialPass:
    squared_error: float
    statistics: PassStatistics
    """Empty where they were not asked for."""
    flops: float


def adapt(sampler: Sampler, passes: "MicroBatchPasses", number: int, full_size: bool) -> tuple[bool, float]:
    """Runs the passes that the sampler asks for, and tells it what they measured.

    Args:
        number: of the micro-batch, alike on every process.

    Returns:
        Whether this micro-batch closed an adaptation, and the operations of all backward passes.
    """
    exact, offsets = passes.exact(sampler.exact_pass().plan()), passes.weight_offsets()
    requests = sampler.trial_passes(offsets, exact.norms, exact.scores)
    trials = [passes.trial(request, request is requests[-1]) for request in requests]
    sampler.observe(
        number,
        full_size,
        offsets,
        exact.norms,
        exact.scores,
        passes.gradients(),
        [trial.squared_error for trial in trials],
        [trial.statistics.norms for trial in trials],
        [trial.statistics.scores for trial in trials],
    )
    closed = False
    while (numbers := sampler.statistics()) is not None:
        closed = sampler.solve(ranks.summed(numbers))
    return closed, passes.exact_flops + sum(trial.flops for trial in trials)


class MicroBatchPasses:
    """The backward passes over one recorded forward pass: exact() first, then any number of trial()."""

    def __init__(
        self,
        model: nn.Module,
        layout: list[SampledBlock],
        recording: Recording,
        loss: torch.Tensor,
        loss_scale: float,
    ) -> None:
        """
        Args:
            loss: 0-dim; norms, scores and gradients are measured of it.
            loss_scale: multiplies what the exact pass accumulates into ``.grad``.

        Raises:
            VcasError: when the forward pass did not go through all blocks.
        """
        blocks = len(layout)
        if sorted(recording.blocks) != list(range(blocks)):
            raise VcasError(f"expected a forward pass through all {blocks} blocks, got {len(recording.blocks)} of them")
        self._layout, self._recording, self._loss, self._loss_scale = layout, recording, loss, loss_scale
        self._records = [recording.blocks[i] for i in range(blocks)]
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._below = _reached_from(self._records[-1].output)
        self._exact: dict[int, torch.Tensor] = {}
        self.exact_flops = 0.0

    def exact(self, plan: SamplingPlan) -> PassStatistics:
        """The pass that trains: its gradient, scaled, accumulates into ``.grad``."""
        records = self._records
        self._recording.write(plan)
        self._exact = self._gradients_that_train()
        outside = self._recording.outside_backward_flops
        self.exact_flops = outside + _sum([r.flops.grad for r in records if r.flops is not None])
        norms = [_unscaled(record.sample_norms, self._loss_scale) for record in records]
        return _of_blocks(records, norms, [_unscaled(r.row_scores, self._loss_scale) for r in records])

    def trial(self, request: PassRequest, is_last: bool) -> _TrialPass:
        """A sampled pass, which trains nothing. The last one lets the graph go."""
        self._recording.write(request.plan())
        wants_statistics = request.statistics()
        controlled = [p for p in self._parameters if id(p) in self._below and id(p) in self._exact]
        records, active = self._records, [r for r in self._records if r.flops is not None]
        inputs = [*controlled, *_present(r.flops for r in active)]
        if wants_statistics:
            inputs += _present(r.sample_norms for r in active) + _present(r.row_scores for r in active)
        values = torch.autograd.grad(self._loss, inputs, retain_graph=not is_last, allow_unused=True)
        gradients = [
            torch.zeros_like(p) if g is None else g.to_dense()
            for p, g in zip(controlled, values[: len(controlled)], strict=True)
        ]
        measured = iter(values[len(controlled) :])
        flops = self._recording.outside_backward_flops + _sum([next(measured) for _ in active])
        statistics = PassStatistics([], [])
        if wants_statistics:
            norms = [next(measured) if record.flops is not None else None for record in records]
            scores = [next(measured) if record.flops is not None else None for record in records]
            statistics = _of_blocks(records, norms, scores)
        exact = [self._exact[id(p)].to_dense() for p in controlled]
        return _TrialPass(float(torch.ops.vcas.squared_distance(gradients, exact)), statistics, flops)

    def gradients(self) -> list[torch.Tensor]:
        """Of the exact pass, as gradient_list() gives them."""
        return gradient_list(self._layout, self._parameters, self._exact, self._below)

    def weight_offsets(self) -> list[torch.Tensor]:
        """By block, [weights, N+1]."""
        return [record.weight_offsets for record in self._records]

    def _gradients_that_train(self) -> dict[int, torch.Tensor]:
        """Unscaled gradients of this process, by id of the parameter.

        They accumulate into ``.grad`` as any do, because DistributedDataParallel reduces what has accumulated there;
        what this pass alone adds is caught before.
        """
        own: dict[int, torch.Tensor] = {}
        caught = self._parameters
        hooks = [p.register_hook(functools.partial(own.__setitem__, id(p))) for p in caught]  # type: ignore[no-untyped-call]
        try:
            torch.autograd.backward(self._loss, torch.full_like(self._loss, self._loss_scale), retain_graph=True)
        finally:
            for hook in hooks:
                hook.remove()
        return {id(p): own[id(p)] / self._loss_scale for p in caught if id(p) in own}


def _unscaled(statistics_input: torch.Tensor | None, loss_scale: float) -> torch.Tensor | None:
    """What a pass reported; norms and scores are proportional to the loss."""
    if statistics_input is None or statistics_input.grad is None:
        return None
    return statistics_input.grad / loss_scale


def _present(tensors: Iterable[torch.Tensor | None]) -> list[torch.Tensor]:
    return [tensor for tensor in tensors if tensor is not None]


def _sum(values: list[torch.Tensor | None]) -> float:
    return sum(value.item() for value in values if value is not None)


def _of_blocks(
    records: list[BlockRecord], norms: list[torch.Tensor | None], scores: list[torch.Tensor | None]
) -> PassStatistics:
    """Statistics of all blocks. One without a backward pass (all below it frozen) reports its upper neighbour's norms,
    which change nothing, and no scores."""
    found = PassStatistics([], [])
    for record, norm, score in reversed(list(zip(records, norms, scores, strict=True))):
        if norm is None:
            norm = found.norms[0] if found.norms else torch.ones(record.samples, dtype=torch.float64)
        if score is None:
            score = torch.zeros(sum(record.weight_rows), dtype=torch.float64)
        found.norms.insert(0, norm.detach().cpu())
        found.scores.insert(0, score.detach().cpu())
    return found


def _reached_from(output: torch.Tensor | None) -> set[int]:
    """The parameters (by id) that a tensor depends on."""
    found: set[int] = set()
    pending: list[Node] = [] if output is None or output.grad_fn is None else [output.grad_fn]
    seen = set(pending)
    while pending:
        node = pending.pop()
        variable = getattr(node, "variable", None)
        if variable is not None:
            found.add(id(variable))
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                pending.append(following)
    return found
