"""The table that attach() prints."""

from collections.abc import Sequence

from torch import nn

from vcas.control.costs import CostOrigin
from vcas.control.sampled_model import SampledBlock


def _frozen(parameters: list[nn.Parameter]) -> str:
    frozen = sum(not p.requires_grad for p in parameters)
    return f", {frozen} of {len(parameters)} frozen" if frozen else ""


def _outside(model: nn.Module, blocks: dict[str, nn.Module]) -> list[str]:
    """The largest modules that contain no block, and have parameters."""
    holders = {id(m) for m in model.modules() for b in blocks.values() if _contains(m, b)}
    inside = {id(m) for b in blocks.values() for m in b.modules()}
    names: list[str] = []
    for name, module in model.named_modules():
        if id(module) in holders or id(module) in inside or any(name.startswith(f"{n}.") for n in names):
            continue
        if any(True for _ in module.parameters()):
            names.append(name)
    return names


def _contains(module: nn.Module, block: nn.Module) -> bool:
    return any(m is block for m in module.modules())


def _costs(origin: CostOrigin) -> str:
    return "unknown: not gated" if origin == "unknown" else origin


def describe(
    model: nn.Module,
    blocks: dict[str, nn.Module],
    layout: list[SampledBlock],
    fused: bool,
    costs: Sequence[CostOrigin] | None,
    notes: list[str],
) -> str:
    """One row a part of the model: what is sampled there, and why not where not.

    Args:
        costs: by block, where those that decide what is worth sampling come from; None: all is sampled.
    """
    how = "the fused operator" if fused else "kept samples computed once more"
    rows = [("part", "samples (SampleA)", "weights (SampleW)", "costs")]
    origins = ["not read: gate off"] * len(layout) if costs is None else [_costs(origin) for origin in costs]
    for sampled, block, origin in zip(layout, blocks.values(), origins, strict=True):
        trainable = sum(weight.parameter.requires_grad for weight in sampled.weights)
        weights = f"{trainable} linears" if trainable else "none"
        rows.append((sampled.name, "yes", weights + _frozen(list(block.parameters())), origin))
    rows += [(name, "no", "no: exact, outside the blocks", "") for name in _outside(model, blocks)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    kind = type(next(iter(blocks.values()))).__name__
    title = f"vcas: {type(model).__name__}, {len(blocks)} blocks of {kind} by {how}"
    return "\n".join([title, *lines, *notes])
