"""The operator ``vcas::transformer_layer``: how the package calls it. What it knows of itself, it is asked for."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch

from vcas.control.recording import BlockRecord


@dataclass(frozen=True)
class Linear:
    """One linear of a block: its weight's name in the block and, where several share a parameter, its columns."""

    name: str
    columns: tuple[int, int] | None = None
    """Columns of a transposed weight [in, all outputs] (GPT-2); None: the whole weight [out, in]."""


@dataclass(frozen=True)
class FusedLayer:
    """How the operator runs one block. Dropouts are read at each forward pass."""

    parameters: Callable[[], list[torch.Tensor]]
    """Its tensors in the operator's order."""
    linears: tuple[Linear, ...]
    """Of the weights that it samples, in its order."""
    num_heads: int
    layer_norm_eps: float
    hidden_dropout: Callable[[], float]
    attention_dropout: Callable[[], float]
    pre_norm: bool = False
    causal: bool = False
    activation: str = "gelu"
    """gelu, tanh_gelu, relu or silu."""
    attention_output_dropout: bool = True
    gives_tuple: bool = False
    """Whether the block's forward() gives (hidden states,)."""


@dataclass(frozen=True)
class Work:
    """What one forward pass of a block runs on, and how."""

    offsets: torch.Tensor
    """[N+1] int64 CPU: sample i owns rows offsets[i]..offsets[i+1]-1."""
    query_rows: torch.Tensor | None
    """[Q] int64 CPU: the rows whose output is wanted; None: all."""
    options: str


def work_of(
    layer: FusedLayer, offsets: torch.Tensor, query_rows: torch.Tensor | None = None, recompute: bool = False
) -> Work:
    """What a forward pass of a block runs on.

    Args:
        recompute: keep only the input, and compute the kept samples once more in the backward pass.
    """
    options: dict[str, object] = {
        "num_heads": layer.num_heads,
        "layer_norm_eps": float(layer.layer_norm_eps),
        "hidden_dropout": float(layer.hidden_dropout()),
        "attention_dropout": float(layer.attention_dropout()),
        "pre_norm": int(layer.pre_norm),
        "causal": int(layer.causal),
        "activation": layer.activation,
        "recompute": int(recompute),
        "attention_output_dropout": int(layer.attention_output_dropout),
    }
    return Work(offsets, query_rows, " ".join(f"{name}={value}" for name, value in options.items()))


def run(
    layer: FusedLayer, rows: torch.Tensor, work: Work, rng: torch.Tensor, record: BlockRecord | None
) -> torch.Tensor:
    """Runs a block on rows [R, H]; gives [R, H], or [Q, H] of the query rows."""
    output: torch.Tensor = torch.ops.vcas.transformer_layer(
        rows,
        work.offsets,
        work.query_rows,
        layer.parameters(),
        rng,
        None if record is None else record.plan,
        *((None, None, None) if record is None else record.statistics_inputs()),
        work.options,
    )
    return output


def rng_tensor(key: list[int]) -> torch.Tensor:
    """What the operator takes random numbers by, from Recording.key()."""
    rng: torch.Tensor = torch.ops.vcas.rng_tensor(*key)
    return rng


def weight_offsets(work: Work) -> torch.Tensor:
    """Rows of each sample by weight: [weights, N+1] int64 CPU."""
    offsets: torch.Tensor = torch.ops.vcas.transformer_layer_rows(work.offsets, work.query_rows)
    return offsets


@functools.cache
def _weight_places() -> list[int]:
    places: list[int] = torch.ops.vcas.transformer_layer_weights()
    return places


def weights(layer: FusedLayer) -> list[torch.Tensor]:
    """The sampled weights of a block, as the operator takes them."""
    parameters = layer.parameters()
    return [parameters[place] for place in _weight_places()]


def cost_key(layer: FusedLayer) -> str:
    """What a block's costs depend on besides device, dtype and threads."""
    hidden, intermediate = weights(layer)[-1].shape
    return str(torch.ops.vcas.transformer_cost_key(hidden, intermediate))


def flops(layer: FusedLayer, work: Work) -> tuple[float, float]:
    """Operations of a block's forward pass, and of its exact backward pass."""
    forward, backward = torch.ops.vcas.transformer_layer_flops(
        work.offsets, work.query_rows, layer.parameters(), work.options
    )
    return forward, backward


def is_fast(bf16: bool = False) -> bool:
    """Whether this machine has the instructions that the operator's kernels are written for."""
    return bool(torch.ops.vcas.is_fast(bf16))
