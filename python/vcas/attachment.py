"""attach() and detach()."""

from torch import nn

from vcas.options import SamplingOptions


class Attachment:
    """What attach() did to a model."""


def attach(
    model: nn.Module,
    options: SamplingOptions | None = None,
    *,
    block_class: type[nn.Module] | None = None,
    verbose: bool = True,
) -> Attachment:
    """Patches the model in place so that its blocks can be sampled, and prints one table of what it samples."""
    raise NotImplementedError


def detach(model: nn.Module) -> None:
    """Restores the model exactly."""
    raise NotImplementedError
