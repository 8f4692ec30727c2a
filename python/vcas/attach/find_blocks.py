"""Finds the blocks of a model, and how the fused operator can run them."""

from typing import cast

from torch import nn

from vcas.attach.fused.architectures import ARCHITECTURES, Architecture, Config, NotFusable, architecture_of, is_class
from vcas.attach.fused.operator import FusedLayer
from vcas.errors import VcasError


def find_blocks(model: nn.Module, block_class: type[nn.Module] | None) -> dict[str, nn.Module]:
    """Blocks by name, in order of use.

    Args:
        block_class: their class; None: those of a known architecture.

    Raises:
        VcasError: the model has none, or blocks of several architectures.
    """
    if block_class is not None:
        if not (isinstance(block_class, type) and issubclass(block_class, nn.Module)):
            raise VcasError(f"block_class: expected a class of modules, got {block_class!r}")
        blocks = {name: m for name, m in model.named_modules() if isinstance(m, block_class) and m is not model}
        if not blocks:
            raise VcasError(f"{type(model).__name__} has no blocks of class {block_class.__name__}")
        return blocks
    blocks = {name: m for name, m in model.named_modules() if architecture_of(m) is not None}
    if not blocks:
        names = ", ".join(a.name for a in ARCHITECTURES)
        raise VcasError(
            f"{type(model).__name__} has no blocks of an architecture that vcas knows ({names}); "
            "name their class by block_class"
        )
    if len({architecture_of(m) for m in blocks.values()}) > 1:
        raise VcasError(f"{type(model).__name__} has blocks of several architectures; attach to one of its parts")
    return blocks


def fused_layers(model: nn.Module, blocks: dict[str, nn.Module]) -> tuple[nn.Module, Architecture, list[FusedLayer]]:
    """How the operator runs the blocks, and the part of the model that calls them. Raises NotFusable."""
    architecture = architecture_of(next(iter(blocks.values())))
    if architecture is None or any(architecture_of(block) is not architecture for block in blocks.values()):
        raise NotFusable("its class is none that the fused operator knows")
    bases = [m for m in model.modules() if is_class(m, architecture, architecture.base)]
    if len(bases) != 1:
        raise NotFusable(f"it is not inside one {architecture.base}")
    layers = []
    for name, block in blocks.items():
        try:
            layers.append(architecture.fuse(block, cast(Config, bases[0].config)))
        except NotFusable as reason:
            raise NotFusable(f"{name}: {reason}") from reason
        except AttributeError as fault:  # replaced by an adapter, or another version of transformers
            raise NotFusable(f"{name}: {fault}") from fault
    return bases[0], architecture, layers
