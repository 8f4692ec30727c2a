"""One micro-batch of an adaptation: an exact backward pass, whose gradient trains, and sampled ones, which measure."""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vcas import ranks
from vcas.errors import VcasError
from vcas.layout import gradient_list
from vcas.recording import BlockRecord, Recording

if TYPE_CHECKING:
    from vcas.controller import Controller


@dataclass
class _Stats:
    """What one pass reported, by block: [N] and [linears, R] float64, of all ranks."""

    norms: list[torch.Tensor]
    scores: list[torch.Tensor]


def adapt(controller: "Controller", loss: torch.Tensor, loss_scale: float, recording: Recording) -> tuple[bool, float]:
    """Runs the passes and tells the C++ controller. The exact gradient, scaled, accumulates into ``.grad``.

    Returns:
        Whether this batch closed an adaptation, and the operations of all backward passes.
    """
    core, blocks = controller.core, len(controller.attachment.layout)
    if sorted(recording.blocks) != list(range(blocks)) or recording.offsets is None:
        raise VcasError(f"expected a forward pass through all {blocks} blocks, got {len(recording.blocks)} of them")
    records = [recording.blocks[i] for i in range(blocks)]
    parameters = [p for p in controller.model.parameters() if p.requires_grad]
    below = _reached_from(records[-1].output)

    recording.write(torch.classes.vcas.SamplingPlan([], [], "fixed", 0))
    exact = _exact_pass(loss, loss_scale, parameters)
    flops = _flops([record.flops.grad for record in records if record.flops is not None])
    norms = [_unscaled(r.sample_norms, loss_scale) for r in records]
    stats = _stats(records, norms, [_unscaled(r.row_scores, loss_scale) for r in records])
    controlled = [p for p in parameters if id(p) in below and id(p) in exact]

    plans = core.probe_plans(stats.norms)
    errors, sampled = [], []
    wants_stats = controller.options.policy == "paper"
    for number, plan in enumerate(plans, 1):
        recording.write(plan)
        result = _sampled_pass(loss, controlled, records, wants_stats, retain_graph=number < len(plans))
        exact_part = [exact[id(p)].to_dense() for p in controlled]
        errors.append(float(torch.ops.vcas.squared_distance(result.gradients, exact_part)))
        flops += result.flops + recording.outside_backward_flops
        if result.stats is not None:
            sampled.append(result.stats)

    done = core.observe(
        controller.micro_batch,
        _all_offsets(recording.offsets),
        stats.norms,
        stats.scores,
        [s.norms for s in sampled],
        [s.scores for s in sampled],
        gradient_list(controller.attachment.layout, parameters, exact, below),
        errors,
    )
    return bool(done), flops + recording.outside_backward_flops


def _exact_pass(loss: torch.Tensor, loss_scale: float, parameters: list[nn.Parameter]) -> dict[int, torch.Tensor]:
    """The backward pass that trains; gives the unscaled gradients of all ranks.

    It accumulates into ``.grad`` as any does, because DistributedDataParallel reduces what has accumulated there; what
    this pass alone adds is caught before.
    """
    own: dict[int, torch.Tensor] = {}
    hooks = [p.register_hook(functools.partial(own.__setitem__, id(p))) for p in parameters]  # type: ignore[no-untyped-call]
    try:
        torch.autograd.backward(loss, torch.full_like(loss, loss_scale), retain_graph=True)
    finally:
        for hook in hooks:
            hook.remove()
    means = ranks.mean([own[id(p)] / loss_scale for p in parameters if id(p) in own])
    return dict(zip((id(p) for p in parameters if id(p) in own), means, strict=True))


@dataclass
class _SampledResult:
    gradients: list[torch.Tensor]
    flops: float
    stats: _Stats | None


def _sampled_pass(
    loss: torch.Tensor,
    controlled: list[nn.Parameter],
    records: list[BlockRecord],
    wants_stats: bool,
    retain_graph: bool,
) -> _SampledResult:
    active = [r for r in records if r.flops is not None]
    inputs: list[Any] = [*controlled, *(r.flops for r in active)]
    if wants_stats:
        inputs += [r.sample_norms for r in active] + [r.row_scores for r in active]
    values = torch.autograd.grad(loss, inputs, retain_graph=retain_graph, allow_unused=True)
    dense = [
        torch.zeros_like(p) if g is None else g.to_dense()
        for p, g in zip(controlled, values[: len(controlled)], strict=True)
    ]
    rest = values[len(controlled) :]
    stats = None
    if wants_stats:
        norms = iter(rest[len(active) : 2 * len(active)])
        scores = iter(rest[2 * len(active) :])
        stats = _stats(
            records,
            [next(norms) if r.flops is not None else None for r in records],
            [next(scores) if r.flops is not None else None for r in records],
        )
    return _SampledResult(ranks.mean(dense), _flops(list(rest[: len(active)])), stats)


def _unscaled(probe: torch.Tensor | None, loss_scale: float) -> torch.Tensor | None:
    """What a pass reported; norms and scores are proportional to the loss."""
    return None if probe is None or probe.grad is None else probe.grad / loss_scale


def _flops(values: list[torch.Tensor | None]) -> float:
    return sum(value.item() for value in values if value is not None)


def _stats(records: list[BlockRecord], norms: list[torch.Tensor | None], scores: list[torch.Tensor | None]) -> _Stats:
    """Statistics of all ranks. A block without a backward pass (all below it frozen) reports its upper neighbour's
    norms, which change nothing, and no scores."""
    all_norms: list[torch.Tensor] = []
    all_scores: list[torch.Tensor] = []
    scale = 1 / ranks.world_size()  # the batch of all ranks is the mean of theirs
    for record, norm, score in reversed(list(zip(records, norms, scores, strict=True))):
        linears = len(record.linear_rows)
        if norm is None:
            norm = torch.ones(record.samples, dtype=torch.float64) if not all_norms else None
        local = all_norms[0] if norm is None else ranks.concatenated(norm.detach().cpu() * scale)
        if score is None:
            score = torch.zeros(linears, max(record.linear_rows, default=0), dtype=torch.float64)
        all_norms.insert(0, local)
        all_scores.insert(0, ranks.concatenated(score.detach().cpu() * scale))
    return _Stats(all_norms, all_scores)


def _all_offsets(offsets: torch.Tensor) -> list[int]:
    lengths = ranks.concatenated(offsets.diff())
    return [0, *torch.cumsum(lengths, 0).tolist()]


def _reached_from(output: torch.Tensor | None) -> set[int]:
    """The parameters (by id) that a tensor depends on."""
    found: set[int] = set()
    pending = [] if output is None or output.grad_fn is None else [output.grad_fn]
    seen: set[Any] = set(pending)
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
