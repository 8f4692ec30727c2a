"""Backward passes of a fused block on random rows, to be timed."""

import dataclasses
import functools

import torch

from vcas.attach.fused import operator
from vcas.attach.fused.operator import FusedLayer
from vcas.attach.timing import Trial
from vcas.control.plan import write_ratios
from vcas.control.recording import Recording

SAMPLES = (4, 64)
"""Of a small and of a large batch."""
ROWS = 16
"""Of a sample."""


class FusedTrial:
    """Makes the trials of a block, whose weights need no gradients."""

    def __init__(self, layer: FusedLayer, dtype: torch.dtype) -> None:
        parameters = [parameter.detach() for parameter in layer.parameters()]
        self._layer, self._dtype = dataclasses.replace(layer, parameters=lambda: parameters), dtype
        self._like = parameters[0]
        self._hidden = operator.weights(layer)[0].shape[1]

    def make(self, samples: int, keeps_half: bool) -> Trial:
        """A backward pass over so many samples of ROWS rows."""
        device, generator = self._like.device, torch.Generator(self._like.device).manual_seed(0)
        shape = (samples * ROWS, self._hidden)
        x = torch.randn(shape, device=device, dtype=self._like.dtype, generator=generator).requires_grad_()
        work = operator.work_of(self._layer, torch.arange(samples + 1) * ROWS)
        recording = Recording((0, 0), sampled=True, wants_statistics=False)
        record = recording.add(0, operator.weight_offsets(work), samples * ROWS, device, has_backward=True)
        write_ratios(recording.write, 0.5 if keeps_half else 1.0, len(record.weight_rows))
        with torch.enable_grad(), torch.autocast(device.type, self._dtype, enabled=self._dtype != x.dtype):
            output = operator.run(self._layer, x, work, operator.rng_tensor(recording.key(0)), record)
        arriving = torch.randn(shape, device=device, dtype=output.dtype, generator=generator)
        return functools.partial(torch.autograd.grad, output, [x], arriving, retain_graph=True)
