"""Runs a module again on some samples of its batch, with the random numbers that it had on all of them."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import get_device_states, set_device_states

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


@dataclass
class RandomState:
    """PyTorch's generators and autocast as a forward pass found them."""

    cpu: torch.Tensor
    devices: list[int]
    device_states: list[torch.Tensor]
    device_type: str
    autocast: tuple[bool, torch.dtype]

    @staticmethod
    def capture(tensors: list[torch.Tensor]) -> "RandomState":
        """Of the CPU, and of the devices that the tensors are on."""
        device = next((t.device.type for t in tensors if t.device.type != "cpu"), "cpu")
        devices, states = get_device_states(*tensors)
        autocast = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)
        return RandomState(torch.get_rng_state(), list(devices), list(states), device, autocast)

    @contextlib.contextmanager
    def restored(self) -> Iterator[None]:
        """The same states inside; the present ones again after."""
        enabled, dtype = self.autocast
        with (
            torch.random.fork_rng(self.devices, device_type=self.device_type if self.devices else "cuda"),
            torch.autocast(self.device_type, dtype=dtype, enabled=enabled),
        ):
            torch.set_rng_state(self.cpu)
            if self.devices:
                set_device_states(self.devices, self.device_states, device_type=self.device_type)
            yield


class LinearMode(TorchFunctionMode):
    """Inside, another function stands in for torch.nn.functional.linear."""

    def __init__(self, linear: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self._linear = linear

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return (self._linear if func is F.linear else func)(*args, **(kwargs or {}))


class BatchMode(TorchFunctionMode):
    """Inside, dropout draws its mask for the whole batch and applies the rows of the samples at hand.

    Functions that draw random numbers in another way are refused: they could not be drawn again for some samples.
    """

    def __init__(self, samples: int, kept: torch.Tensor | None, linear: Callable[..., torch.Tensor] | None) -> None:
        """
        Args:
            samples: of the whole batch.
            kept: [k] int64, samples at hand; None: all.
            linear: what stands in for torch.nn.functional.linear; None: itself.
        """
        super().__init__()
        self._samples, self._kept, self._linear = samples, kept, linear

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.linear and self._linear is not None:
            return self._linear(*args, **kwargs)
        if func is F.dropout:
            return self._dropout(*args, **kwargs)
        if func is F.scaled_dot_product_attention:
            return self._attention(*args, **kwargs)
        if func in _RANDOM:
            raise VcasError(f"a sampled block calls {_RANDOM[func]}, whose random numbers vcas cannot draw again")
        return func(*args, **kwargs)

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
