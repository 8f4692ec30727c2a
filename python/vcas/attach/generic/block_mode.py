"""Calls of PyTorch's functions inside a block, replaced where sampling needs another."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from vcas.errors import VcasError

_RANDOM = {
    function: getattr(function, "__name__", str(function))
    for function in (
        *(torch.rand, torch.randn, torch.randint, torch.randperm, torch.rand_like, torch.randn_like),
        *(torch.randint_like, torch.bernoulli, torch.normal, torch.multinomial, torch.poisson),
        *(torch.Tensor.bernoulli, torch.Tensor.bernoulli_, torch.Tensor.uniform_, torch.Tensor.normal_),
        *(torch.Tensor.exponential_, torch.Tensor.random_, torch.Tensor.multinomial),
        *(F.alpha_dropout, F.feature_alpha_dropout, F.dropout1d, F.dropout2d, F.dropout3d),
        *(F.gumbel_softmax, F.rrelu, F.multi_head_attention_forward),
    )
}


class BlockMode(TorchFunctionMode):
    """Inside, another function stands in for torch.nn.functional.linear.

    Given samples, dropout also draws its mask for the whole batch and applies the rows of the samples at hand.
    Functions that draw random numbers in another way are then refused: they could not be drawn again for some samples.
    """

    def __init__(
        self, linear: Callable[..., torch.Tensor], samples: int | None = None, kept: torch.Tensor | None = None
    ) -> None:
        """
        Args:
            linear: takes the arguments of torch.nn.functional.linear.
            samples: of the whole batch; None: random numbers are drawn as they are.
            kept: [k] int64, samples at hand; None: all.
        """
        super().__init__()
        self._samples, self._kept = samples or 0, kept
        self._stand_ins: dict[object, Callable[..., torch.Tensor]] = {F.linear: linear}
        if samples is not None:
            self._stand_ins |= {F.dropout: self._dropout, F.scaled_dot_product_attention: self._attention}
        self._refused = {} if samples is None else _RANDOM

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        if func in self._refused:
            raise VcasError(f"a sampled block calls {_RANDOM[func]}, whose random numbers vcas cannot draw again")
        return self._stand_ins.get(func, func)(*args, **(kwargs or {}))

    def _dropout(self, x: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
        if not training or p == 0:
            return x
        present = self._samples if self._kept is None else self._kept.numel()
        if x.dim() == 0 or x.shape[0] % present:
            raise VcasError(f"dropout in a sampled block: expected {present} samples first, got {list(x.shape)}")
        full = torch.empty((self._samples, x.shape[0] // present, *x.shape[1:]), dtype=x.dtype, device=x.device)
        mask = full.bernoulli_(1 - p).div_(1 - p)
        if self._kept is not None:
            mask = mask.index_select(0, self._kept)
        return x * mask.reshape(x.shape)

    def _attention(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> torch.Tensor:
        if dropout_p == 0:
            return F.scaled_dot_product_attention(
                query, key, value, attn_mask, is_causal=is_causal, scale=scale, enable_gqa=enable_gqa
            )
        if enable_gqa:
            key, value = (t.repeat_interleave(query.shape[-3] // t.shape[-3], -3) for t in (key, value))
        scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
        if is_causal:
            attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=query.device).tril()
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attn_mask, float("-inf"))
        elif attn_mask is not None:
            scores = scores + attn_mask
        return self._dropout(scores.softmax(-1), dropout_p) @ value
