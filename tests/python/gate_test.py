"""The benefit gate in Python: what would not pay is computed exactly, from costs that are measured, shipped or saved."""

import pytest
import small_models as small
import torch
import transformers as hf
import vcas
from torch import nn

LAST = 30
OPTIONS = dict(cal_var_freq=8, act_var_tau=0.2, w_var_tau=0.2)
KEY = f"transformer_layer {small.HIDDEN}x{small.INTERMEDIATE}"


def table(draw, key=KEY, weights=6):
    """Costs of a draw beside a microsecond a row, for the numbers of threads that a test may run on."""

    def entry(threads):
        return {
            "block": key,
            "device": "cpu",
            "dtype": "float32",
            "threads": threads,
            "backward": {"row": 1e-6, "draw": draw, "batch_row": 0.0},
            "weight_gradients": [{"row": 1e-6, "draw": draw, "scored_row": 0.0}] * weights,
        }

    return {"entries": [entry(threads) for threads in sorted({1, torch.get_num_threads()})]}


UNPAYING, PAYING = table(1.0), table(0.0)


def trained(steps, costs=None, model=None, controller=None, first=0, **options):
    """Losses and weights of some steps, and the controller; step LAST adapts nothing."""
    if model is None:
        model = small.make(hf.BertForSequenceClassification, "bert")
        vcas.attach(model, verbose=False)
        controller = vcas.Controller(model, vcas.SamplingOptions(**{**OPTIONS, **options}), costs=costs)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    for step in range(first, first + steps):
        inputs = small.batch("bert", samples=24, seed=step)
        inputs["labels"] = inputs["input_ids"][:, 0] % 5
        full_size = step != LAST
        losses.append(controller.step(lambda: model(**inputs).loss, full_size=full_size).item())  # noqa: B023
        optimizer.step()
        optimizer.zero_grad()
    return losses, [p.detach().clone() for p in model.parameters()], controller


def is_sampled(controller):
    """Whether the plan that the gate lets through leaves anything out, of the last batch's shape."""
    flops = controller.metrics()["flops"]
    inputs = small.batch("bert", samples=24)
    controller.step(lambda: controller.model(**inputs).loss, full_size=False)
    after = controller.metrics()["flops"]
    return after["performed"] - flops["performed"] < after["exact"] - flops["exact"]


def test_nothing_is_sampled_where_nothing_pays_and_what_was_left_out_is_named():
    *_, controller = trained(LAST + 1, UNPAYING)
    metrics = controller.metrics()
    assert metrics["adaptations"] >= 2
    assert min(metrics["rho"]) < 1 or min(metrics["nu"].values()) < 1
    assert not is_sampled(controller)
    gated = controller.metrics()["gated"]
    assert set(gated["blocks"]) == {f"bert.encoder.layer.{i}" for i in range(small.LAYERS) if metrics["rho"][i] < 0.97}
    assert gated["weights"]
    assert set(gated["weights"]) <= set(metrics["nu"])


def test_all_is_sampled_where_all_pays():
    *_, controller = trained(LAST + 1, PAYING)
    assert is_sampled(controller)
    assert controller.metrics()["gated"] == {"blocks": [], "weights": []}


def test_without_the_gate_a_run_has_the_bits_of_one_without_costs():
    plain, off = trained(LAST + 1), trained(LAST + 1, UNPAYING, benefit_gate=False)
    assert plain[0] == off[0]
    assert all(torch.equal(a, b) for a, b in zip(plain[1], off[1], strict=True))
    assert plain[2].metrics() == off[2].metrics()
    assert plain[2].metrics()["gated"] is None
    assert trained(LAST + 1, UNPAYING)[0] != plain[0]


def test_a_resumed_run_goes_on_with_the_costs_of_its_state():
    whole, weights, _ = trained(LAST + 1, UNPAYING)
    stop = 20
    first, _, controller = trained(stop, UNPAYING)
    state, model = controller.state_dict(), controller.model
    vcas.detach(model)
    attachment = vcas.attach(model, verbose=False)
    controller = vcas.Controller(model, vcas.SamplingOptions(**OPTIONS))
    assert "unknown: not gated" in attachment.table()
    controller.load_state_dict(state)
    assert "saved" in attachment.table()
    assert "unknown" not in attachment.table()
    rest, resumed, _ = trained(LAST + 1 - stop, model=model, controller=controller, first=stop)
    assert first + rest == whole
    assert all(torch.equal(a, b) for a, b in zip(weights, resumed, strict=True))


def test_the_table_says_where_costs_come_from():
    shapes = {"hidden_size": 384, "intermediate_size": 1536, "num_attention_heads": 12}
    model = hf.BertForSequenceClassification(hf.BertConfig(**{**small.BERT_LIKE, **shapes, "num_hidden_layers": 1}))
    assert "  shipped\n" in vcas.attach(model, verbose=False).table()
    vcas.detach(model)
    model = small.make(hf.BertForSequenceClassification, "bert")
    attachment = vcas.attach(model, verbose=False)
    assert attachment.table().count("unknown: not gated") == small.LAYERS
    vcas.Controller(model, costs=PAYING)
    assert attachment.table().count("  measured\n") == small.LAYERS


def test_two_generic_blocks_are_ungated_and_the_table_says_so():
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    attachment = vcas.attach(nn.Sequential(model), block_class=nn.Linear, verbose=False)
    assert attachment.table().count("unknown: not gated") == 2


def test_a_gate_that_is_off_is_said_so():
    model = small.make(hf.BertForSequenceClassification, "bert")
    attachment = vcas.attach(model, vcas.SamplingOptions(benefit_gate=False), verbose=False)
    assert attachment.table().count("not read: gate off") == small.LAYERS


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        (table(-1.0), r"entries\[0\].backward.draw: expected a number >= 0, got -1"),
        ({"entries": 1}, "entries: expected a list, got 1"),
        (table(0.0, weights=5), "benefit gate: expected costs of 6 weights of bert.encoder.layer.0, got 5"),
    ],
)
def test_what_is_no_table_is_named(costs, message):
    model = small.make(hf.BertForSequenceClassification, "bert")
    vcas.attach(model, verbose=False)
    with pytest.raises(vcas.VcasError, match=message):
        vcas.Controller(model, costs=costs)
