"""A padded batch [B, T, H] as the rows [R, H] that its attention mask keeps, and back."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class PackedBatch:
    """Where the rows of a batch are. Masks of zeros and ones of any pattern, with a one in every sample."""

    samples: int
    positions: int
    offsets: torch.Tensor
    """[B+1] int64 CPU: sample i owns packed rows offsets[i]..offsets[i+1]-1."""
    rows: torch.Tensor | None
    """[R] int64: the row of [B·T, H] behind each packed row; None: all of them."""

    @staticmethod
    def from_mask(mask: torch.Tensor | None, samples: int, positions: int) -> "PackedBatch":
        """From an attention mask [B, T] that unpackable_reason() has no objection to, or None: nothing is padded."""
        if mask is None or bool(mask.all()):
            return PackedBatch(samples, positions, torch.arange(samples + 1) * positions, None)
        kept = mask != 0
        offsets = torch.zeros(samples + 1, dtype=torch.int64)
        torch.cumsum(kept.sum(1).cpu(), 0, out=offsets[1:])
        return PackedBatch(samples, positions, offsets, kept.reshape(-1).nonzero().squeeze(1))

    def pack(self, hidden: torch.Tensor) -> torch.Tensor:
        """[B, T, H] to [R, H]."""
        flat = hidden.reshape(self.samples * self.positions, hidden.shape[-1])
        return (flat if self.rows is None else flat.index_select(0, self.rows)).contiguous()

    def unpack(self, packed: torch.Tensor) -> torch.Tensor:
        """[R, H] to [B, T, H]; positions that the mask leaves out are zero."""
        shape = (self.samples, self.positions, packed.shape[-1])
        if self.rows is None:
            return packed.view(shape)
        padded = packed.new_zeros(self.samples * self.positions, packed.shape[-1])
        return padded.index_copy(0, self.rows, packed).view(shape)


def unpackable_reason(mask: torch.Tensor | None) -> str | None:
    """Why a mask cannot be packed; None when it can."""
    if mask is None:
        return None
    if mask.dim() != 2:
        return f"its attention mask has {mask.dim()} dimensions, not two"
    if not bool(((mask == 0) | (mask == 1)).all()):
        return "its attention mask holds other values than 0 and 1"
    if not bool((mask != 0).any(1).all()):
        return "its attention mask leaves out whole samples"
    return None
