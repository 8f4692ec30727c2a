"""The peer that stands for the published method: the stock gradient when all is kept, and unbiased when not."""

import pytest
import torch
import transformers

BATCH, TOKENS, CLASSES = 4, 6, 3
DRAWS = 400
# Of |mean / standard error| of one of 40 projections. Normal means exceed it with probability 2e-9, all together with less
# than 1e-7; the seed is fixed besides.
BOUND = 6
ROUNDING = 1e-9  # of a float64 gradient relative to its size
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def skipping(benchmark_module):
    return benchmark_module("per_linear_skipping", "end_to_end")


class TinyBert:
    """A float64 classifier without dropout, and a padded batch. What is differentiated is the loss of one forward pass."""

    def __init__(self, make_skipping=None):
        torch.manual_seed(1)
        config = transformers.BertConfig(vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                                         intermediate_size=64, max_position_embeddings=16, num_labels=CLASSES,
                                         initializer_range=0.2)
        model = transformers.BertForSequenceClassification(config).double().eval()
        tokens = torch.randint(50, (BATCH, TOKENS))
        mask = (torch.arange(TOKENS) < torch.tensor([[6], [4], [3], [6]])).long()
        self.parameters = dict(model.named_parameters())
        self.skipping = make_skipping(model) if make_skipping else None
        self._loss = model(input_ids=tokens, attention_mask=mask, labels=torch.arange(BATCH) % CLASSES).loss

    def gradient(self):
        return torch.autograd.grad(self._loss, list(self.parameters.values()), retain_graph=True)


def sampled(skipping, sample, row):
    bert = TinyBert(skipping.PerLinearSkipping)
    names = [name for name in bert.parameters if name.endswith("weight")]
    bert.skipping.set_keep_ratios(skipping.KeepRatios([sample, sample], dict.fromkeys(names, row)))
    return bert


def worst_deviation(bert):
    """Largest |mean / standard error|, over the parameters, of the gradient's error projected on the exact gradient.
    (Key biases are left out: their gradient is zero but for rounding.)"""
    exact = TinyBert().gradient()
    chosen = [i for i, name in enumerate(bert.parameters) if not name.endswith("key.bias")]
    errors = torch.empty(DRAWS, len(chosen), dtype=torch.float64)
    for draw in range(DRAWS):
        gradient = bert.gradient()
        errors[draw] = torch.stack([((gradient[i] - exact[i]) * exact[i]).sum() / exact[i].square().sum() for i in chosen])
    varying = errors.std(0) > ROUNDING
    assert varying.sum() >= 12, "the weights of six linears in two blocks"
    assert errors[:, ~varying].abs().max() < ROUNDING
    return (errors.mean(0) / errors.std(0) * DRAWS**0.5)[varying].abs().max()


def test_probabilities_sum_to_the_count_and_saturate_in_turn(skipping):
    p = skipping.inclusion_probabilities(torch.tensor([1.0, 100.0, 3.0, 0.0, 4.0, 2.0]), 3)
    assert p.tolist() == pytest.approx([0.2, 1.0, 0.6, 0.0, 0.8, 0.4])


def test_fewer_positive_weights_than_the_count_are_kept_for_certain(skipping):
    assert skipping.inclusion_probabilities(torch.tensor([0.0, 0.3, 7.0]), 3).tolist() == [0, 1, 1]
    assert skipping.inclusion_probabilities(torch.zeros(3), 2).tolist() == [0, 0, 0]


def test_keeping_everything_gives_the_stock_gradient(skipping):
    bert, stock = sampled(skipping, 1.0, 1.0), TinyBert()
    for name, ours, theirs in zip(bert.parameters, bert.gradient(), stock.gradient()):
        # float64 sums in another order.
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-14, msg=name)


@pytest.mark.parametrize(("sample", "row"), [(0.5, 1.0), (1.0, 0.5), (0.75, 0.5)])
def test_the_sampled_gradient_is_unbiased(skipping, sample, row):
    bert = sampled(skipping, sample, row)
    torch.manual_seed(2)
    assert worst_deviation(bert) < BOUND


@pytest.mark.parametrize(("sample", "row"), [(0.5, 1.0), (1.0, 0.5)])
def test_without_the_division_by_p_it_is_not(skipping, sample, row, monkeypatch):
    monkeypatch.setattr(skipping, "inverse", torch.ones_like)
    bert = sampled(skipping, sample, row)
    torch.manual_seed(2)
    assert worst_deviation(bert) > BOUND


def test_linears_compute_on_the_kept_samples_alone_and_a_dropped_one_stays_dropped(skipping, monkeypatch):
    rows, real = [], skipping.sampled_weight_gradient
    monkeypatch.setattr(skipping, "sampled_weight_gradient",
                        lambda gradient, inputs, ratio: (rows.append(len(gradient)), real(gradient, inputs, ratio))[1])
    bert = sampled(skipping, 0.5, 1.0)
    torch.manual_seed(2)
    for _ in range(20):
        rows.clear()
        bert.gradient()
        lower, upper = (set(block.kept.tolist()) for block in bert.skipping._blocks)
        assert lower <= upper
        assert rows == [len(upper) * TOKENS] * 6 + [len(lower) * TOKENS] * 6
