"""What can be sampled in a model, in the words of the C++ controller."""

import json
from dataclasses import dataclass

import torch
from torch import nn

from vcas.architectures import FusedLayer, Linear

_ON_ALL_ROWS = (1, 2)
"""Key and value (include/vcas/ops/encoder_layer.h, runs_on_all_rows)."""


@dataclass(frozen=True)
class SampledLinear:
    """One linear that SampleW samples."""

    name: str
    """Of its weight in the model; with its place where several share a parameter."""
    parameter: nn.Parameter
    part: Linear
    """Which part of the parameter's gradient is its own."""
    one_row_per_sample: bool = False
    """Whether it runs on the first row of each sample alone."""


@dataclass(frozen=True)
class BlockLayout:
    """A block and its linears, in the order of the plan's row counts."""

    name: str
    linears: list[SampledLinear]


def fused_layout(blocks: dict[str, nn.Module], layers: list[FusedLayer], one_row: bool) -> list[BlockLayout]:
    """The six linears of every block. `one_row`: of the last block's output only position 0 is read."""
    layouts: list[BlockLayout] = []
    for (name, block), layer in zip(blocks.items(), layers, strict=True):
        linears = []
        last = len(layouts) + 1 == len(blocks)
        for place, linear in enumerate(layer.linears):
            suffix = "" if linear.columns is None else f"[{linear.columns[0]}:{linear.columns[1]}]"
            parameter = block.get_parameter(linear.name)
            single = one_row and last and place not in _ON_ALL_ROWS
            linears.append(SampledLinear(f"{name}.{linear.name}{suffix}", parameter, linear, single))
        layouts.append(BlockLayout(name, linears))
    return layouts


def generic_layout(blocks: dict[str, nn.Module]) -> list[BlockLayout]:
    """Every nn.Linear of every block, in the order of modules()."""
    layouts = []
    for name, block in blocks.items():
        found = [f"{inner}.weight".lstrip(".") for inner, m in block.named_modules() if type(m) is nn.Linear]
        linears = [SampledLinear(f"{name}.{inner}", block.get_parameter(inner), Linear(inner)) for inner in found]
        layouts.append(BlockLayout(name, linears))
    return layouts


def layout_json(layout: list[BlockLayout]) -> str:
    """The layout as the C++ controller reads it. The gradient of linear i, counted over all blocks, has index i."""
    index, blocks = 0, []
    for block in layout:
        linears = []
        for linear in block.linears:
            linears.append(
                {
                    "name": linear.name,
                    "one_row_per_sample": linear.one_row_per_sample,
                    "gradient_index": index,
                    "trainable": linear.parameter.requires_grad,
                }
            )
            index += 1
        blocks.append(linears)
    return json.dumps(blocks)


def gradient_list(
    layout: list[BlockLayout], parameters: list[nn.Parameter], gradients: dict[int, torch.Tensor], below: set[int]
) -> list[torch.Tensor]:
    """Gradients of what lies below the topmost SampleA, float32: those of the layout's linears, then the others.

    A parameter without a gradient gives zeros; one above the topmost SampleA gives nothing, as [0].
    """
    sampled = {id(linear.parameter) for block in layout for linear in block.linears}

    def of(parameter: nn.Parameter) -> torch.Tensor:
        gradient = gradients.get(id(parameter))
        if gradient is None:
            return torch.zeros_like(parameter, dtype=torch.float32)
        return gradient.float()

    listed = [
        linear.part.piece(of(linear.parameter)).contiguous()
        if linear.parameter.requires_grad
        else linear.parameter.new_empty(0)
        for block in layout
        for linear in block.linears
    ]
    for parameter in parameters:
        if id(parameter) not in sampled:
            listed.append(of(parameter) if id(parameter) in below else torch.empty(0, device=parameter.device))
    return listed
