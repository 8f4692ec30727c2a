"""The C++ controller of variances, as ``torch.classes.vcas`` registers it."""

from typing import Protocol

import torch

from vcas.control.options import SamplingOptions
from vcas.control.plan import SamplingPlan
from vcas.control.sampled_model import SampledBlock, layout_json


class Sampler(Protocol):
    """Learns how much to keep: ``torch.classes.vcas.VarianceController``."""

    def adapts(self, micro_batch: int, full_size: bool) -> bool:
        """Whether a micro-batch belongs to an adaptation."""

    def plan(self) -> SamplingPlan:
        """What an ordinary backward pass keeps."""

    def probe_plans(self, sample_norms: list[torch.Tensor]) -> list[SamplingPlan]:
        """Plans of the trial passes after an exact pass, whose sample norms [N] by block are given."""

    def observe(
        self,
        micro_batch: int,
        offsets: list[int],
        sample_norms: list[torch.Tensor],
        row_scores: list[torch.Tensor],
        trial_norms: list[list[torch.Tensor]],
        trial_scores: list[list[torch.Tensor]],
        gradients: list[torch.Tensor],
        squared_errors: list[float],
    ) -> bool:
        """Takes what the passes of a micro-batch measured. Gives whether it closed an adaptation."""

    def s(self) -> float:
        """Share of the gradient norms that is kept for certain."""

    def report(self) -> list[float]:
        """V_s, V_act and V_w of the last adaptation."""

    def state(self) -> str:
        """Everything but tensors, as JSON."""

    def state_tensors(self) -> list[torch.Tensor]:
        """The tensors of the state."""

    def load_state(self, state: str, tensors: list[torch.Tensor]) -> None:
        """Inverse of state() and state_tensors()."""


def new_sampler(options: SamplingOptions, layout: list[SampledBlock]) -> Sampler:
    """A C++ controller for a layout. Raises RuntimeError for an option out of range."""
    sampler: Sampler = torch.classes.vcas.VarianceController(options.to_json(), layout_json(layout))
    return sampler
