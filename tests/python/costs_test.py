"""measure_costs(): what it measures, its table, and its cache."""

import json

import pytest
import small_models as small
import torch
import transformers as hf
import vcas
from torch import nn
from vcas.attach.timing import Line
from vcas.control.costs import cache_file, read_cached, write_cached


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "vcas"


class Block(nn.Module):
    """Two linears and a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(32), nn.Linear(32, 128), nn.Linear(128, 32)

    def forward(self, x, scale=None):
        return x + self.down(torch.relu(self.up(self.norm(x)))) * (1 if scale is None else scale)


class Stack(nn.Module):
    """Blocks with an argument that has a value a sample."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(), Block()])

    def forward(self, x):
        scale = torch.linspace(0.5, 1.5, x.shape[0]).view(-1, 1, 1)
        for block in self.blocks:
            x = block(x, scale=scale)
        return x


def fused_model():
    model = small.make(hf.BertForSequenceClassification, "bert", dropout=0.1)
    vcas.attach(model, verbose=False)
    return model


def generic_model():
    """A batch so large that no noise makes twice the rows look cheaper."""
    torch.manual_seed(0)
    model = Stack()
    vcas.attach(model, block_class=Block, verbose=False)
    return model, lambda: model(torch.randn(64, 40, 32))


def assert_costs(entry, weights):
    assert set(entry) == {"block", "device", "dtype", "threads", "backward", "weight_gradients"}
    assert set(entry["backward"]) == {"row", "draw", "batch_row"}
    assert len(entry["weight_gradients"]) == weights
    assert all(set(costs) == {"row", "draw", "scored_row"} for costs in entry["weight_gradients"])
    for costs in [entry["backward"], *entry["weight_gradients"]]:
        assert all(0 <= seconds < 0.1 for seconds in costs.values())


def test_blocks_of_one_kind_have_one_entry():
    table = vcas.measure_costs(fused_model(), seconds=0.1)
    (entry,) = table["entries"]
    assert entry["block"] == f"transformer_layer {small.HIDDEN}x{small.INTERMEDIATE}"
    assert (entry["device"], entry["dtype"], entry["threads"]) == ("cpu", "float32", torch.get_num_threads())
    assert_costs(entry, weights=6)
    assert entry["backward"]["row"] > 0
    assert json.loads(json.dumps(table)) == table


def test_wider_weights_cost_more():
    """A product of 16 times as many operations, over 1024 rows: no noise turns that round."""
    config = hf.BertConfig(**{**small.BERT_LIKE, "hidden_size": 64, "intermediate_size": 1024})
    model = hf.BertForSequenceClassification(config)
    vcas.attach(model, verbose=False)
    costs = vcas.measure_costs(model, seconds=0.1)["entries"][0]["weight_gradients"]
    assert costs[4]["row"] > costs[0]["row"]


def test_bfloat16_is_measured_apart():
    model = fused_model()
    tables = [vcas.measure_costs(model, dtype=dtype, seconds=0.1) for dtype in (torch.float32, torch.bfloat16)]
    assert [table["entries"][0]["dtype"] for table in tables] == ["float32", "bfloat16"]
    assert_costs(tables[1]["entries"][0], weights=6)


def test_generic_blocks_are_measured_on_a_batch_of_the_model():
    model, forward = generic_model()
    (entry,) = vcas.measure_costs(model, forward, seconds=0.1)["entries"]
    assert entry["block"].split(" ", 1)[1] == "32 32 128x32 128 32x128 32"
    assert entry["block"].startswith(f"{Block.__module__}.Block")
    assert_costs(entry, weights=2)
    assert entry["backward"]["row"] > 0


def test_generic_blocks_without_a_batch_are_named():
    model, _ = generic_model()
    with pytest.raises(vcas.VcasError, match="expected forward, a function that runs the model"):
        vcas.measure_costs(model, seconds=0.1)


def test_a_batch_that_cannot_be_halved_twice_is_named():
    model, _ = generic_model()
    with pytest.raises(vcas.VcasError, match="expected a batch of at least 8 samples, got 7"):
        vcas.measure_costs(model, lambda: model(torch.randn(7, 10, 32)), seconds=0.1)


def test_a_forward_pass_that_runs_no_blocks_is_named():
    model, _ = generic_model()
    with pytest.raises(vcas.VcasError, match="expected a forward pass through 1 blocks, got 0 of them"):
        vcas.measure_costs(model, lambda: None, seconds=0.1)


def test_a_model_that_is_not_attached_is_named():
    with pytest.raises(vcas.VcasError, match="Stack is not attached"):
        vcas.measure_costs(Stack())


@pytest.mark.parametrize("kind", ["fused", "generic"])
def test_measuring_leaves_the_model_and_the_random_numbers_as_they_were(kind):
    model, forward = (fused_model(), None) if kind == "fused" else generic_model()
    x = torch.randn(16, 10, 32)
    vcas.Controller(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    vcas.measure_costs(model, forward and (lambda: model(x)), seconds=0.1)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_costs_are_measured_once_for_a_shape_and_a_number_of_threads(cache):
    first = vcas.measure_costs(fused_model(), seconds=0.1)
    assert vcas.measure_costs(fused_model(), seconds=0.1) == first
    assert len(list(cache.iterdir())) == 1
    assert vcas.measure_costs(fused_model(), seconds=0.1, use_cache=False) != first
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        other = vcas.measure_costs(fused_model(), seconds=0.1)
    finally:
        torch.set_num_threads(threads)
    assert other["entries"][0]["threads"] == threads + 1
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("content", ["", "[1]", '{"key": "another", "table": {"entries": []}}', '{"key": {"a": 1}}'])
def test_a_cache_that_cannot_be_read_is_none(content):
    key = {"a": 1}
    write_cached(key, {"entries": []})
    assert read_cached(key) == {"entries": []}
    cache_file(key).write_text(content)
    assert read_cached(key) is None


def test_a_folder_that_cannot_be_written_is_warned_of(cache):
    cache.write_text("a file where the folder would be")
    with pytest.warns(UserWarning, match="vcas: costs are not kept"):
        assert vcas.measure_costs(fused_model(), seconds=0.1)["entries"]


def test_a_relative_cache_home_is_ignored(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_file(1).parent == tmp_path / ".cache" / "vcas"


@pytest.mark.parametrize(
    ("small_point", "large_point", "line"),
    [((10, 3.0), (20, 5.0), Line(1.0, 0.2)), ((10, 1.0), (20, 5.0), Line(0.0, 0.4)), ((10, 5.0), (20, 3.0), Line(4.0, 0.0)),
     ((10, -3.0), (20, -5.0), Line(0.0, 0.0))],
)
def test_a_line_has_no_negative_part(small_point, large_point, line):
    assert Line.through(small_point, large_point) == line
