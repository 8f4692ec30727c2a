"""The operator ``vcas::encoder_layer``: all that the package knows of its parameters and of how it runs."""

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
    num_heads: int
    layer_norm_eps: float
    hidden_dropout: Callable[[], float]
    attention_dropout: Callable[[], float]
    pre_norm: bool = False
    causal: bool = False
    tanh_gelu: bool = False
    attention_output_dropout: bool = True
    gives_tuple: bool = False
    """Whether the block's forward() gives (hidden states,)."""


@dataclass(frozen=True)
class Work:
    """What one forward pass of a block runs on."""

    offsets: torch.Tensor
    """[N+1] int64 CPU: sample i owns rows offsets[i]..offsets[i+1]-1."""
    first_row_only: bool = False
    """Whether only the first row of each sample is read of its output."""
    recompute: bool = False
    """Whether it keeps only its input, and computes the kept samples once more in the backward pass."""


def run(
    layer: FusedLayer, rows: torch.Tensor, work: Work, rng: torch.Tensor, record: BlockRecord | None
) -> torch.Tensor:
    """Runs a block on rows [R, H]; gives [R, H], or [N, H] where only first rows are read."""
    output: torch.Tensor = torch.ops.vcas.encoder_layer(
        rows,
        work.offsets,
        layer.parameters(),
        rng,
        None if record is None else record.plan,
        *((None, None, None) if record is None else record.statistics_inputs()),
        layer.num_heads,
        layer.layer_norm_eps,
        layer.hidden_dropout(),
        layer.attention_dropout(),
        layer.pre_norm,
        layer.causal,
        layer.tanh_gelu,
        work.first_row_only,
        False,
        False,
        work.recompute,
        layer.attention_output_dropout,
    )
    return output


def rng_tensor() -> torch.Tensor:
    """Zeros in the shape of Recording.key()."""
    return torch.zeros(4, dtype=torch.int64)


def one_row_per_sample(weight: int, first_row_only: bool) -> bool:
    """Whether a weight runs on one row of each sample; keys and values always run on all."""
    return first_row_only and weight not in (1, 2)


def weight_rows(work: Work) -> list[int]:
    """Rows that each of a block's weights runs on."""
    samples, rows = work.offsets.numel() - 1, int(work.offsets[-1])
    return [samples if one_row_per_sample(weight, work.first_row_only) else rows for weight in range(6)]


def weights(parameters: list[torch.Tensor]) -> list[torch.Tensor]:
    """The sampled weights among a block's parameters."""
    return [parameters[place] for place in (0, 2, 4, 6, 10, 12)]


def shape(layer: FusedLayer) -> tuple[int, int]:
    """Hidden and intermediate size."""
    intermediate, hidden = weights(layer.parameters())[4].shape
    return hidden, intermediate


def flops(layer: FusedLayer, work: Work) -> tuple[float, float]:
    """Operations of a block's forward pass, and of its exact backward pass."""
    parameters = layer.parameters()
    found = weights(parameters)
    forward, backward = torch.ops.vcas.encoder_layer_flops(
        parameters[1].detach().unsqueeze(0),
        work.offsets,
        [weight.requires_grad for weight in found],
        found[4].shape[0],
        work.first_row_only,
        layer.pre_norm,
        work.recompute,
    )
    return forward, backward


def is_fast(bf16: bool = False) -> bool:
    """Whether this machine has the instructions that the operator's kernels are written for."""
    return bool(torch.ops.vcas.is_fast(bf16))
