"""Settings of sampling, with the defaults of the paper."""

import dataclasses
import json
from typing import Literal

from vcas.errors import VcasError


@dataclasses.dataclass(frozen=True)
class SamplingOptions:
    """Settings of the variance controller. Ranges are checked by the C++ controller.

    Raises:
        VcasError: for an unknown ``policy`` or ``draw``.
    """

    act_var_tau: float = 0.025
    """Budget of SampleA's variance, as a share of the variance of stochastic gradients; [0, 1]."""
    w_var_tau: float = 0.025
    """Budget of SampleW's variance by weight, as a share of the same; [0, 1]."""
    cal_var_freq: int = 100
    """Micro-batches from one adaptation to the next (F); at least ``cal_var_m``."""
    cal_var_m: int = 2
    """Batches of an adaptation, and sampled passes over each (M); 2..15."""
    s_update_step: float = 0.01
    """Step of s; policy ``paper``."""
    w_ratio_mul: float = 0.95
    """Factor of a weight's keep ratio; policy ``paper``."""
    act_sched_decay: float = 0.6
    """Weight of the old keep ratios of samples; policy ``paper``."""
    policy: Literal["solve", "paper"] = "solve"
    """``solve``: ratios solved from measured variances. ``paper``: moved a step a time, as published."""
    draw: Literal["fixed", "bernoulli"] = "fixed"
    """``fixed``: exactly k of n are kept. ``bernoulli``: each independently, as published."""
    cal_var_stretch: int = 8
    """How many ``cal_var_freq`` at most between adaptations while ratios are steady; policy ``solve``."""
    seed: int = 42
    """Of the draws, and of the dropout of fused blocks; a draw never reads PyTorch's generators. At least 0."""
    s_min: float = 0.3
    """Smallest s; [0, 1]."""
    row_keep_ratio_min: float = 0.02
    """Smallest keep ratio of a weight's rows; [0, 1]."""
    benefit_gate: bool = True
    """Compute exactly what sampling would not make faster, where costs are known; False: sample everything."""

    def __post_init__(self) -> None:
        for name, allowed in (("policy", ("solve", "paper")), ("draw", ("fixed", "bernoulli"))):
            if getattr(self, name) not in allowed:
                raise VcasError(f"{name}: expected one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        if not 0 <= self.seed < 2**63:
            raise VcasError(f"seed: expected a number in [0, 2^63), got {self.seed}")

    def to_json(self) -> str:
        """All fields as JSON, as the C++ controller reads them."""
        return json.dumps(dataclasses.asdict(self))
