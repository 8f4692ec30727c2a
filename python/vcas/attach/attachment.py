"""attach() and detach(): which parts of a model are sampled, and how its forward passes are patched."""

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from vcas.attach.checks import check_blocks
from vcas.attach.find_blocks import find_blocks, fused_layers
from vcas.attach.fused import operator
from vcas.attach.fused.architectures import NotFusable
from vcas.attach.fused.entry import FusedEntry
from vcas.attach.fused.operator import FusedLayer
from vcas.attach.generic.block import install_generic
from vcas.attach.layout import fused_layout, generic_layout
from vcas.attach.outside_flops import hook_outside
from vcas.attach.table import describe
from vcas.control.costs import find_costs, no_costs
from vcas.control.options import SamplingOptions
from vcas.control.ranks import rank, world_size
from vcas.control.recording import Recorder, Recording
from vcas.control.sampled_model import ATTRIBUTE, SampledBlock, layout_json
from vcas.errors import VcasError


class Attachment:
    """Handle returned by attach(). Undo with detach()."""

    def __init__(self, model: nn.Module, options: SamplingOptions, blocks: dict[str, nn.Module]) -> None:
        self.model, self.options, self.blocks = model, options, blocks
        self.layout: list[SampledBlock] = []
        """What can be sampled, block nearest the input first."""
        self.fused = False
        """Whether the fused operator runs the blocks."""
        self.fused_layers: list[FusedLayer] = []
        """How it runs each."""
        self.costs = no_costs(0)
        """What is known of the costs of the blocks; a controller replaces it by what it was given."""
        self.notes: list[str] = []
        """What the user should know: why blocks are not fused."""
        self.controller: Recorder | None = None
        self._handles: list[RemovableHandle] = []
        self._forwards = 0

    def __reduce_ex__(self, protocol: object) -> tuple[object, ...]:
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
        stream = (self.options.seed, self._forwards * world_size() + rank())
        return Recording(stream, sampled=False, wants_statistics=False)

    def recording(self) -> Recording | None:
        """The controller's recording under way, if any."""
        return None if self.controller is None else self.controller.recording

    def first_parameter(self) -> torch.Tensor:
        """Of its blocks: tells their device and dtype."""
        return next((p for block in self.blocks.values() for p in block.parameters()), torch.empty(0))

    def table(self) -> str:
        """Lists what is sampled and what not, and why, and whose costs are known."""
        options = self.controller.options if self.controller is not None else self.options
        costs = self.costs.origins if options.benefit_gate else None
        return describe(self.model, self.blocks, self.layout, self.fused, costs, self.notes)

    def install(self, handles: list[RemovableHandle]) -> None:
        """Takes the hooks of a model whose blocks' forward() is replaced, and hooks what lies outside the blocks."""
        self._handles = handles + hook_outside(self.model, self.blocks, self.recording)
        self.model.__dict__[ATTRIBUTE] = self

    def remove(self) -> None:
        """Undoes install()."""
        for block in self.blocks.values():
            block.__dict__.pop("forward", None)
        for handle in self._handles:
            handle.remove()
        self._handles, self.controller = [], None
        self.model.__dict__.pop(ATTRIBUTE, None)


def attachment_of(model: nn.Module) -> Attachment | None:
    """The handle of an attached model; None when it is not attached."""
    found = model.__dict__.get(ATTRIBUTE)
    return found if isinstance(found, Attachment) else None


def attach(
    model: nn.Module,
    options: SamplingOptions | None = None,
    *,
    block_class: type[nn.Module] | None = None,
    verbose: bool = True,
) -> Attachment:
    """Patches a model in place so that a :class:`Controller` can sample its backward passes.

    Blocks of BERT, RoBERTa, DistilBERT, ELECTRA, ViT and GPT-2 (transformers) are found, and run by the fused
    operator. Where that cannot be, and for a ``block_class`` that is none of these, a block is sampled as a generic
    one: its kept samples are computed once more in the backward pass. Parameters, buffers and ``state_dict()`` stay as
    they are. Without a controller nothing is sampled.

    Hidden states of fused blocks are zero at positions that the attention mask leaves out; a model that reads such
    positions (position 0 under left padding, labels there) runs by its own blocks for that batch, with one warning.

    Args:
        model: whose blocks take a batch [B, T, H] as their first argument.
        options: default :class:`SamplingOptions`; a controller takes them from here.
        block_class: class of the blocks, in order of use; default: found by architecture.
        verbose: print one table of what is sampled and what not, and why, and of the costs that are known.

    Returns:
        A handle; ``detach(model)`` undoes it.

    Raises:
        VcasError: the model has no blocks, is attached already, or cannot be sampled rightly (BatchNorm in a block,
            weights tied across a block's border, hooks that would be bypassed). The model is as it was.
    """
    if attachment_of(model) is not None:
        raise VcasError(f"{type(model).__name__} is attached already; detach it first")
    blocks = find_blocks(model, block_class)
    if any(getattr(b.__dict__.get("forward"), "__module__", "").startswith("vcas.") for b in blocks.values()):
        raise VcasError(f"a part of {type(model).__name__} is attached already; detach it first")
    attachment = Attachment(model, options or SamplingOptions(), blocks)
    try:
        base, architecture, layers = fused_layers(model, blocks)
    except NotFusable as reason:
        attachment.notes.append(f"not fused: {reason}")
        check_blocks(model, blocks, fused=False)
        attachment.layout = generic_layout(blocks)
        attachment.install(install_generic(model, blocks, attachment.begin))
    else:
        check_blocks(model, blocks, fused=True)
        entry = FusedEntry(model, base, architecture, attachment.begin)
        attachment.fused, attachment.fused_layers = True, layers
        attachment.layout = fused_layout(blocks, layers)
        if not operator.is_fast():
            attachment.notes.append(
                "slow on this CPU: the operators' fast kernels need AVX-512; results are right all the same"
            )
        attachment.install(entry.install(list(blocks.values()), layers))
    parameter = attachment.first_parameter()
    attachment.costs = find_costs(layout_json(attachment.layout), None, parameter.device, parameter.dtype)
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
