"""attach() changes neither logits nor losses nor gradients, and detach() undoes it."""

import pytest
import small_models as small
import torch
import transformers as hf
import vcas
from vcas.attach.attachment import attachment_of

ALL = sorted(small.CLASSIFIERS)
TEXTS = sorted(small.TOKEN_MODELS)


@pytest.mark.parametrize("side", ["none", "right", "left", "holes"])
@pytest.mark.parametrize("name", ALL)
@pytest.mark.filterwarnings("ignore:vcas. .* runs exactly")
def test_an_attached_classifier_computes_the_same(name, side):
    model, inputs = small.make(small.CLASSIFIERS[name], name), small.batch(name, side=side)
    loss, logits, expected = small.loss_and_gradients(model, inputs)
    attachment = vcas.attach(model, verbose=False)
    assert attachment.fused, attachment.notes
    got_loss, got_logits, got = small.loss_and_gradients(model, inputs)
    torch.testing.assert_close(got_loss, loss, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(got_logits, logits, rtol=1e-5, atol=1e-5)
    small.assert_close(got, expected)


@pytest.mark.parametrize("side", ["right", "left", "holes"])
@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.filterwarnings("error")
def test_token_models_are_packed_whatever_the_padding(name, side):
    model, inputs = small.make(small.TOKEN_MODELS[name], name), small.token_batch(name, side)
    kept = inputs["attention_mask"].bool()
    loss, logits, expected = small.loss_and_gradients(model, inputs)
    vcas.attach(model, verbose=False)
    got_loss, got_logits, got = small.loss_and_gradients(model, inputs)
    torch.testing.assert_close(got_loss, loss, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(got_logits[kept], logits[kept], rtol=1e-5, atol=1e-5)
    small.assert_close(got, expected)


ACTIVATIONS = ["gelu_python", "gelu_new", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh", "relu", "silu", "swish"]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", ["bert", "distilbert", "gpt2"])
def test_every_activation_that_the_operator_knows_computes_the_same(name, activation):
    config = small.configuration(name)
    setattr(config, {"distilbert": "activation", "gpt2": "activation_function"}.get(name, "hidden_act"), activation)
    torch.manual_seed(0)
    model, inputs = small.CLASSIFIERS[name](config).train(), small.batch(name)
    loss, _, expected = small.loss_and_gradients(model, inputs)
    attachment = vcas.attach(model, verbose=False)
    assert attachment.fused, attachment.notes
    got_loss, _, got = small.loss_and_gradients(model, inputs)
    torch.testing.assert_close(got_loss, loss, rtol=1e-5, atol=1e-5)
    small.assert_close(got, expected)


@pytest.mark.parametrize("adapts", [True, False])
@pytest.mark.parametrize("name", ALL)
def test_the_first_steps_of_a_controller_give_exact_gradients(name, adapts):
    model, inputs = small.make(small.CLASSIFIERS[name], name), small.batch(name)
    loss, _, expected = small.loss_and_gradients(model, inputs)
    vcas.attach(model, verbose=False)
    controller = vcas.Controller(model)
    model.zero_grad()
    for _ in range(2):  # gradients accumulate
        got = controller.step(lambda: model(**inputs).loss, loss_scale=0.25, full_size=adapts)
        torch.testing.assert_close(got, loss, rtol=1e-5, atol=1e-5)
    small.assert_close({n: 2 * g for n, g in small.gradients(model).items()}, expected)
    assert controller.metrics()["adaptations"] == int(adapts)


@pytest.mark.parametrize("name", ALL)
def test_detach_restores_the_model(name):
    model, inputs = small.make(small.CLASSIFIERS[name], name), small.batch(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    modules, hooks = list(model.modules()), hook_counts(model)
    attributes = [sorted(m.__dict__) for m in model.modules()]
    vcas.attach(model, verbose=False)
    assert list(model.state_dict()) == list(before)
    small.loss_and_gradients(model, inputs)
    vcas.detach(model)
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], before[key]) for key in before)
    assert [id(m) for m in model.modules()] == [id(m) for m in modules]
    assert hook_counts(model) == hooks
    assert [sorted(m.__dict__) for m in model.modules()] == attributes
    assert attachment_of(model) is None


def hook_counts(model):
    return [(len(m._forward_hooks), len(m._forward_pre_hooks), len(m._forward_hooks_with_kwargs)) for m in model.modules()]


