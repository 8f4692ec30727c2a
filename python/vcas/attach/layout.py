"""Descriptions of what can be sampled in the blocks of a model."""

from torch import nn

from vcas.attach.fused import operator
from vcas.attach.fused.operator import FusedLayer
from vcas.attach.generic.linear_weights import linear_weights
from vcas.control.sampled_model import SampledBlock, SampledWeight


def fused_layout(blocks: dict[str, nn.Module], layers: list[FusedLayer]) -> list[SampledBlock]:
    """The weights of every block that the operator samples."""
    layout = []
    for (name, block), layer in zip(blocks.items(), layers, strict=True):
        weights = []
        for linear in layer.linears:
            suffix = "" if linear.columns is None else f"[{linear.columns[0]}:{linear.columns[1]}]"
            parameter = block.get_parameter(linear.name)
            weights.append(SampledWeight(f"{name}.{linear.name}{suffix}", parameter, linear.columns))
        layout.append(SampledBlock(name, operator.cost_key(layer), weights))
    return layout


def generic_layout(blocks: dict[str, nn.Module]) -> list[SampledBlock]:
    """The weight of every nn.Linear of every block, in the order of modules()."""
    layout = []
    for name, block in blocks.items():
        weights = [SampledWeight(f"{name}.{inner}", weight) for inner, weight in linear_weights(block).items()]
        layout.append(SampledBlock(name, _generic_cost_key(block), weights))
    return layout


def _generic_cost_key(block: nn.Module) -> str:
    """The block's class and the shapes of its parameters."""
    shapes = ["x".join(map(str, parameter.shape)) or "1" for parameter in block.parameters()]
    return " ".join([f"{type(block).__module__}.{type(block).__qualname__}", *shapes])
