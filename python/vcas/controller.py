"""Controller: trains an attached model by sampled backward passes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from vcas.options import SamplingOptions


class Controller:
    """Learns how much to keep, and runs the backward passes of a training loop."""

    def __init__(self, model: nn.Module, options: SamplingOptions | None = None) -> None:
        raise NotImplementedError

    def step(
        self, loss_fn: Callable[[], torch.Tensor], loss_scale: float = 1.0, full_size: bool = True
    ) -> torch.Tensor:
        """Runs the forward pass and the backward pass(es) of one micro-batch; gives the detached loss."""
        raise NotImplementedError

    @contextmanager
    def record(self) -> Iterator[None]:
        """The forward pass of the next micro-batch runs inside."""
        raise NotImplementedError

    def backward(self, loss: torch.Tensor, loss_scale: float = 1.0, full_size: bool = True) -> None:
        """The backward pass(es) of a loss whose forward pass was recorded; accumulates into ``.grad``."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Everything that a checkpoint must hold."""
        raise NotImplementedError

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of state_dict()."""
        raise NotImplementedError

    def metrics(self) -> dict[str, Any]:
        """s, rho (list), nu (name to ratio), v_sgd, v_act, v_w, flops {exact, performed}, adaptations."""
        raise NotImplementedError
