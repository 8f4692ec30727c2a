"""Step 1: the settings of VCAS as a dataclass for `transformers.HfArgumentParser`."""

import dataclasses
import warnings
from typing import Literal, TypeVar

from vcas.control.options import SamplingOptions
from vcas.errors import VcasError

_T = TypeVar("_T")


def _setting(default: _T, help_text: str) -> _T:
    return dataclasses.field(default=default, metadata={"help": help_text})


# Those that only one policy reads.
_READ_BY_POLICY_PAPER = ("s_update_step", "w_ratio_mul", "act_sched_decay")
_READ_BY_POLICY_SOLVE = ("cal_var_stretch",)


@dataclasses.dataclass
class VcasSampleArguments:
    """The settings of VCAS. The first eight are the original's, in its order and with its defaults.

    Settings that have no effect, because the policy in use does not read them, are named in a warning. The seed of the
    draws is `TrainingArguments.seed`. Ranges are checked by `VcasTrainer`.

    Raises:
        VcasError: an unknown `policy` or `draw`.
    """

    act_var_tau: float = _setting(
        0.025, "Variance that sampling samples may add, as a share of the variance of SGD. Higher saves more."
    )
    w_var_tau: float = _setting(
        0.025, "Variance that sampling rows for weight gradients may add, as a share of SGD's. Higher saves more."
    )
    cal_var_freq: int = _setting(
        100, "Micro-batches from one adaptation of the keep ratios to the next; at most 1/50 of all steps is best."
    )
    s_update_step: float = _setting(
        0.01, "Policy paper: how far an adaptation moves s, the share of the gradient norms that is kept."
    )
    w_ratio_mul: float = _setting(
        0.95, "Policy paper: factor by which an adaptation changes the keep ratios of weights, in (0, 1)."
    )
    cal_var_m: int = _setting(2, "Batches of an adaptation, and sampled backward passes over each of them.")
    act_sched_decay: float = _setting(0.6, "Policy paper: weight of the old keep ratios of blocks beside the new ones.")
    param_sample_ratio: float = _setting(
        0.01, "Has no effect; the original's share of weights that variances are taken over. Here it is all of them."
    )

    policy: Literal["solve", "paper"] = _setting(
        "solve", "How keep ratios follow from variances: solve (fewer steps until it saves) or paper (as published)."
    )
    draw: Literal["fixed", "bernoulli"] = _setting(
        "fixed", "How samples and rows are drawn: fixed (a count known beforehand) or bernoulli (as published)."
    )
    cal_var_stretch: int = _setting(
        8, "Policy solve: while keep ratios are steady adaptations become rarer, up to this factor."
    )
    s_min: float = _setting(0.3, "The smallest s, the share of the gradient norms that is kept.")
    row_keep_ratio_min: float = _setting(0.02, "The smallest keep ratio of a weight's rows.")
    benefit_gate: bool = _setting(
        True, "Compute exactly what sampling would not make faster, where costs are known. False: sample everything."
    )

    def __post_init__(self) -> None:
        if not 0 < self.param_sample_ratio <= 1:
            raise VcasError(f"param_sample_ratio: expected a number in (0, 1], got {self.param_sample_ratio}")
        self.sampling_options()
        if unread := self.settings_without_effect():
            message = f"VcasSampleArguments: no effect under policy {self.policy}: {', '.join(unread)}"
            warnings.warn(message, stacklevel=3)

    def sampling_options(self, seed: int = SamplingOptions.seed) -> SamplingOptions:
        """The same as what `vcas.attach` and `vcas.Controller` take.

        Args:
            seed: of the draws.

        Raises:
            VcasError: an unknown `policy` or `draw`.
        """
        settings = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "param_sample_ratio"
        }
        return SamplingOptions(**settings, seed=seed)

    def settings_without_effect(self) -> list[str]:
        """Names of those that differ from their defaults although nothing reads them."""
        unread = _READ_BY_POLICY_PAPER if self.policy == "solve" else _READ_BY_POLICY_SOLVE
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        return [name for name in (*unread, "param_sample_ratio") if getattr(self, name) != defaults[name]]
