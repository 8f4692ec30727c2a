"""The published method on stock operators, as a peer: sampling that only nn.Linear's backward makes use of.

SampleA at the output of every encoder block writes zeros over the gradient of the samples that it drops and divides
that of the others by their inclusion probability. Tensors keep their shapes, so that attention, LayerNorm, GELU and
dropout of the blocks run over those zeros as over any gradient. A linear computes its input's gradient on the kept
samples and scatters it into zeros, its weight's on rows drawn by leverage score, its bias' on all of the kept rows.
Draws are Bernoulli, and rows without gradient (padding) do not count. docs/ALGORITHM.md has the formulas.
"""

import typing

import torch
from torch import nn


class KeepRatios(typing.NamedTuple):
    """What to keep: rho by block, block nearest the input first, and nu by the name of a weight."""

    sample: list[float]
    row: dict[str, float]


def inclusion_probabilities(weights, count):
    """p_i = min(1, c·weights_i) with Σ p_i = count; 1 for every positive weight where there are no more than count.

    weights: [n], non-negative. Returns [n] float64.
    """
    weights = weights.double()
    positive = weights > 0
    if count >= int(positive.sum()):
        return positive.double()
    ordered, order = weights.sort(descending=True)
    tail = ordered.flip(0).cumsum(0).flip(0)
    left = count - torch.arange(len(weights), dtype=torch.float64)
    saturated = int((ordered * left <= tail).int().argmax())  # the first that c·w does not lift over 1
    probabilities = torch.ones_like(weights)
    probabilities[order[saturated:]] = (ordered[saturated:] * left[saturated] / tail[saturated]).clamp(max=1)
    return probabilities


def count_from_ratio(ratio, total):
    return max(1, round(ratio * total))


def draw(probabilities):
    """Indices of the entries that a Bernoulli draw keeps, and what each is multiplied with."""
    kept = (torch.rand_like(probabilities) < probabilities).nonzero().flatten()
    return kept, inverse(probabilities[kept])


def inverse(probabilities):
    return 1 / probabilities


class Block:
    """What the linears of an encoder block have to know of its SampleA in the same backward pass."""

    def __init__(self):
        self.sample_keep_ratio = 1.0
        self.kept = None  # indices of samples


class SampleA(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden, block):
        ctx.block = block
        return hidden.view_as(hidden)

    @staticmethod
    def backward(ctx, gradient):
        norms = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
        count = count_from_ratio(ctx.block.sample_keep_ratio, len(norms))
        ctx.block.kept, scales = draw(inclusion_probabilities(norms, count))
        by_sample = torch.zeros_like(norms).index_copy_(0, ctx.block.kept, scales.to(norms.dtype))
        return gradient * by_sample.view(-1, *[1] * (gradient.dim() - 1)), None


class SkippingLinearFunction(torch.autograd.Function):
    """Of an input [N, T, in] whose gradient is zero in all samples but the block's kept ones."""

    @staticmethod
    def forward(ctx, inputs, weight, bias, module):
        ctx.save_for_backward(inputs, weight)
        ctx.module = module
        return nn.functional.linear(inputs, weight, bias)

    @staticmethod
    def backward(ctx, gradient):
        inputs, weight = ctx.saved_tensors
        kept = ctx.module.block.kept
        gradient_rows = gradient.index_select(0, kept).flatten(0, 1)
        input_gradient = None
        if ctx.needs_input_grad[0]:
            of_kept = (gradient_rows @ weight).view(len(kept), *inputs.shape[1:])
            input_gradient = torch.zeros_like(inputs).index_copy_(0, kept, of_kept)
        input_rows = inputs.index_select(0, kept).flatten(0, 1)
        weight_gradient = sampled_weight_gradient(gradient_rows, input_rows, ctx.module.row_keep_ratio)
        return input_gradient, weight_gradient, gradient_rows.sum(0), None


def sampled_weight_gradient(gradient_rows, input_rows, row_keep_ratio):
    """Σ dZ_rᵀ X_r over rows drawn by leverage score ‖dZ_r‖·‖X_r‖, each divided by its probability."""
    if row_keep_ratio < 1:
        scores = gradient_rows.norm(dim=1) * input_rows.norm(dim=1)
        count = count_from_ratio(row_keep_ratio, int(scores.count_nonzero()))
        rows, scales = draw(inclusion_probabilities(scores, count))
        gradient_rows = gradient_rows[rows] * scales.to(gradient_rows.dtype).unsqueeze(1)
        input_rows = input_rows[rows]
    return gradient_rows.t() @ input_rows


class SkippingLinear(nn.Module):
    """A linear of a block, with the parameters of the one whose place it takes."""

    def __init__(self, linear, block):
        super().__init__()
        self.weight, self.bias, self.block = linear.weight, linear.bias, block
        self.row_keep_ratio = 1.0

    def forward(self, inputs):
        return SkippingLinearFunction.apply(inputs, self.weight, self.bias, self)


class PerLinearSkipping:
    """Gives a BERT of transformers the backward pass above; its forward pass stays the same. Keeps all at first."""

    def __init__(self, model):
        self._blocks, self._linears = [], {}
        for layer in model.base_model.encoder.layer:
            block = Block()
            self._blocks.append(block)
            for name, module in list(layer.named_modules()):
                if isinstance(module, nn.Linear):
                    layer.set_submodule(name, SkippingLinear(module, block))
            layer.register_forward_hook(lambda _layer, _inputs, output, block=block: SampleA.apply(output, block))
        self._linears = {f"{name}.weight": module for name, module in model.named_modules()
                         if isinstance(module, SkippingLinear)}

    def set_keep_ratios(self, ratios):
        for block, ratio in zip(self._blocks, ratios.sample, strict=True):
            block.sample_keep_ratio = ratio
        for name, module in self._linears.items():
            module.row_keep_ratio = ratios.row[name]
