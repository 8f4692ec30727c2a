"""What an adaptation logs, under the original's names."""

from vcas.control.controller import Metrics


class AdaptationLog:
    """Turns the controller's metrics into one log entry an adaptation.

    The entry holds scalars only, so that every logger takes it:

    - `s`: share of the gradient norms that sampling keeps for certain;
    - `act_ratio_first`, `act_ratio_last`: share of the samples kept in the block nearest the input, and in the last;
    - `w_ratio[0]`, `w_ratio_mean`: share of the kept rows in the gradient of the first weight, and on average;
    - `sgd_var`, `act_var`, `w_var`: variance of SGD, of sampling samples, of sampling rows for weight gradients;
    - `flops_ratio`: floating-point operations performed so far, adaptation included, per those of exact training;
    - `flops_ratio_tmp`: the same since the adaptation before.
    """

    def __init__(self) -> None:
        self.adaptations = 0
        """Of those that have their entry."""
        self._performed = 0.0
        self._exact = 0.0

    def entry(self, metrics: Metrics) -> dict[str, float]:
        """The entry of an adaptation that has just ended.

        Args:
            metrics: what `vcas.Controller.metrics` gives.
        """
        self.adaptations = metrics["adaptations"]
        performed, exact = metrics["flops"]["performed"], metrics["flops"]["exact"]
        since = _ratio(performed - self._performed, exact - self._exact)
        self._performed, self._exact = performed, exact
        row_keep_ratios = list(metrics["nu"].values()) or [1.0]
        return {
            "s": metrics["s"],
            "act_ratio_first": metrics["rho"][0],
            "act_ratio_last": metrics["rho"][-1],
            "w_ratio[0]": row_keep_ratios[0],
            "w_ratio_mean": sum(row_keep_ratios) / len(row_keep_ratios),
            "sgd_var": metrics["v_sgd"],
            "act_var": metrics["v_act"],
            "w_var": metrics["v_w"],
            "flops_ratio": _ratio(performed, exact),
            "flops_ratio_tmp": since,
            "adaptations": metrics["adaptations"],
        }

    def state_dict(self) -> dict[str, float]:
        """For a checkpoint."""
        return {"adaptations": self.adaptations, "performed": self._performed, "exact": self._exact}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Inverse of `state_dict`."""
        self.adaptations = int(state["adaptations"])
        self._performed, self._exact = state["performed"], state["exact"]


def _ratio(performed: float, exact: float) -> float:
    return performed / exact if exact else 1.0
