"""The sampling protocol of the C++ library, as ``torch.classes.vcas`` registers it."""

import json
from typing import Protocol, TypedDict, cast

import torch

from vcas.control.options import SamplingOptions
from vcas.control.plan import SamplingPlan
from vcas.control.sampled_model import SampledBlock, layout_json


class PassRequest(Protocol):
    """A backward pass that is to be run: ``torch.classes.vcas.PassRequest``."""

    def plan(self) -> SamplingPlan:
        """What it keeps."""

    def statistics(self) -> bool:
        """Whether its statistics are wanted."""


class Report(TypedDict):
    """Variances that the last adaptation found."""

    v_sgd: float
    v_act: float
    v_w: float


class GatedParts(TypedDict):
    """What a pass computes exactly because sampling it would not pay."""

    blocks: list[int]
    weights: list[str]


class SamplerStatus(TypedDict):
    """Present ratios and their origin."""

    s: float
    sample_keep_ratio: list[float]
    row_keep_ratio: dict[str, float]
    last_adaptation: Report | None
    gated: GatedParts | None


class Sampler(Protocol):
    """Says which backward passes a micro-batch needs, and learns how much they keep: ``torch.classes.vcas.Sampler``.

    Every process has one, and gives it the same options, layout, numbers of micro-batches, and sums.
    """

    def measures(self, number: int, full_size: bool) -> bool:
        """Whether a micro-batch belongs to an adaptation."""

    def plan(self, samples: list[int], weight_rows: list[list[int]]) -> SamplingPlan:
        """What an ordinary backward pass keeps of a batch, given by block."""

    def ungated_plan(self) -> SamplingPlan:
        """The same before the gate."""

    def exact_pass(self) -> PassRequest:
        """The pass of a measuring micro-batch whose gradient trains."""

    def trial_passes(
        self, offsets: list[torch.Tensor], sample_norms: list[torch.Tensor], row_scores: list[torch.Tensor]
    ) -> list[PassRequest]:
        """The passes that measure, after the exact one, whose statistics are given by block."""

    def observe(
        self,
        number: int,
        full_size: bool,
        offsets: list[torch.Tensor],
        sample_norms: list[torch.Tensor],
        row_scores: list[torch.Tensor],
        gradients: list[torch.Tensor],
        squared_errors: list[float],
        trial_norms: list[list[torch.Tensor]],
        trial_scores: list[list[torch.Tensor]],
    ) -> None:
        """Takes what the passes of a measuring micro-batch reported; of trial passes by pass, and block or nothing."""

    def statistics(self) -> list[float] | None:
        """This process's numbers that solve() takes the sums of; None: there is nothing more to solve."""

    def solve(self, sums: list[float]) -> bool:
        """Takes sums over processes. Gives whether this closed an adaptation."""

    def status(self) -> str:
        """JSON of :class:`SamplerStatus`."""

    def costs(self) -> str:
        """Those in force, by block: JSON."""

    def state(self) -> str:
        """Everything but tensors, as JSON."""

    def state_tensors(self) -> list[torch.Tensor]:
        """The tensors of the state."""

    def load_state(self, state: str, tensors: list[torch.Tensor]) -> None:
        """Inverse of state() and state_tensors()."""


def new_sampler(options: SamplingOptions, layout: list[SampledBlock], costs: str) -> Sampler:
    """A sampler for a layout, with costs by block as JSON. Raises RuntimeError for an option out of range."""
    sampler: Sampler = torch.classes.vcas.Sampler(options.to_json(), layout_json(layout), costs)
    return sampler


def status_of(sampler: Sampler) -> SamplerStatus:
    """Its present ratios."""
    return cast(SamplerStatus, json.loads(sampler.status()))
