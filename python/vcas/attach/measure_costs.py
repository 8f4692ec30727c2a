"""measure_costs(): times on this machine what sampling costs and saves in the blocks of an attached model."""

import functools
import platform
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from vcas.attach.attachment import Attachment, attachment_of
from vcas.attach.fused import cost_trial as fused
from vcas.attach.generic import cost_trial as generic
from vcas.attach.timing import Trial, backward_cost, weight_gradient_cost
from vcas.control.costs import BackwardCost, BlockCost, CostTable, WeightGradientCost, read_cached, write_cached
from vcas.control.plan import write_ratios
from vcas.control.recording import Recording
from vcas.control.sampled_model import SampledBlock
from vcas.errors import VcasError

_WEIGHT_ROWS = (64, 1024)
"""Of the two batches that the costs of a weight are read from."""


def measure_costs(
    model: nn.Module,
    forward: Callable[[], object] | None = None,
    *,
    dtype: torch.dtype | None = None,
    seconds: float = 20.0,
    use_cache: bool = True,
) -> CostTable:
    """Measures on this machine what sampling costs and saves in each kind of block of an attached model.

    Results are kept in ``~/.cache/vcas`` (or ``$XDG_CACHE_HOME/vcas``) and found again for blocks of the same shapes,
    the same device, dtype and number of threads. The model stays as it is.

    Args:
        model: attached by attach().
        forward: runs the model once on a typical batch; only generic blocks need it.
        dtype: of products, where training runs under autocast; default: that of the parameters.
        seconds: how long measuring takes, about.
        use_cache: read and write the cache.

    Returns:
        The costs, which can be saved as JSON. Nothing reads them yet: neither the Controller nor
        ``vcas train --cost_table``.

    Raises:
        VcasError: when the model is not attached, or forward is missing or does not run all blocks.
    """
    attachment = attachment_of(model)
    if attachment is None:
        raise VcasError(f"{type(model).__name__} is not attached")
    parameter = next(iter(next(iter(attachment.blocks.values())).parameters()))
    dtype = dtype or parameter.dtype
    measured = _Measuring(attachment, forward, dtype, parameter.device)
    key = measured.cache_key()
    found = read_cached(key) if use_cache else None
    if found is not None:
        return found
    with torch.random.fork_rng():
        table = measured.table(seconds)
    if use_cache:
        try:
            write_cached(key, table)
        except OSError as error:
            warnings.warn(f"vcas: costs are not kept: {error}", stacklevel=2)
    return table


class _Measuring:
    def __init__(
        self,
        attachment: Attachment,
        forward: Callable[[], object] | None,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self._attachment, self._forward, self._dtype, self._device = attachment, forward, dtype, device
        self._kinds: dict[str, int] = {}
        for index, sampled in enumerate(attachment.layout):
            self._kinds.setdefault(sampled.cost_key, index)

    def cache_key(self) -> dict[str, object]:
        """All that costs depend on."""
        return {
            "vcas": str(torch.ops.vcas.version()),
            "blocks": list(self._kinds),
            "device": _device_name(self._device),
            "dtype": str(self._dtype),
            "threads": torch.get_num_threads(),
        }

    def table(self, seconds: float) -> CostTable:
        layout = [self._attachment.layout[index] for index in self._kinds.values()]
        shapes = {_shape(weight.parameter, weight.columns) for sampled in layout for weight in sampled.weights}
        share = seconds / (len(layout) + len(shapes))
        of_shape = {shape: self._weight_cost(shape, share) for shape in sorted(shapes)}
        backward = self._backward_costs(share)
        return {"entries": [self._entry(*pair, of_shape) for pair in zip(layout, backward, strict=True)]}

    def _entry(
        self, sampled: SampledBlock, backward: BackwardCost, of_shape: dict[tuple[int, int], WeightGradientCost]
    ) -> BlockCost:
        return {
            "block": sampled.cost_key,
            "device": self._device.type,
            "dtype": str(self._dtype).removeprefix("torch."),
            "threads": torch.get_num_threads(),
            "backward": backward,
            "weight_gradients": [of_shape[_shape(w.parameter, w.columns)] for w in sampled.weights],
        }

    def _backward_costs(self, seconds: float) -> list[BackwardCost]:
        """By kind of block."""
        attachment, indices = self._attachment, list(self._kinds.values())
        if attachment.fused:
            trials = [fused.FusedTrial(attachment.fused_layers[index], self._dtype) for index in indices]
            return [backward_cost(t.make, fused.SAMPLES, fused.ROWS, seconds, self._device) for t in trials]
        if self._forward is None:
            raise VcasError(
                "measure_costs: expected forward, a function that runs the model, because its blocks are generic"
            )
        blocks = [list(attachment.blocks.items())[index] for index in indices]
        arguments = generic.arguments_of([block for _, block in blocks], self._forward)
        costs = []
        for (name, block), given in zip(blocks, arguments, strict=True):
            trial = generic.GenericTrial(block, name, given, self._dtype)
            costs.append(backward_cost(trial.make, trial.samples, trial.rows, seconds, self._device))
        return costs

    def _weight_cost(self, shape: tuple[int, int], seconds: float) -> WeightGradientCost:
        make = functools.partial(_weight_trial, shape, self._dtype, self._device)
        return weight_gradient_cost(make, _WEIGHT_ROWS, seconds, self._device)


def _weight_trial(
    shape: tuple[int, int], dtype: torch.dtype, device: torch.device, rows: int, leaves_one_out: bool
) -> Trial:
    """The gradient of a weight [out, in] of random numbers."""
    generator = torch.Generator(device).manual_seed(0)
    weight = torch.randn(shape, device=device, dtype=dtype, generator=generator).requires_grad_()
    x = torch.randn(rows, shape[1], device=device, dtype=dtype, generator=generator)
    arriving = torch.randn(rows, shape[0], device=device, dtype=dtype, generator=generator)
    recording = Recording((0, 0, 0), sampled=True, wants_statistics=False)
    record = recording.add(0, rows, [rows], rows, device, has_backward=True)
    write_ratios(recording.write, 1.0, 1, (rows - 1) / rows if leaves_one_out else 1.0)
    with torch.enable_grad(), torch.autocast(device.type, enabled=False):
        output = torch.ops.vcas.linear(x, weight, None, record.plan, None, None, 0)
    return functools.partial(torch.autograd.grad, output, [weight], arriving, retain_graph=True)


def _shape(parameter: nn.Parameter, columns: tuple[int, int] | None) -> tuple[int, int]:
    """Outputs and inputs of a weight."""
    if columns is None:
        return parameter.shape[0], parameter.shape[1]
    return columns[1] - columns[0], parameter.shape[0]


def _device_name(device: torch.device) -> str:
    """The processor's model, as far as the system tells: a home folder may be that of several machines."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())