def test_hidden_states_are_right_where_the_mask_keeps_them():
    model, inputs = small.make(hf.BertForTokenClassification, "bert"), small.token_batch("bert")
    kept = inputs["attention_mask"].bool()
    expected = model(**inputs, output_hidden_states=True).hidden_states
    vcas.attach(model, verbose=False)
    got = model(**inputs, output_hidden_states=True).hidden_states
    assert len(got) == len(expected) == small.LAYERS + 1
    for a, b in zip(got, expected):
        torch.testing.assert_close(a[kept], b[kept], rtol=1e-5, atol=1e-5)


def test_attention_probabilities_are_given_by_the_models_own_blocks():
    config = small.configuration("bert")
    config._attn_implementation = "eager"
    model, inputs = hf.BertForSequenceClassification(config).eval(), small.batch("bert")
    expected = model(**inputs, output_attentions=True).attentions
    vcas.attach(model, verbose=False)
    with pytest.warns(UserWarning, match="attention probabilities"):
        got = model(**inputs, output_attentions=True).attentions
    assert len(got) == small.LAYERS
    assert all(torch.equal(a, b) for a, b in zip(got, expected))


def test_a_batch_that_reads_masked_positions_runs_exactly_and_says_so():
    model, inputs = small.make(hf.BertForSequenceClassification, "bert"), small.batch("bert", side="left")
    vcas.attach(model, verbose=False)
    with pytest.warns(UserWarning, match="it reads position 0, which the attention mask leaves out"):
        model(**inputs)


def test_generation_with_a_cache_is_unchanged():
    model = small.make(hf.GPT2LMHeadModel, "gpt2").eval()
    ids = torch.randint(2, small.VOCABULARY, (2, 5))
    expected = model.generate(ids, max_new_tokens=6, do_sample=False, attention_mask=torch.ones_like(ids))
    vcas.attach(model, verbose=False)
    got = model.generate(ids, max_new_tokens=6, do_sample=False, attention_mask=torch.ones_like(ids))
    assert torch.equal(got, expected)


