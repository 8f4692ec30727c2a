"""Step 2: what the other steps share: the settings, and what is kept at present."""

import torch
from torch import nn

from vcas.attach.attachment import attach, attachment_of
from vcas.control.controller import Controller
from vcas.control.costs import CostTable
from vcas.control.ranks import rank
from vcas.errors import VcasError
from vcas.hugging_face.sample_args import VcasSampleArguments


class VcasSampleScheme:
    """Joins the settings, the processed model and the controller of the run that trains it.

    Attributes:
        args: the settings.
        controller: of the run; None until `VcasTrainer` (or `control`) has started one.

    Args:
        sample_args: the settings (default: `VcasSampleArguments()`).
        costs: what `vcas.measure_costs` gave (default: those that come with vcas).
    """

    def __init__(self, sample_args: VcasSampleArguments | None = None, costs: CostTable | None = None) -> None:
        self.args = sample_args or VcasSampleArguments()
        self._costs = costs
        self.controller: Controller | None = None
        self._processed: nn.Module | None = None

    @property
    def s(self) -> float:
        """The share of the gradient norms that sampling keeps for certain, in (0, 1]; 1 before the first adaptation."""
        return 1.0 if self.controller is None else self.controller.metrics()["s"]

    @property
    def act_ratio_sched(self) -> list[float]:
        """Share of the samples that the backward pass keeps, by block from the input up; [] before training."""
        return [] if self.controller is None else self.controller.metrics()["rho"]

    @property
    def w_ratio_list(self) -> list[float]:
        """Share of the kept rows that a weight gradient uses, by linear from the input up; [] before training."""
        return [] if self.controller is None else list(self.controller.metrics()["nu"].values())

    def processed(self, model: nn.Module) -> None:
        """Notes that `VcasModelProcessor` has attached the operators to this model."""
        self._processed = model

    def control(self, model: nn.Module, seed: int, dtype: torch.dtype | None = None) -> Controller:
        """Starts the controller of a training run; attaches the model first if no processor has.

        Args:
            model: the processed model, or one that nothing has been done to.
            seed: of the draws.
            dtype: of products, where training runs under autocast.

        Raises:
            VcasError: the scheme's processor worked on another model, or the model cannot be attached.
        """
        if self._processed is not None and self._processed is not model:
            raise VcasError(
                "VcasTrainer: expected the model that VcasModelProcessor has processed with this scheme, got another "
                f"{type(model).__name__}"
            )
        options = self.args.sampling_options(seed)
        if attachment_of(model) is None:
            attach(model, options, verbose=rank() == 0)
        self.controller = Controller(model, options, costs=self._costs, dtype=dtype)
        return self.controller
