"""attach() and detach(): which parts of a model are sampled, and how its forward passes are patched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from vcas import fused as fused_blocks
from vcas import generic as generic_blocks
from vcas.architectures import ARCHITECTURES, Architecture, FusedLayer, NotFusable, architecture_of, is_class
from vcas.checks import check_blocks
from vcas.errors import VcasError
from vcas.layout import BlockLayout, fused_layout, generic_layout
from vcas.options import SamplingOptions
from vcas.outside_flops import hook_outside
from vcas.passes import FusedEntry, hook_generic
from vcas.ranks import rank
from vcas.recording import Recording
from vcas.table import describe

if TYPE_CHECKING:
    from vcas.controller import Controller

_ATTRIBUTE = "_vcas_attachment"


class Attachment:
    """What attach() did to a model. `detach()` undoes it."""

    def __init__(self, model: nn.Module, options: SamplingOptions, blocks: dict[str, nn.Module]) -> None:
        self.model, self.options, self.blocks = model, options, blocks
        self.layout: list[BlockLayout] = []
        """What can be sampled, block nearest the input first."""
        self.fused = False
        """Whether the operator ``vcas::encoder_layer`` runs the blocks."""
        self.notes: list[str] = []
        """What the user should know: why blocks are not fused."""
        self.current: Any = None
        """The forward pass under way."""
        self.controller: Controller | None = None
        self._handles: list[RemovableHandle] = []
        self._forwards = 0

    def __reduce_ex__(self, protocol: Any) -> Any:
        """A copied model would run the blocks of this one.

        Raises:
            VcasError: always.
        """
        raise VcasError(
            f"{type(self.model).__name__} is attached, and would not work when copied; detach it first, or take its "
            "state_dict()"
        )

    def begin(self) -> Recording:
        """The recording of a forward pass that starts: the controller's, or one that is not sampled."""
        if self.controller is not None and torch.is_grad_enabled():
            return self.controller.begin()
        self._forwards += 1
        return Recording((self.options.seed, self._forwards, rank()), sampled=False, wants_stats=False)

    def table(self) -> str:
        """What is sampled and what not, and why."""
        return describe(self)

    def install(self, entry: FusedEntry | None, layers: list[FusedLayer]) -> None:
        """Replaces the blocks' forward() and hooks the model."""
        count = len(self.blocks)
        for index, (name, block) in enumerate(self.blocks.items()):
            forward: Any
            if layers:
                fused = fused_blocks.FusedBlock(block, index, count, layers[index])
                forward = fused_blocks.patched_forward(fused, self)
                if entry is not None:
                    entry.blocks.append(fused)
            else:
                forward = generic_blocks.patched_forward(generic_blocks.GenericBlock(block, index, count, name), self)
            block.__dict__["forward"] = forward
        blocks = list(self.blocks.values())
        self._handles = entry.hook() if entry is not None else hook_generic(self.model, blocks, self)
        self._handles += hook_outside(self.model, self.blocks, self)
        self.model.__dict__[_ATTRIBUTE] = self

    def remove(self) -> None:
        """Undoes install()."""
        for block in self.blocks.values():
            block.__dict__.pop("forward", None)
        for handle in self._handles:
            handle.remove()
        self._handles, self.controller = [], None
        self.model.__dict__.pop(_ATTRIBUTE, None)


def attachment_of(model: nn.Module) -> Attachment | None:
    """What attach() did to a model; None when it is not attached."""
    found = model.__dict__.get(_ATTRIBUTE)
    return found if isinstance(found, Attachment) else None


def _blocks_of(model: nn.Module, block_class: type[nn.Module] | None) -> dict[str, nn.Module]:
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


def _fused_layers(model: nn.Module, blocks: dict[str, nn.Module]) -> tuple[nn.Module, Architecture, list[FusedLayer]]:
    """How the operator runs the blocks. Raises NotFusable."""
    architecture = architecture_of(next(iter(blocks.values())))
    if architecture is None or any(architecture_of(block) is not architecture for block in blocks.values()):
        raise NotFusable("its class is none that the fused operator knows")
    bases = [m for m in model.modules() if is_class(m, architecture, architecture.base)]
    if len(bases) != 1:
        raise NotFusable(f"it is not inside one {architecture.base}")
    layers = []
    for name, block in blocks.items():
        try:
            layers.append(architecture.fuse(block, bases[0].config))
        except NotFusable as reason:
            raise NotFusable(f"{name}: {reason}") from reason
        except AttributeError as fault:  # replaced by an adapter, or another version of transformers
            raise NotFusable(f"{name}: {fault}") from fault
    return bases[0], architecture, layers


def attach(
    model: nn.Module,
    options: SamplingOptions | None = None,
    *,
    block_class: type[nn.Module] | None = None,
    verbose: bool = True,
) -> Attachment:
    """Patches a model in place so that a :class:`Controller` can sample its backward passes.

    Blocks of BERT, RoBERTa, DistilBERT, ELECTRA, ViT and GPT-2 (transformers) are found, and run by the fused
    operator; where that cannot be, and for ``block_class``, a block is sampled as any module is: its kept samples
    are computed once more in the backward pass. Parameters, buffers and ``state_dict()`` stay as they are. Without a
    controller nothing is sampled.

    Hidden states of fused blocks are zero at positions that the attention mask leaves out; a model that reads such
    positions (position 0 under left padding, labels there) runs by its own blocks for that batch, with one warning.

    Args:
        model: whose blocks take a batch [B, T, H] as their first argument.
        options: default :class:`SamplingOptions`; a controller takes them from here.
        block_class: class of the blocks, in order of use; default: found by architecture.
        verbose: print one table of what is sampled and what not, and why.

    Returns:
        What was done; ``detach(model)`` undoes it.

    Raises:
        VcasError: the model has no blocks, is attached already, or cannot be sampled rightly (BatchNorm in a block,
            weights tied across a block's border, hooks that would be bypassed). The model is as it was.
    """
    if attachment_of(model) is not None:
        raise VcasError(f"{type(model).__name__} is attached already; detach it first")
    blocks = _blocks_of(model, block_class)
    if any(getattr(b.__dict__.get("forward"), "__module__", "").startswith("vcas.") for b in blocks.values()):
        raise VcasError(f"a part of {type(model).__name__} is attached already; detach it first")
    attachment = Attachment(model, options or SamplingOptions(), blocks)
    entry: FusedEntry | None = None
    layers: list[FusedLayer] = []
    try:
        base, architecture, layers = _fused_layers(model, blocks)
        entry = FusedEntry(model, base, architecture, attachment)
    except NotFusable as reason:
        attachment.notes.append(f"not fused: {reason}")
    attachment.fused = entry is not None
    check_blocks(model, blocks, attachment.fused)
    attachment.layout = fused_layout(blocks, layers, entry.one_row) if entry is not None else generic_layout(blocks)
    if attachment.fused and not torch.ops.vcas.is_fast(False):
        attachment.notes.append(
            "slow on this CPU: the operators' fast kernels need AVX-512; results are right all the same"
        )
    attachment.install(entry, layers)
    if verbose:
        print(attachment.table())
    return attachment


def detach(model: nn.Module) -> None:
    """Restores a model exactly: the same modules, hooks and ``state_dict()`` as before attach().

    Raises:
        VcasError: when the model is not attached.
    """
    attachment = attachment_of(model)
    if attachment is None:
        raise VcasError(f"{type(model).__name__} is not attached")
    attachment.remove()
