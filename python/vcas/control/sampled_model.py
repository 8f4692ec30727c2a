"""A model whose blocks sample their backward pass, as the controller sees it."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import nn

from vcas.control.costs import BlockCosts
from vcas.control.options import SamplingOptions
from vcas.control.recording import Recorder

ATTRIBUTE = "_vcas_attachment"
"""Of an attached model: its :class:`SampledModel`."""


@dataclass(frozen=True)
class SampledWeight:
    """One weight whose gradient SampleW may compute from some of its rows."""

    name: str
    """In the model; with its place where several share a parameter."""
    parameter: nn.Parameter
    columns: tuple[int, int] | None = None
    """Its columns of a parameter [in, all outputs] that several share; None: the whole parameter."""

    def piece(self, tensor: torch.Tensor) -> torch.Tensor:
        """The weight's part of its parameter's gradient, in the parameter's layout."""
        return tensor if self.columns is None else tensor[:, self.columns[0] : self.columns[1]]


@dataclass(frozen=True)
class SampledBlock:
    """A block and its weights, in the order of a plan's row counts."""

    name: str
    cost_key: str
    """What its costs depend on besides device, dtype and threads."""
    weights: list[SampledWeight]
    samples_activations: bool = True
    """False: SampleW alone."""
    mixes_samples: bool = False
    """Whether samples influence each other inside."""
    chain: int = 0
    """Blocks of one chain follow each other; a sample that one of them drops has no gradient in those below."""


class SampledModel(Protocol):
    """What attach() made of a model."""

    options: SamplingOptions
    layout: list[SampledBlock]
    """Block nearest the input first."""
    fused: bool
    """Whether blocks always run by an operator that can sample."""
    costs: BlockCosts
    """That the benefit gate reads."""
    controller: Recorder | None

    def first_parameter(self) -> torch.Tensor:
        """Of its blocks: tells their device and dtype."""


def sampled_model_of(model: nn.Module) -> SampledModel | None:
    """What attach() made of a model; None when it is not attached."""
    return cast("SampledModel | None", model.__dict__.get(ATTRIBUTE))


def layout_json(layout: Sequence[SampledBlock]) -> str:
    """The layout as the C++ library reads it. The gradient of weight i, counted over all blocks, has index i."""
    gradients = itertools.count()
    blocks = [
        {
            "name": block.name,
            "cost_key": block.cost_key,
            "samples_activations": block.samples_activations,
            "mixes_samples": block.mixes_samples,
            "chain": block.chain,
            "weights": [
                {"name": weight.name, "gradient": next(gradients), "trainable": weight.parameter.requires_grad}
                for weight in block.weights
            ],
        }
        for block in layout
    ]
    return json.dumps({"blocks": blocks})


def gradient_list(
    layout: Sequence[SampledBlock], parameters: list[nn.Parameter], gradients: dict[int, torch.Tensor], below: set[int]
) -> list[torch.Tensor]:
    """Gradients of what lies below the topmost SampleA, float32: those of the layout's weights, then the others.

    A parameter without a gradient gives zeros; one above the topmost SampleA gives nothing, as [0].

    Args:
        parameters: the model's, in its order, that need gradients.
        gradients: by id of the parameter.
        below: ids of the parameters below the topmost SampleA.
    """
    sampled = {id(weight.parameter) for block in layout for weight in block.weights}

    def of(parameter: nn.Parameter) -> torch.Tensor:
        gradient = gradients.get(id(parameter))
        if gradient is None:
            return torch.zeros_like(parameter, dtype=torch.float32)
        return gradient.float()

    listed = [
        weight.piece(of(weight.parameter)).contiguous()
        if weight.parameter.requires_grad
        else weight.parameter.new_empty(0)
        for block in layout
        for weight in block.weights
    ]
    for parameter in parameters:
        if id(parameter) not in sampled:
            listed.append(of(parameter) if id(parameter) in below else torch.empty(0, device=parameter.device))
    return listed
