"""The table that attach() prints."""

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from vcas.attachment import Attachment


def _frozen(parameters: list[nn.Parameter]) -> str:
    frozen = sum(not p.requires_grad for p in parameters)
    return f", {frozen} of {len(parameters)} frozen" if frozen else ""


def _outside(attachment: "Attachment") -> list[str]:
    """The largest modules that contain no block, and have parameters."""
    holders = {id(m) for m in attachment.model.modules() for b in attachment.blocks.values() if _contains(m, b)}
    inside = {id(m) for b in attachment.blocks.values() for m in b.modules()}
    names: list[str] = []
    for name, module in attachment.model.named_modules():
        if id(module) in holders or id(module) in inside or any(name.startswith(f"{n}.") for n in names):
            continue
        if any(True for _ in module.parameters()):
            names.append(name)
    return names


def _contains(module: nn.Module, block: nn.Module) -> bool:
    return any(m is block for m in module.modules())


def describe(attachment: "Attachment") -> str:
    """One row a part of the model: what is sampled there, and why not where not."""
    how = "the fused operator" if attachment.fused else "kept samples computed once more"
    blocks = list(attachment.blocks.values())
    rows = [("part", "samples (SampleA)", "weights (SampleW)")]
    for layout, block in zip(attachment.layout, blocks, strict=True):
        trainable = sum(linear.parameter.requires_grad for linear in layout.linears)
        parameters = list(block.parameters())
        weights = f"{trainable} linears" if trainable else "none"
        rows.append((layout.name, "yes", weights + _frozen(parameters)))
    rows += [(name, "no", "no: exact, outside the blocks") for name in _outside(attachment)]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    title = f"vcas: {type(attachment.model).__name__}, {len(blocks)} blocks of {type(blocks[0]).__name__} by {how}"
    return "\n".join([title, *lines, *attachment.notes])
