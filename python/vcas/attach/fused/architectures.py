"""Hugging Face's architectures whose blocks the fused operator can run, and where their parameters are.

Nothing of transformers is imported: classes are known by module and name.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar, cast

import torch
from torch import nn

from vcas.attach.fused.operator import FusedLayer, Linear
from vcas.errors import VcasError

_Module = TypeVar("_Module", bound=nn.Module)

_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "tanh_gelu",
    "gelu_pytorch_tanh": "tanh_gelu",
    "gelu_fast": "tanh_gelu",
    "gelu_accurate": "tanh_gelu",
    "gelu_python_tanh": "tanh_gelu",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}
"""The operator's names of transformers' activations (ACT2FN)."""


class NotFusable(VcasError):
    """The reason why the fused operator cannot run a block; it is then sampled as a generic one."""


class Config(Protocol):
    """Settings of transformers' models that are read here; each architecture has its own of them."""

    num_attention_heads: int
    n_heads: int
    hidden_act: str
    activation: str
    activation_function: str
    scale_attn_weights: bool
    scale_attn_by_inverse_layer_idx: bool
    reorder_and_upcast_attn: bool


class _Conv1D(Protocol):
    """transformers' linear with a transposed weight [in, out]."""

    weight: nn.Parameter
    bias: nn.Parameter


@dataclass(frozen=True)
class Architecture:
    """A family of models whose blocks are known."""

    name: str
    layer: str
    """Class name of a block."""
    base: str
    """Class name of the model that takes the attention mask [B, T] and calls the blocks."""
    fuse: Callable[[nn.Module, Config], FusedLayer]
    """(block, base's config) to how it is fused. Raises NotFusable."""
    reads_first_row: tuple[str, ...] = ()
    """Models that read only position 0 of the last block's output."""


def _module(block: nn.Module, name: str, kind: type[_Module]) -> _Module:
    module = block.get_submodule(name)
    if type(module) is not kind:
        raise NotFusable(f"{name} is a {_kind(module)}, not a torch.nn.{kind.__name__}")
    return module


def _conv1d(block: nn.Module, name: str) -> _Conv1D:
    module = block.get_submodule(name)
    if type(module).__name__ != "Conv1D":
        raise NotFusable(f"{name} is a {_kind(module)}, not a Conv1D")
    return cast(_Conv1D, module)


def _kind(module: nn.Module) -> str:
    return f"{type(module).__module__}.{type(module).__name__}"


def _dropout(block: nn.Module, name: str) -> nn.Dropout:
    dropout = block.get_submodule(name)
    if type(dropout) is not nn.Dropout:
        raise NotFusable(f"its dropout is a {type(dropout).__name__}")
    return dropout


def _linears(block: nn.Module, names: tuple[str, ...]) -> list[nn.Linear]:
    linears = [_module(block, name, nn.Linear) for name in names]
    for name, linear in zip(names, linears, strict=True):
        if linear.bias is None:
            raise NotFusable(f"{name} has no bias")
    return linears


