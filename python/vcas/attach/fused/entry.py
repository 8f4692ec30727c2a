"""Forward passes through fused blocks, begun and ended by hooks on the model."""

import inspect
import warnings
from collections.abc import Callable, Mapping

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from vcas.attach.checkpointing import switch_off, switch_on
from vcas.attach.fused.architectures import Architecture, is_class
from vcas.attach.fused.block import FusedBlock, FusedPass, patched_forward
from vcas.attach.fused.operator import FusedLayer
from vcas.attach.fused.packing import PackedBatch, unpackable_reason
from vcas.control.recording import Recording
from vcas.errors import VcasError


class FusedEntry:
    """Begins and ends the passes of a fused model: reads the arguments that decide how its blocks run."""

    def __init__(
        self, model: nn.Module, base: nn.Module, architecture: Architecture, record: Callable[[], Recording]
    ) -> None:
        """
        Args:
            model: that is attached.
            base: the part of it that takes the attention mask and calls the blocks.
            record: gives the recording of a forward pass that starts.
        """
        self._base, self._architecture, self._record = base, architecture, record
        self.current: FusedPass | None = None
        """The pass under way."""
        self._reader = next((m for m in model.modules() if any(child is base for child in m.children())), None)
        self.one_row = type(self._reader).__name__ in architecture.reads_first_row
        """Whether the model reads only position 0 of the last block's output."""
        self._blocks: list[FusedBlock] = []
        self._reading = False
        self._labels: torch.Tensor | None = None
        self._signature = inspect.signature(type(base).forward)
        self._warned: set[str] = set()
        self._below = _children_below(base, architecture)
        self._checkpointed: list[nn.Module] = []

    def install(self, blocks: list[nn.Module], layers: list[FusedLayer]) -> list[RemovableHandle]:
        """Replaces the blocks' forward() and hooks the model; removing the handles takes the hooks away."""
        for index, (block, layer) in enumerate(zip(blocks, layers, strict=True)):
            fused = FusedBlock(block, index, len(blocks), layer)
            self._blocks.append(fused)
            block.__dict__["forward"] = patched_forward(fused, lambda: self.current)
        # Compiled blocks read no values of tensors and make no records: what begins a pass is not compiled.
        begin = torch.compiler.disable(self._begin)  # type: ignore[no-untyped-call]
        handles = [
            self._base.register_forward_pre_hook(begin, with_kwargs=True),
            self._base.register_forward_hook(self._end, always_call=True),
        ]
        if "input_ids" not in self._signature.parameters:
            embedded = torch.compiler.disable(self._begin_embedded)  # type: ignore[no-untyped-call]
            handles.append(self._below[-1].register_forward_hook(embedded))
        if self._reader is not None:
            handles += [
                self._reader.register_forward_pre_hook(self._begin_reading, with_kwargs=True),
                self._reader.register_forward_hook(self._end_reading, always_call=True),
            ]
        return handles

    def _begin_reading(self, _module: nn.Module, _args: object, kwargs: dict[str, object]) -> None:
        self._reading, self._labels = True, _tensor(kwargs, "labels")

    def _end_reading(self, *_: object) -> None:
        self._reading, self._labels = False, None

    def _end(self, *_: object) -> None:
        self.current = None
        for fused in self._blocks:
            fused.end()
        switch_on(self._checkpointed)
        self._checkpointed = []

    def _begin_embedded(self, _module: nn.Module, _args: object, hidden: torch.Tensor) -> None:
        """Of images: only their embeddings [B, T, H] tell how many positions there are."""
        current = self.current
        if current is not None and current.exact_reason is None:
            batch = PackedBatch.from_mask(None, hidden.shape[0], hidden.shape[1])
            self._begin_blocks(current, batch, hidden.requires_grad)

    def _begin(
        self, base: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> tuple[tuple[object, ...], dict[str, object]]:
        bound = self._signature.bind_partial(base, *args, **kwargs)
        given = {**bound.arguments, **bound.arguments.get("kwargs", {})}
        if given.get("head_mask") is not None:
            raise VcasError("head_mask: expected none, because blocks that vcas runs have no head masks")
        mask = _tensor(given, "attention_mask")
        recording = self._record()
        current = FusedPass(recording)
        recording.exact_reason = self._exact_reason(given, mask)
        if recording.exact_reason is None:
            current.unpacks_each = self._wants(given, "output_hidden_states")
            current.first_row_only = self.one_row and self._reading and not current.unpacks_each
            # What the controller learns is about one row a sample, where the model reads no more.
            recording.wants_statistics = recording.wants_statistics and current.first_row_only == self.one_row
            shape = _shape(given, mask)
            if shape is not None:
                embeds = _tensor(given, "inputs_embeds")
                below = any(p.requires_grad for child in self._below for p in child.parameters())
                below = below or (embeds is not None and embeds.requires_grad)
                self._begin_blocks(current, PackedBatch.from_mask(mask, *shape), below)
        elif torch.is_grad_enabled() and recording.exact_reason not in self._warned:
            self._warned.add(recording.exact_reason)
            warnings.warn(
                f"vcas: {type(base).__name__} runs exactly, by its own blocks: {recording.exact_reason}", stacklevel=4
            )
        self.current = current
        if torch.is_grad_enabled() and "use_cache" in self._signature.parameters:
            bound.arguments["use_cache"] = False
            return bound.args[1:], bound.kwargs
        return args, kwargs

    def _begin_blocks(self, current: FusedPass, batch: PackedBatch, has_backward: bool) -> None:
        """`has_backward`: whether the gradient of the blocks' input is wanted."""
        current.batch = batch
        for fused in self._blocks:
            has_backward = has_backward or any(p.requires_grad for p in fused.block.parameters())
            fused.begin(current.recording, batch, current.first_row_only and fused.last, has_backward)
        self._checkpointed = switch_off(fused.block for fused in self._blocks)

    def _wants(self, given: Mapping[str, object], name: str) -> bool:
        value = given.get(name)
        return bool(getattr(self._base.config, name, False) if value is None else value)

    def _exact_reason(self, given: Mapping[str, object], mask: torch.Tensor | None) -> str | None:
        if given.get("past_key_values") is not None:
            return "it is given past keys and values"
        if not torch.is_grad_enabled() and self._architecture.name == "gpt2" and self._wants(given, "use_cache"):
            return "it keeps its keys and values"
        if given.get("encoder_hidden_states") is not None:
            return "it attends to another model's hidden states"
        if self._wants(given, "output_attentions"):
            return "its attention probabilities are asked for"
        if mask is None and given.get("attention_mask") is not None:
            return f"its attention mask is a {type(given['attention_mask']).__name__}, not a tensor"
        return unpackable_reason(mask) or (None if mask is None else self._reads_masked(mask))

    def _reads_masked(self, mask: torch.Tensor) -> str | None:
        """Whether the model reads outputs at positions that the mask leaves out, which packed rows do not have."""
        if bool(mask.all()):
            return None
        pools = getattr(self._base, "pooler", None) is not None
        if (pools or (self.one_row and self._reading)) and not bool(mask[:, 0].all()):
            return "it reads position 0, which the attention mask leaves out"
        name, labels = type(self._reader).__name__, self._labels
        if self._reading and name.endswith("ForQuestionAnswering"):
            return "it chooses among all positions, those that the attention mask leaves out included"
        if not self._reading or labels is None or labels.shape != mask.shape or name == "ElectraForPreTraining":
            return None
        read = labels != -100
        if self._architecture.name == "gpt2" and name.endswith("LMHeadModel"):
            read = read.roll(-1, 1)  # position t predicts label t + 1
            read[:, -1] = False
        if bool((read & (mask == 0)).any()):
            return "it has labels at positions that the attention mask leaves out (expected -100 there)"
        return None


def _tensor(given: Mapping[str, object], name: str) -> torch.Tensor | None:
    value = given.get(name)
    return value if isinstance(value, torch.Tensor) else None


def _shape(given: Mapping[str, object], mask: torch.Tensor | None) -> tuple[int, int] | None:
    """Samples and positions of a batch, where the arguments tell."""
    candidates = (mask, _tensor(given, "input_ids"), _tensor(given, "inputs_embeds"))
    tensor = next((t for t in candidates if t is not None), None)
    return None if tensor is None or tensor.dim() < 2 else (tensor.shape[0], tensor.shape[1])


def _children_below(base: nn.Module, architecture: Architecture) -> list[nn.Module]:
    """What the model runs before its blocks; its children are in that order."""
    found: list[nn.Module] = []
    for child in base.children():
        if any(is_class(m, architecture, architecture.layer) for m in child.modules()):
            break
        found.append(child)
    return found
