"""Sampled gradients of attached models: right on average, and measured as the controller expects."""

import pytest
import small_models as small
import torch
import vcas
from torch import nn
from vcas.attach.attachment import attachment_of

# 20 projections of the gradient, each with a mean of 400 draws. A mean of 400 independent draws is normal but for its
# tails; 7 standard errors have a normal tail of 2.6e-12, which leaves a factor of 1e4 for skew below 1e-6 in all.
DRAWS, PROJECTIONS, LIMIT = 400, 20, 7.0


def projections_of_sampled_gradients(model, loss_of, keep, rows_kept):
    """Projections [draws, projections] of sampled gradients, and of the exact one [projections]."""
    vcas_attachment = attachment_of(model)
    controller = vcas_attachment.controller
    parameters = [p for p in model.parameters() if p.requires_grad]
    generator = torch.Generator().manual_seed(5)
    directions = [torch.randn((PROJECTIONS, *p.shape), generator=generator) for p in parameters]

    def project(values):
        pairs = zip(values, directions, strict=True)
        return sum((v * d).flatten(1).sum(1).double() for v, d in pairs if v is not None)

    blocks = len(vcas_attachment.layout)
    rho = [keep] * blocks
    nu = [[rows_kept] * len(block.weights) for block in vcas_attachment.layout]
    found = []
    for micro_batch in range(DRAWS // 200):
        controller.micro_batch = micro_batch
        with controller.record():
            loss = loss_of()
        recording, controller.recording = controller.recording, None
        for draw in range(200):
            recording.write(torch.classes.vcas.SamplingPlan(rho, nu, "fixed", draw))
            found.append(project(torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)))
    recording.write(torch.classes.vcas.SamplingPlan([], [], "fixed", 0))
    exact = project(torch.autograd.grad(loss, parameters, allow_unused=True))
    return torch.stack(found), exact


def assert_unbiased(found, exact):
    errors = found.std(0) / DRAWS**0.5
    assert (errors > 1e-6 * exact.abs()).all(), "nothing was sampled"
    assert ((found.mean(0) - exact).abs() <= LIMIT * errors).all()
    # What the bound can see: gradients a third too large.
    assert ((found.mean(0) * 4 / 3 - exact).abs() > LIMIT * errors).any()


@pytest.mark.parametrize("name", ["bert", "gpt2", "vit", "distilbert"])
def test_sampled_gradients_of_a_fused_model_are_unbiased(name):
    model, inputs = small.make(small.CLASSIFIERS[name], name), small.batch(name, samples=8)
    vcas.attach(model, verbose=False)
    vcas.Controller(model)
    assert_unbiased(*projections_of_sampled_gradients(model, lambda: model(**inputs).loss, 0.75, 0.6))


