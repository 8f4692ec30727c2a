"""Controller: trains an attached model by sampled backward passes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from vcas import ranks
from vcas.adaptation import adapt
from vcas.attachment import attach, attachment_of
from vcas.errors import VcasError, as_vcas_error
from vcas.layout import layout_json
from vcas.options import SamplingOptions
from vcas.recording import Recording

_FORMAT = 1


class Controller:
    """Learns how much of each backward pass to keep, and runs the backward passes of a training loop.

    One micro-batch is one forward pass of the model and one call of :meth:`step` or :meth:`backward`. Gradients are
    unbiased: their mean over the draws is the exact gradient.
    """

    def __init__(self, model: nn.Module, options: SamplingOptions | None = None) -> None:
        """
        Args:
            model: attached already, or attached now (which prints what is sampled).
            options: default: those given to attach().

        Raises:
            VcasError: as attach(), for an option out of range, and for a model that has a controller.
        """
        attachment = attachment_of(model)
        if attachment is None:
            attachment = attach(model, options)
        elif attachment.controller is not None:
            raise VcasError(f"{type(model).__name__} has a controller already; detach the model first")
        self.model, self.attachment = model, attachment
        self.options = options or attachment.options
        self.micro_batch = 0
        """Micro-batches so far."""
        self.recording: Recording | None = None
        """The forward pass that waits for its backward pass."""
        self.adaptations = 0
        self._in_step = False
        self._flops = {"exact": 0.0, "performed": 0.0}
        with as_vcas_error():
            self.core = torch.classes.vcas.VarianceController(self.options.to_json(), layout_json(attachment.layout))
        attachment.controller = self

    def begin(self) -> Recording:
        """The recording of the forward pass that starts. Called by the attached model.

        Raises:
            VcasError: for a second forward pass inside one step.
        """
        if self._in_step and self.recording is not None:
            raise VcasError("expected one forward pass of the model in a step, got a second one")
        stream = (self.options.seed, self.micro_batch, ranks.rank())
        may_adapt = bool(self.core.adapts(self.micro_batch, True))
        sampled = may_adapt or self.attachment.fused or bool(self.core.plan().sampled())
        self.recording = Recording(stream, sampled=sampled, wants_stats=may_adapt)
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
        measures = recording.wants_stats and samples_now and self.core.adapts(self.micro_batch, full_size)
        # A collective, but only where adapts() is true, which all ranks agree on.
        if recording.wants_stats and ranks.world_size() > 1:
            measures = ranks.all_agree(bool(measures))
        with as_vcas_error():
            if measures:
                backward_flops = self._adapt(loss, loss_scale, recording)
            else:
                backward_flops = self._sample(loss, loss_scale, recording)
        self._flops["exact"] += recording.forward_flops + recording.exact_backward_flops
        self._flops["performed"] += recording.forward_flops + backward_flops
        self.micro_batch += 1

    def _sample(self, loss: torch.Tensor, loss_scale: float, recording: Recording) -> float:
        recording.write(self.core.plan())
        torch.autograd.backward(loss, torch.full_like(loss, loss_scale))
        flops = recording.outside_backward_flops
        for record in recording.blocks.values():
            if record.flops is not None and record.flops.grad is not None:
                flops += record.flops.grad.item()
        return flops if recording.sampled else recording.exact_backward_flops

    def _adapt(self, loss: torch.Tensor, loss_scale: float, recording: Recording) -> float:
        done, flops = adapt(self, loss, loss_scale, recording)
        self.adaptations += int(done)
        return flops

    def state_dict(self) -> dict[str, Any]:
        """Everything that a checkpoint must hold: numbers, text and tensors (``torch.load(weights_only=True)``)."""
        return {
            "format": _FORMAT,
            "micro_batch": self.micro_batch,
            "adaptations": self.adaptations,
            "flops": dict(self._flops),
            "controller": self.core.state(),
            "tensors": [tensor.clone() for tensor in self.core.state_tensors()],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of state_dict(): training goes on as if it had not stopped.

        Raises:
            VcasError: for what is no state of a controller of this model.
        """
        missing = {"format", "micro_batch", "adaptations", "flops", "controller", "tensors"} - set(state)
        if missing:
            raise VcasError(f"state of a controller: expected {', '.join(sorted(missing))}, got {', '.join(state)}")
        if state["format"] != _FORMAT:
            raise VcasError(f"state of a controller: expected format {_FORMAT}, got {state['format']}")
        with as_vcas_error():
            self.core.load_state(state["controller"], [tensor.cpu() for tensor in state["tensors"]])
        self.micro_batch, self.adaptations = int(state["micro_batch"]), int(state["adaptations"])
        self._flops = {name: float(state["flops"][name]) for name in ("exact", "performed")}
        self.recording = None

    def metrics(self) -> dict[str, Any]:
        """What is kept and what it costs.

        Returns:
            ``s``; ``rho``: keep ratio of samples by block; ``nu``: keep ratio of rows by weight; ``v_sgd``,
            ``v_act``, ``v_w``: variances at the last adaptation; ``flops``: ``exact`` (of training without sampling)
            and ``performed``, of linears, convolutions and fused blocks so far; ``adaptations``.
        """
        plan = self.core.plan()
        ratios = plan.row_keep_ratio()
        nu = {
            linear.name: ratio
            for block, block_ratios in zip(self.attachment.layout, ratios, strict=True)
            for linear, ratio in zip(block.linears, block_ratios, strict=True)
            if linear.parameter.requires_grad
        }
        v_sgd, v_act, v_w = self.core.report()
        return {
            "s": self.core.s(),
            "rho": plan.sample_keep_ratio(),
            "nu": nu,
            "v_sgd": v_sgd,
            "v_act": v_act,
            "v_w": v_w,
            "flops": dict(self._flops),
            "adaptations": self.adaptations,
        }