def _activation(name: object) -> str:
    """The operator's name of an activation, which a config may also give as a function."""
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        raise NotFusable(f"its activation is {name}, not one of {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[name]


def _norm(block: nn.Module, name: str) -> nn.LayerNorm:
    norm = _module(block, name, nn.LayerNorm)
    if norm.weight is None or norm.bias is None:
        raise NotFusable(f"{name} has no weight or no bias")
    return norm


def _probability(dropout: nn.Dropout) -> Callable[[], float]:
    return lambda: float(dropout.p) if dropout.training else 0.0


def _equal_dropouts(first: nn.Dropout, second: nn.Dropout) -> nn.Dropout:
    if first.p != second.p:
        raise NotFusable("its two hidden dropouts differ")
    return first


def _equal_eps(first: nn.LayerNorm, second: nn.LayerNorm) -> float:
    if first.eps != second.eps:
        raise NotFusable("its LayerNorms have different eps")
    return first.eps


def _linear_layer(
    block: nn.Module,
    names: tuple[str, ...],
    norms: tuple[str, str],
    num_heads: int,
    activation: object,
    dropouts: tuple[Callable[[], float], Callable[[], float]],
    pre_norm: bool = False,
    attention_output_dropout: bool = True,
) -> FusedLayer:
    """A block of six nn.Linear (query, key, value, attention output, intermediate, output) and two LayerNorms.

    Args:
        dropouts: hidden, and of attention probabilities.
    """
    if getattr(block, "chunk_size_feed_forward", 0):
        raise NotFusable("it computes its feed-forward part in chunks")
    linears = _linears(block, names)
    attention_norm, output_norm = (_norm(block, name) for name in norms)
    if num_heads * (linears[0].out_features // num_heads) != linears[0].in_features:
        raise NotFusable("its heads do not cover the hidden size")
    order: list[nn.Linear | nn.LayerNorm] = [*linears[:4], attention_norm, *linears[4:], output_norm]
    return FusedLayer(
        parameters=lambda: [parameter for module in order for parameter in (module.weight, module.bias)],
        linears=tuple(Linear(f"{name}.weight") for name in names),
        num_heads=num_heads,
        layer_norm_eps=_equal_eps(attention_norm, output_norm),
        hidden_dropout=dropouts[0],
        attention_dropout=dropouts[1],
        pre_norm=pre_norm,
        activation=_activation(activation),
        attention_output_dropout=attention_output_dropout,
    )


def _fuse_bert(block: nn.Module, config: Config) -> FusedLayer:
    if block.is_decoder or block.add_cross_attention:
        raise NotFusable("it is a decoder")
    hidden = _equal_dropouts(_dropout(block, "output.dropout"), _dropout(block, "attention.output.dropout"))
    names = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
    return _linear_layer(
        block,
        (*names, "intermediate.dense", "output.dense"),
        ("attention.output.LayerNorm", "output.LayerNorm"),
        config.num_attention_heads,
        config.hidden_act,
        (_probability(hidden), _probability(_dropout(block, "attention.self.dropout"))),
    )


def _fuse_distilbert(block: nn.Module, config: Config) -> FusedLayer:
    if block.get_submodule("ffn").chunk_size_feed_forward:
        raise NotFusable("it computes its feed-forward part in chunks")
    names = ("attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", "ffn.lin1", "ffn.lin2")
    return _linear_layer(
        block,
        names,
        ("sa_layer_norm", "output_layer_norm"),
        config.n_heads,
        config.activation,
        (_probability(_dropout(block, "ffn.dropout")), _probability(_dropout(block, "attention.dropout"))),
        attention_output_dropout=False,
    )


def _fuse_vit(block: nn.Module, config: Config) -> FusedLayer:
    attention = block.get_submodule("attention")
    if hasattr(block, "mlp"):
        names = tuple(f"attention.{name}_proj" for name in "qkvo") + ("mlp.fc1", "mlp.fc2")
        hidden, attention_dropout = _dropout(block, "dropout"), partial(getattr, attention, "attention_dropout")
    else:  # transformers before 5.12
        names = tuple(f"attention.attention.{name}" for name in ("query", "key", "value"))
        names += ("attention.output.dense", "intermediate.dense", "output.dense")
        hidden = _equal_dropouts(_dropout(block, "output.dropout"), _dropout(block, "attention.output.dropout"))
        attention_dropout = partial(getattr, attention.get_submodule("attention"), "dropout_prob")
    return _linear_layer(
        block,
        names,
        ("layernorm_before", "layernorm_after"),
        config.num_attention_heads,
        config.hidden_act,
        (_probability(hidden), lambda: float(attention_dropout()) if attention.training else 0.0),
        pre_norm=True,
    )


def _fuse_gpt2(block: nn.Module, config: Config) -> FusedLayer:
    if hasattr(block, "crossattention"):
        raise NotFusable("it has cross-attention")
    if not config.scale_attn_weights or config.scale_attn_by_inverse_layer_idx or config.reorder_and_upcast_attn:
        raise NotFusable("its attention is scaled or computed in another way")
    dropout = _equal_dropouts(_dropout(block, "mlp.dropout"), _dropout(block, "attn.resid_dropout"))
    names = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    joint, projection, up, down = (_conv1d(block, name) for name in names)
    norms = (_norm(block, "ln_1"), _norm(block, "ln_2"))
    hidden = joint.weight.shape[0]

    def parameters() -> list[torch.Tensor]:
        # Conv1D keeps [in, out]; the operator's kernels read [out, in].
        weight, bias = joint.weight.t().contiguous(), joint.bias
        tensors: list[torch.Tensor] = []
        for part in range(3):
            rows = slice(part * hidden, (part + 1) * hidden)
            tensors += [weight[rows], bias[rows]]
        tensors += [projection.weight.t().contiguous(), projection.bias, norms[0].weight, norms[0].bias]
        for linear in (up, down):
            tensors += [linear.weight.t().contiguous(), linear.bias]
        return [*tensors, norms[1].weight, norms[1].bias]

    thirds = tuple(Linear("attn.c_attn.weight", (part * hidden, (part + 1) * hidden)) for part in range(3))
    return FusedLayer(
        parameters=parameters,
        linears=thirds + tuple(Linear(f"{name}.weight") for name in names[1:]),
        num_heads=config.num_attention_heads,
        layer_norm_eps=_equal_eps(*norms),
        hidden_dropout=_probability(dropout),
        attention_dropout=_probability(_dropout(block, "attn.attn_dropout")),
        pre_norm=True,
        causal=True,
        # Before transformers 5.6.
        gives_tuple="tuple" in str(inspect.signature(type(block).forward).return_annotation),
        activation=_activation(config.activation_function),
    )


ARCHITECTURES = (
    Architecture("bert", "BertLayer", "BertModel", _fuse_bert, ("BertForSequenceClassification",)),
    Architecture("roberta", "RobertaLayer", "RobertaModel", _fuse_bert, ("RobertaForSequenceClassification",)),
    Architecture(
        "distilbert",
        "TransformerBlock",
        "DistilBertModel",
        _fuse_distilbert,
        ("DistilBertForSequenceClassification",),
    ),
    Architecture("electra", "ElectraLayer", "ElectraModel", _fuse_bert, ("ElectraForSequenceClassification",)),
    Architecture("vit", "ViTLayer", "ViTModel", _fuse_vit, ("ViTForImageClassification",)),
    Architecture("gpt2", "GPT2Block", "GPT2Model", _fuse_gpt2),
)


def is_class(module: nn.Module, architecture: Architecture, name: str) -> bool:
    """Whether a module is of transformers' class `name` of an architecture, and no subclass of it."""
    kind = type(module)
    return kind.__name__ == name and kind.__module__.startswith(f"transformers.models.{architecture.name}.")


def architecture_of(block: nn.Module) -> Architecture | None:
    """The architecture that a module is a block of, if any."""
    return next((a for a in ARCHITECTURES if is_class(block, a, a.layer)), None)