class Block(nn.Module):
    """A block of no known architecture, with dropout of its own random numbers when it trains."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, scale=None):
        hidden = self.dropout(torch.relu(self.up(self.norm(x))))
        return x + self.down(hidden) * (1 if scale is None else scale)


class Stack(nn.Module):
    """Blocks between a linear and a mean over positions."""

    def __init__(self, dropout: float = 0.0, blocks: int = 3) -> None:
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.blocks = nn.ModuleList(Block(dropout) for _ in range(blocks))
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        scale = torch.linspace(0.5, 1.5, x.shape[0]).view(-1, 1, 1)
        hidden = self.first(x)
        for block in self.blocks:
            hidden = block(hidden, scale=scale)
        return self.head(hidden.mean(1))


def stack_problem(dropout=0.0, samples=8, dtype=torch.float32):
    torch.manual_seed(0)
    model = Stack(dropout).to(dtype)
    x, y = torch.randn(samples, 5, 4, dtype=dtype), torch.randint(3, (samples,))
    return model, lambda: nn.functional.cross_entropy(model(x), y)


def test_sampled_gradients_of_any_module_are_unbiased():
    model, loss_of = stack_problem()
    vcas.attach(model, block_class=Block, verbose=False)
    vcas.Controller(model)
    assert_unbiased(*projections_of_sampled_gradients(model, loss_of, 0.75, 0.6))


def test_any_module_computes_the_same_gradients_when_nothing_is_sampled():
    model, loss_of = stack_problem()
    loss_of().backward()
    expected = small.gradients(model)
    attachment = vcas.attach(model, block_class=Block, verbose=False)
    assert not attachment.fused
    controller = vcas.Controller(model)
    for full_size in (True, False):
        model.zero_grad()
        controller.step(loss_of, full_size=full_size)
        small.assert_close(small.gradients(model), expected)


def test_dropout_of_any_module_is_the_same_when_kept_samples_run_again():
    model, loss_of = stack_problem(dropout=0.5, dtype=torch.float64)
    vcas.attach(model, block_class=Block, verbose=False)
    controller = vcas.Controller(model)
    with controller.record():
        torch.manual_seed(3)
        loss = loss_of()
    parameters = list(model.parameters())
    results = []
    recording = controller.recording
    recording.write(torch.classes.vcas.SamplingPlan([], [], "fixed", 0))
    for _ in range(2):
        torch.rand(1)  # a generator that has moved on changes nothing
        results.append(torch.autograd.grad(loss, parameters, retain_graph=True))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    # The gradient is that of the function which the forward pass computed.
    weight, direction = model.blocks[1].up.weight, torch.randn(16, 8, dtype=torch.float64)
    slope = (results[0][parameters_index(model, "blocks.1.up.weight")] * direction).sum()
    losses = []
    for step in (1e-5, -1e-5):
        with torch.no_grad():
            weight.add_(direction, alpha=step)
        with controller.record():
            torch.manual_seed(3)
            losses.append(loss_of().item())
        with torch.no_grad():
            weight.sub_(direction, alpha=step)
    assert abs((losses[0] - losses[1]) / 2e-5 - slope.item()) < 1e-6 * abs(slope.item())


def parameters_index(model, name):
    return [n for n, _ in model.named_parameters()].index(name)


def test_a_block_that_draws_its_own_random_numbers_is_refused():
    class Noisy(Block):
        def forward(self, x, scale=None):
            return super().forward(x) + torch.randn_like(x)

    model, loss_of = stack_problem()
    model.blocks[1].__class__ = Noisy
    vcas.attach(model, block_class=Block, verbose=False)
    controller = vcas.Controller(model)
    with pytest.raises(vcas.VcasError, match="randn_like, whose random numbers"):
        controller.step(loss_of)


def test_frozen_weights_cost_nothing():
    performed = []
    for frozen in (False, True):
        model, inputs = small.make(small.CLASSIFIERS["bert"], "bert"), small.batch("bert")
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(not frozen or not name.endswith("dense.weight"))
        vcas.attach(model, verbose=False)
        controller = vcas.Controller(model)
        controller.step(lambda: model(**inputs).loss, full_size=False)  # noqa: B023
        performed.append(controller.metrics()["flops"])
        trained = controller.metrics()["nu"]
        assert any("output.dense" in name for name in trained) != frozen
    rows, samples = int(inputs["attention_mask"].sum()), len(inputs["labels"])
    size = small.HIDDEN * (small.HIDDEN + 2 * small.INTERMEDIATE)
    saved = 2 * size * (rows * (small.LAYERS - 1) + samples) + 2 * samples * small.HIDDEN**2  # and the pooler's
    assert performed[0]["performed"] - performed[1]["performed"] == saved
    assert performed[0]["exact"] - performed[1]["exact"] == saved


def test_frozen_lower_blocks_have_no_backward_pass():
    model, inputs = small.make(small.CLASSIFIERS["bert"], "bert"), small.batch("bert")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("layer.2" in name or not name.startswith("bert.e"))
    vcas.attach(model, verbose=False)
    controller = vcas.Controller(model, vcas.SamplingOptions(cal_var_freq=2))
    with controller.record():
        loss = model(**inputs).loss
    assert [record.flops is None for record in controller.recording.blocks.values()] == [True, True, False]
    controller.backward(loss)
    controller.step(lambda: model(**inputs).loss)
    assert controller.metrics()["adaptations"] == 1


def test_frozen_lower_blocks_of_any_module_adapt_and_have_no_backward_pass():
    rows = 8 * 5
    product = 2 * rows * 8 * 16  # of one linear of a block
    spent = []
    for frozen in (0, 2):
        model, loss_of = stack_problem()
        for part in [model.first, *model.blocks][: frozen + 1 if frozen else 0]:
            part.requires_grad_(False)
        vcas.attach(model, block_class=Block, verbose=False)
        controller = vcas.Controller(model, vcas.SamplingOptions(cal_var_freq=2))
        controller.step(loss_of, full_size=False)
        flops = controller.metrics()["flops"]
        assert flops["performed"] - flops["exact"] == (3 - frozen) * 2 * product, "the forward pass once more"
        spent.append(flops["exact"])
        for _ in range(2):
            controller.step(loss_of)
        assert controller.metrics()["adaptations"] == 1
    # Gradients of weights and inputs of two blocks, and of the first linear's weight.
    assert spent[0] - spent[1] == 2 * 2 * 2 * product + 2 * rows * 4 * 8
