"""PyTorch's random generators, so that a block's rerun draws the numbers that its first run drew."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.utils.checkpoint import get_device_states, set_device_states


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
