"""transformers' gradient checkpointing, which a sampled block has no use for: it keeps little but its input anyway.

Left on, it would run the block again in the backward pass as if it were not attached.
"""

import contextlib
from collections.abc import Iterable, Iterator

from torch import nn

_FLAG = "gradient_checkpointing"


def is_on(block: nn.Module) -> bool:
    """Whether a forward pass of the block would be checkpointed."""
    return bool(getattr(block, _FLAG, False)) and block.training


def switch_off(blocks: Iterable[nn.Module]) -> list[nn.Module]:
    """Gives those of the blocks where it was on, for switch_on()."""
    switched = [block for block in blocks if is_on(block)]
    for block in switched:
        setattr(block, _FLAG, False)
    return switched


def switch_on(blocks: Iterable[nn.Module]) -> None:
    """Inverse of switch_off()."""
    for block in blocks:
        setattr(block, _FLAG, True)


@contextlib.contextmanager
def switched_off(block: nn.Module) -> Iterator[None]:
    """Off inside."""
    switched = switch_off([block])
    try:
        yield
    finally:
        switch_on(switched)