def test_evaluation_of_an_attached_model_is_the_same_under_no_grad_and_inference_mode():
    model, inputs = small.make(hf.BertForSequenceClassification, "bert", dropout=0.1).eval(), small.batch("bert")
    with torch.no_grad():
        expected = model(**inputs).logits
    vcas.attach(model, verbose=False)
    with torch.no_grad():
        torch.testing.assert_close(model(**inputs).logits, expected, rtol=1e-5, atol=1e-5)
    with torch.inference_mode():
        torch.testing.assert_close(model(**inputs).logits, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("fused", [True, False])
def test_gradient_checkpointing_gives_the_same(fused):
    config = small.configuration("bert")
    config.hidden_act = "gelu" if fused else "quick_gelu"
    model, inputs = hf.BertForSequenceClassification(config).train(), small.batch("bert")
    expected = small.loss_and_gradients(model, inputs)[2]
    assert vcas.attach(model, verbose=False).fused == fused
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    controller = vcas.Controller(model)
    for full_size in (True, False):
        model.zero_grad()
        controller.step(lambda: model(**inputs).loss, full_size=full_size)
        small.assert_close(small.gradients(model), expected)
    assert all(block.gradient_checkpointing for block in model.bert.encoder.layer), "as it was set"


def test_a_second_backward_pass_over_a_retained_graph_gives_the_same_again():
    model, inputs = small.make(hf.BertForSequenceClassification, "bert", dropout=0.1), small.batch("bert")
    vcas.attach(model, verbose=False)
    loss = model(**inputs).loss
    loss.backward(retain_graph=True)
    first = small.gradients(model)
    model.zero_grad()
    loss.backward()
    assert all(torch.equal(g, first[n]) for n, g in small.gradients(model).items())


def test_autocast_rounds_products_only():
    model, inputs = small.make(hf.BertForSequenceClassification, "bert"), small.batch("bert")
    expected = small.loss_and_gradients(model, inputs)
    vcas.attach(model, verbose=False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(**inputs).loss
    model.zero_grad()
    loss.backward()
    torch.testing.assert_close(loss.detach().float(), expected[0], rtol=0.05, atol=0.05)
    weight = "bert.encoder.layer.1.output.dense.weight"
    got = small.gradients(model)[weight]
    assert got.dtype == torch.float32
    error = (got - expected[2][weight]).norm() / expected[2][weight].norm()
    assert 1e-6 < error < 0.05, "rounded to 8 bits, and no more"


def test_the_table_names_every_part(capsys):
    vcas.attach(small.make(hf.BertForSequenceClassification, "bert"))
    printed = capsys.readouterr().out
    for part in ("bert.encoder.layer.0", "bert.encoder.layer.2", "bert.embeddings", "bert.pooler", "classifier"):
        assert part in printed
    assert "3 blocks of BertLayer by the fused operator" in printed


@pytest.mark.parametrize(
    ("name", "backend"), [("bert", "aot_eager"), ("gpt2", "aot_eager"), ("vit", "aot_eager"), ("bert", "inductor")]
)
@torch._functorch.config.patch(donated_buffer=False)  # an adaptation goes back several times
def test_compiled_blocks_have_no_graph_break(name, backend):
    torch.compiler.reset()
    if name == "vit":
        model, inputs = small.make(hf.ViTForImageClassification, name), small.batch(name)
    else:
        model, inputs = small.make(small.TOKEN_MODELS[name], name), small.token_batch(name)
    loss, _, expected = small.loss_and_gradients(model, inputs)
    blocks = list(vcas.attach(model, verbose=False).blocks.values())
    for block in blocks:
        block.compile(fullgraph=True, dynamic=True, backend=backend)
    got_loss, _, got = small.loss_and_gradients(model, inputs)
    torch.testing.assert_close(got_loss, loss, rtol=1e-5, atol=1e-5)
    small.assert_close(got, expected)
    controller = vcas.Controller(model)
    for full_size in (True, False):
        model.zero_grad()
        controller.step(lambda: model(**inputs).loss, full_size=full_size)
        small.assert_close(small.gradients(model), expected)


@torch._functorch.config.patch(donated_buffer=False)
@torch._dynamo.config.patch(recompile_limit=16)
def test_blocks_compiled_one_by_one_share_their_code_over_blocks_batches_and_steps():
    torch.compiler.reset()
    config = small.configuration("bert")
    config.num_hidden_layers = 12
    model = hf.BertForTokenClassification(config).train()
    for block in vcas.attach(model, verbose=False).blocks.values():
        block.compile(fullgraph=True, dynamic=True, backend="aot_eager")
    controller = vcas.Controller(model)
    graphs = torch._dynamo.utils.counters["stats"]
    before = graphs["unique_graphs"]
    for full_size in (False, True):
        for samples, positions in ((8, 12), (5, 11), (7, 8), (4, 12)):
            inputs = small.token_batch("bert", samples=samples, positions=positions)
            controller.step(lambda inputs=inputs: model(**inputs).loss, full_size=full_size)
    assert controller.adaptations == 1
    with torch.no_grad():
        model.eval()(**inputs)
    # For the first block, the last, and those between; in an adaptation, in a sampled pass, and in evaluation.
    assert graphs["unique_graphs"] - before <= 9


@torch._functorch.config.patch(donated_buffer=False)
def test_a_compiled_model_gives_the_same_gradients():
    torch.compiler.reset()
    model, inputs = small.make(hf.BertForSequenceClassification, "bert"), small.batch("bert")
    expected = small.loss_and_gradients(model, inputs)[2]
    controller = vcas.Controller(model)
    compiled = torch.compile(model, backend="aot_eager")
    for full_size in (True, False):
        model.zero_grad()
        controller.step(lambda: compiled(**inputs).loss, full_size=full_size)
        small.assert_close(small.gradients(model), expected)


def test_a_compiled_model_that_lets_its_buffers_go_is_named():
    torch.compiler.reset()
    model, inputs = small.make(hf.BertForTokenClassification, "bert"), small.token_batch("bert")
    for block in vcas.attach(model, verbose=False).blocks.values():
        block.compile(backend="aot_eager")
    controller = vcas.Controller(model)
    with pytest.raises(vcas.VcasError, match="expected torch._functorch.config.donated_buffer = False"):
        controller.step(lambda: model(**inputs).loss)


class Tied(torch.nn.Module):
    """A block whose two linears have one weight."""

    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(6, 6), torch.nn.Linear(6, 6)
        self.second.weight = self.first.weight

    def forward(self, x):
        return x + self.second(torch.tanh(self.first(x)))


def test_a_weight_that_two_linears_of_a_block_share_is_one():
    torch.manual_seed(0)
    model = torch.nn.Sequential(Tied(), Tied())
    x = torch.randn(8, 3, 6)
    model(x).square().mean().backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    vcas.attach(model, block_class=Tied, verbose=False)
    controller = vcas.Controller(model)
    for full_size in (True, False):
        model.zero_grad()
        controller.step(lambda: model(x).square().mean(), full_size=full_size)
        small.assert_close({name: parameter.grad for name, parameter in model.named_parameters()}, expected)
    assert list(controller.metrics()["nu"]) == ["0.first.weight", "1.first.weight"]
