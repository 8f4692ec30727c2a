"""Controller: trains an attached model by sampled backward passes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar, TypedDict, cast

import torch
from torch import nn

from vcas.control import ranks
from vcas.control.adaptation import MicroBatchPasses, adapt
from vcas.control.costs import CostTable, find_costs, no_costs
from vcas.control.options import SamplingOptions
from vcas.control.plan import SamplingPlan
from vcas.control.recording import Recording
from vcas.control.sampled_model import SampledModel, layout_json, sampled_model_of
from vcas.control.sampler import new_sampler, status_of
from vcas.errors import VcasError, as_vcas_error

_FORMAT = 2
"""Of state_dict(). 1 kept the norms of all processes together, and no costs."""


class Flops(TypedDict):
    """Floating point operations: of training without sampling, and performed."""

    exact: float
    performed: float


class Gated(TypedDict):
    """Blocks and weights by name that a pass computed exactly because sampling them would not have paid."""

    blocks: list[str]
    weights: list[str]


class Metrics(TypedDict):
    """What Controller.metrics() gives."""

    s: float
    rho: list[float]
    nu: dict[str, float]
    v_sgd: float
    v_act: float
    v_w: float
    flops: Flops
    adaptations: int
    gated: Gated | None


class ControllerState(TypedDict):
    """What Controller.state_dict() gives."""

    format: int
    micro_batch: int
    adaptations: int
    flops: Flops
    controller: str
    tensors: list[torch.Tensor]


class Controller:
    """Learns how much of each backward pass to keep, and runs the backward passes of a training loop.

    One micro-batch is one forward pass of the model and one call of :meth:`step` or :meth:`backward`. Gradients are
    unbiased: their mean over the draws is the exact gradient.
    """

    attach_model: ClassVar[Callable[[nn.Module, SamplingOptions | None], SampledModel]]
    """Attaches a model that is not attached yet. The package sets it: this folder knows no blocks."""

    def __init__(
        self,
        model: nn.Module,
        options: SamplingOptions | None = None,
        *,
        costs: CostTable | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """
        Args:
            model: attached already, or attached now (which prints what is sampled).
            options: default: those given to attach().
            costs: what :func:`measure_costs` gave. Default: those that come with vcas for fused blocks on a CPU. A
                block whose costs are unknown is sampled whether it pays or not.
            dtype: of products, where training runs under autocast; default: that of the parameters. Which costs hold.

        Raises:
            VcasError: as attach(), for an option out of range, for what is no table of costs, and for a model that
                has a controller.
        """
        sampled_model = sampled_model_of(model) or type(self).attach_model(model, options)
        if sampled_model.controller is not None:
            raise VcasError(f"{type(model).__name__} has a controller already; detach the model first")
        self.model, self._sampled_model = model, sampled_model
        self.options = options or sampled_model.options
        self.micro_batch = 0
        """Micro-batches so far."""
        self.recording: Recording | None = None
        """The forward pass that waits for its backward pass."""
        self.adaptations = 0
        self._in_step = False
        self._flops: Flops = {"exact": 0.0, "performed": 0.0}
        layout = sampled_model.layout
        with as_vcas_error():
            known = no_costs(len(layout))
            if self.options.benefit_gate:
                parameter = sampled_model.first_parameter()
                known = find_costs(layout_json(layout), costs, parameter.device, dtype or parameter.dtype)
            self.sampler = new_sampler(self.options, layout, known.json)
        sampled_model.controller, sampled_model.costs = self, known

    def begin(self) -> Recording:
        """The recording of the forward pass that starts. Called by the attached model.

        Raises:
            VcasError: for a second forward pass inside one step.
        """
        if self._in_step and self.recording is not None:
            raise VcasError("expected one forward pass of the model in a step, got a second one")
        stream = (self.options.seed, self.micro_batch * ranks.world_size() + ranks.rank())
        may_adapt = self.sampler.measures(self.micro_batch, True)
        sampled = may_adapt or self._sampled_model.fused or self.sampler.ungated_plan().sampled()
        self.recording = Recording(stream, sampled, wants_statistics=may_adapt)
        return self.recording

    def step(
        self, loss_fn: Callable[[], torch.Tensor], loss_scale: float = 1.0, full_size: bool = True
    ) -> torch.Tensor:
        """Runs one micro-batch: its forward pass and its backward pass(es), which accumulate into ``.grad``.

        Args:
            loss_fn: runs the model once and gives a 0-dim loss.
            loss_scale: multiplies the gradient (1 / gradient accumulation steps).
            full_size: whether the micro-batch has as many samples as usual; only such ones adapt.

        Returns:
            The loss, detached and unscaled.

        Raises:
            VcasError: when loss_fn() gives no 0-dim loss, or runs the model not once.
        """
        with self.record():
            loss = loss_fn()
        self.backward(loss, loss_scale, full_size)
        return loss.detach()

    @contextmanager
    def record(self) -> Iterator[None]:
        """The forward pass of the next micro-batch runs inside, once."""
        self.recording, self._in_step = None, True
        try:
            yield
        except BaseException:
            self.recording = None
            raise
        finally:
            self._in_step = False

    def backward(self, loss: torch.Tensor, loss_scale: float = 1.0, full_size: bool = True) -> None:
        """The backward pass(es) of a loss whose forward pass just ran; they accumulate into ``.grad``.

        Args:
            loss: 0-dim. loss_scale, full_size: as in step().

        Raises:
            VcasError: when no forward pass of the attached model was recorded, or the loss is not 0-dim.
        """
        recording, self.recording = self.recording, None
        if not isinstance(loss, torch.Tensor) or loss.dim() != 0:
            shape = list(loss.shape) if isinstance(loss, torch.Tensor) else type(loss).__name__
            raise VcasError(f"expected a 0-dim loss, got {shape}")
        if recording is None:
            raise VcasError("expected a forward pass of the attached model, with gradients, before its backward pass")
        samples_now = recording.exact_reason is None and bool(recording.blocks)
        measures = recording.wants_statistics and samples_now and self.sampler.measures(self.micro_batch, full_size)
        # A collective: what decides on it must not depend on this rank's batch.
        if ranks.world_size() > 1 and self.sampler.measures(self.micro_batch, True):
            measures = ranks.all_agree(measures)
        with as_vcas_error():
            if measures:
                backward_flops = self._adapt(loss, loss_scale, full_size, recording)
            else:
                backward_flops = self._sample(loss, loss_scale, recording)
        self._flops["exact"] += recording.forward_flops + recording.exact_backward_flops
        self._flops["performed"] += recording.forward_flops + backward_flops
        self.micro_batch += 1

    def _plan(self, recording: Recording) -> SamplingPlan:
        """Of an ordinary pass over what was recorded."""
        records = [recording.blocks[block] for block in sorted(recording.blocks)]
        if not self.options.benefit_gate or len(records) != len(self._sampled_model.layout):
            return self.sampler.ungated_plan()
        return self.sampler.plan([record.samples for record in records], [record.weight_rows for record in records])

    def _sample(self, loss: torch.Tensor, loss_scale: float, recording: Recording) -> float:
        recording.write(self._plan(recording))
        torch.autograd.backward(loss, torch.full_like(loss, loss_scale))
        flops = recording.outside_backward_flops
        for record in recording.blocks.values():
            if record.flops is not None and record.flops.grad is not None:
                flops += record.flops.grad.item()
        return flops if recording.sampled else recording.exact_backward_flops

    def _adapt(self, loss: torch.Tensor, loss_scale: float, full_size: bool, recording: Recording) -> float:
        passes = MicroBatchPasses(self.model, self._sampled_model.layout, recording, loss, loss_scale)
        closed, flops = adapt(self.sampler, passes, self.micro_batch, full_size)
        self.adaptations += int(closed)
        return flops

    def state_dict(self) -> ControllerState:
        """Everything that a checkpoint must hold: numbers, text and tensors (``torch.load(weights_only=True)``).

        With several processes, ratios are those of all of them, and what an adaptation under way has measured is this
        process's.
        """
        return {
            "format": _FORMAT,
            "micro_batch": self.micro_batch,
            "adaptations": self.adaptations,
            "flops": {**self._flops},
            "controller": self.sampler.state(),
            "tensors": [tensor.clone() for tensor in self.sampler.state_tensors()],
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Inverse of state_dict(): training goes on as if it had not stopped.

        Raises:
            VcasError: for what is no state of a controller of this model.
        """
        if state.get("format", _FORMAT) != _FORMAT:
            raise VcasError(
                f"state of a controller: expected format {_FORMAT}, got {state['format']}, which another version "
                "of vcas wrote; go on with that version, or adapt anew without the state"
            )
        missing = set(ControllerState.__annotations__) - set(state)
        if missing:
            raise VcasError(f"state of a controller: expected {', '.join(sorted(missing))}, got {', '.join(state)}")
        saved = cast(ControllerState, state)
        with as_vcas_error():
            self.sampler.load_state(saved["controller"], [tensor.cpu() for tensor in saved["tensors"]])
        self._sampled_model.costs = self._sampled_model.costs.replaced(self.sampler.costs())
        self.micro_batch, self.adaptations = int(saved["micro_batch"]), int(saved["adaptations"])
        flops = saved["flops"]
        self._flops = {"exact": float(flops["exact"]), "performed": float(flops["performed"])}
        self.recording = None

    def metrics(self) -> Metrics:
        """What is kept and what it costs.

        Returns:
            ``s``; ``rho``: keep ratio of samples by block; ``nu``: keep ratio of rows by weight; ``v_sgd``,
            ``v_act``, ``v_w``: variances at the last adaptation; ``flops``: ``exact`` (of training without sampling)
            and ``performed``, of linears, convolutions and fused blocks so far; ``adaptations``; ``gated``: blocks and
            weights by name that the last sampled pass computed exactly because sampling them would not have paid; None
            where no costs are known, and after an adaptation.
        """
        status = status_of(self.sampler)
        layout, kept, gated = self._sampled_model.layout, status["row_keep_ratio"], status["gated"]
        report = status["last_adaptation"] or {"v_sgd": 0.0, "v_act": 0.0, "v_w": 0.0}
        blocks = [] if gated is None else [layout[block].name for block in gated["blocks"]]
        return {
            "s": status["s"],
            "rho": status["sample_keep_ratio"],
            "nu": {w.name: kept[w.name] for block in layout for w in block.weights if w.name in kept},
            "v_sgd": report["v_sgd"],
            "v_act": report["v_act"],
            "v_w": report["v_w"],
            "flops": {**self._flops},
            "adaptations": self.adaptations,
            "gated": None if gated is None else {"blocks": blocks, "weights": gated["weights"]},
        }
