"""The operators as PyTorch's: schema, fake tensors, autograd, AOT dispatch, gradients, torch.compile, autocast."""

import pytest
import torch
import vcas  # noqa: F401 (loads the operators)

ops = torch.ops.vcas
HIDDEN, HEADS, INTERMEDIATE = 8, 2, 12


def plan_tensor(samples_kept=2, linears=6, rows=4):
    """A sampled plan: [sampled, method, seed, micro_batch, layer, draw, sample_count, row counts]."""
    return torch.tensor([1, 0, 7, 3, 0, 0, samples_kept] + [rows] * linears)


def encoder_inputs(dtype=torch.float32, requires_grad=True, seed=0):
    torch.manual_seed(seed)
    offsets = torch.tensor([0, 3, 4, 8])
    shapes = [(HIDDEN, HIDDEN), (HIDDEN,)] * 4 + [(HIDDEN,)] * 2
    shapes += [(INTERMEDIATE, HIDDEN), (INTERMEDIATE,), (HIDDEN, INTERMEDIATE), (HIDDEN,), (HIDDEN,), (HIDDEN,)]
    parameters = [(torch.randn(s, dtype=dtype) * 0.4).requires_grad_(requires_grad) for s in shapes]
    x = torch.randn(8, HIDDEN, dtype=dtype).requires_grad_(requires_grad)
    return x, offsets, parameters


RNG = torch.tensor([5, 3, 0])
QUERY_ROWS = torch.tensor([0, 2, 5])  # two of the first sample, none of the second


def options_text(**options):
    given = {"num_heads": HEADS, "layer_norm_eps": 1e-5, **options}
    return " ".join(f"{name}={int(value) if isinstance(value, bool) else value}" for name, value in given.items())


def encoder(x, offsets, parameters, plan=None, probes=(None, None, None), query_rows=None, **options):
    return ops.transformer_layer(x, offsets, query_rows, parameters, RNG, plan, *probes, options_text(**options))


def probes(query_rows=None):
    scores = int(ops.transformer_layer_rows(torch.tensor([0, 3, 4, 8]), query_rows)[:, -1].sum())
    return tuple(torch.zeros(s, dtype=torch.float64, requires_grad=True) for s in (3, scores, 1))


ENCODER_CASES = {
    "exact": {},
    "sampled": {"plan": True},
    "pre_norm_causal": {"pre_norm": True, "causal": True, "activation": "tanh_gelu", "plan": True},
    "query_rows": {"query_rows": QUERY_ROWS, "plan": True},
    "recompute": {"recompute": True},
    "plain": {"plain": True},
    "float64": {"dtype": torch.float64},
    "dropout": {"hidden_dropout": 0.2, "attention_dropout": 0.2},
    "frozen": {"frozen": True},
}


@pytest.mark.parametrize("case", ENCODER_CASES)
def test_opcheck_of_transformer_layer(case):
    options = dict(ENCODER_CASES[case])
    plan = plan_tensor(rows=2) if options.pop("plan", False) else None
    x, offsets, parameters = encoder_inputs(options.pop("dtype", torch.float32))
    if options.pop("frozen", False):
        parameters = [p.detach() for p in parameters]
    query_rows = options.pop("query_rows", None)
    arguments = (x, offsets, query_rows, parameters, RNG, plan, *probes(query_rows), options_text(**options))
    results = torch.library.opcheck(ops.transformer_layer.default, arguments)
    assert set(results.values()) == {"SUCCESS"}


def test_what_the_operator_knows_of_itself():
    x, offsets, parameters = encoder_inputs()
    sizes = [tuple(parameters[place].shape) for place in ops.transformer_layer_weights()]
    assert sizes == [(HIDDEN, HIDDEN)] * 4 + [(INTERMEDIATE, HIDDEN), (HIDDEN, INTERMEDIATE)]
    rows = ops.transformer_layer_rows(offsets, QUERY_ROWS)
    of_queries, of_all = [0, 2, 2, 3], offsets.tolist()
    assert rows.tolist() == [of_queries, of_all, of_all, of_queries, of_queries, of_queries]
    for query_rows in (None, QUERY_ROWS):
        flops = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        encoder(x, offsets, parameters, None, (None, None, flops), query_rows).sum().backward()
        assert flops.grad.item() == ops.transformer_layer_flops(offsets, query_rows, parameters, options_text())[1]


def test_an_unknown_option_is_named():
    x, offsets, parameters = encoder_inputs()
    with pytest.raises(RuntimeError, match="transformer_layer: expected options of num_heads=.*, got heads=2"):
        encoder(x, offsets, parameters, heads=2)


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_opcheck_of_linear(sampled, bias):
    torch.manual_seed(0)
    x, weight = torch.randn(8, 5, requires_grad=True), torch.randn(3, 5, requires_grad=True)
    b = torch.randn(3, requires_grad=True) if bias else None
    scores, flops = (torch.zeros(s, dtype=torch.float64, requires_grad=True) for s in (8, 1))
    plan = plan_tensor(linears=1) if sampled else None
    results = torch.library.opcheck(ops.linear.default, (x, weight, b, plan, scores, flops, 0))
    assert set(results.values()) == {"SUCCESS"}


def test_opcheck_of_the_backward_operators():
    x, offsets, parameters = encoder_inputs(requires_grad=False)
    utilities = ("test_schema", "test_faketensor")
    arguments = (x, offsets, None, parameters, RNG, options_text())
    torch.library.opcheck(ops.transformer_layer_forward.default, arguments, test_utils=utilities)
    saved = ops.transformer_layer_forward(*arguments)[1]
    everything = (1 << 18) - 1
    arguments = (torch.randn(8, HIDDEN), x, offsets, None, parameters, saved, RNG, plan_tensor(), everything, options_text())
    torch.library.opcheck(ops.transformer_layer_backward.default, arguments, test_utils=utilities)
    weight = torch.randn(3, HIDDEN)
    arguments = (torch.randn(8, 3), x, weight, plan_tensor(linears=1), 15, 0)
    results = torch.library.opcheck(ops.linear_backward.default, arguments, test_utils=utilities)
    assert set(results.values()) == {"SUCCESS"}


@pytest.mark.parametrize(
    "options", [{}, {"pre_norm": True, "causal": True, "activation": "tanh_gelu"}, {"query_rows": QUERY_ROWS}], ids=str
)
def test_gradcheck_of_the_exact_transformer_layer(options):
    x, offsets, parameters = encoder_inputs(torch.float64)

    def function(x, *parameters):
        return encoder(x, offsets, list(parameters), **options)

    assert torch.autograd.gradcheck(function, (x, *parameters), fast_mode=True)


def test_gradcheck_of_the_exact_linear():
    torch.manual_seed(0)
    tensors = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in ((6, 4), (3, 4), (3,))]
    assert torch.autograd.gradcheck(lambda x, w, b: ops.linear(x, w, b, None, None, None, 0), tensors)


@pytest.mark.parametrize("options", [{}, {"pre_norm": True, "causal": True}, {"query_rows": QUERY_ROWS}], ids=str)
def test_a_compiled_block_has_no_graph_break_and_reads_the_plan_of_each_backward_pass(options):
    torch.compiler.reset()
    x, offsets, parameters = encoder_inputs()
    plan = plan_tensor()

    def block(x, parameters, plan):
        hidden = encoder(x * 1.5, offsets, parameters, plan, **options)
        return torch.tanh(hidden)

    compiled = torch.compile(block, fullgraph=True, backend="aot_eager")
    exact = torch.zeros_like(plan)
    for function in (block, compiled):
        output = function(x, parameters, plan)
        results = [output.detach()]
        for numbers in (plan_tensor(), exact, plan_tensor(1)):
            # As the controller writes: without a new version of the tensor.
            torch.classes.vcas.SamplingPlan([], [], "fixed", 0).write(plan, 0, 3, [8] * 6, [1, 1, 1])
            plan.numpy()[:] = numbers.numpy()
            results += torch.autograd.grad(output.square().sum(), [x, *parameters], retain_graph=True)
        if function is block:
            expected = results
    for a, b in zip(results, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
    sampled, exactly = expected[1:18], expected[18:35]
    differ = [not torch.allclose(a, b, rtol=1e-3) for a, b in zip(sampled, exactly, strict=True)]
    assert any(differ), "sampled and exact passes differ"


def test_a_compiled_block_takes_batches_of_any_length_without_compiling_again():
    torch.compiler.reset()
    _, _, parameters = encoder_inputs()
    compilations = []

    def backend(graph, example_inputs):
        compilations.append(graph)
        return graph

    compiled = torch.compile(
        lambda x, offsets: encoder(x, offsets, parameters), fullgraph=True, dynamic=True, backend=backend
    )
    for rows in (9, 11, 15):
        offsets = torch.tensor([0, 3, 4, rows])
        x = torch.randn(rows, HIDDEN)
        torch.testing.assert_close(compiled(x, offsets), encoder(x, offsets, parameters))
    assert len(compilations) == 1


def test_no_grad_and_inference_mode_give_the_same_output():
    x, offsets, parameters = encoder_inputs()
    expected = encoder(x, offsets, parameters).detach()
    with torch.no_grad():
        assert torch.equal(encoder(x, offsets, parameters), expected)
    with torch.inference_mode():
        assert torch.equal(encoder(x, offsets, parameters), expected)


def test_frozen_parameters_get_no_gradient_and_cost_no_operations():
    x, offsets, parameters = encoder_inputs()
    spent = []
    for frozen in (False, True):
        flops = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        present = [p.detach().requires_grad_(not frozen) for p in parameters]
        encoder(x, offsets, present, None, (None, None, flops)).square().sum().backward()
        assert all((p.grad is None) == frozen for p in present)
        spent.append(flops.grad.item())
    weights = 2 * 8 * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * INTERMEDIATE)
    assert spent[0] - spent[1] == weights


def test_dropout_after_the_attention_output_can_be_left_out():
    x, offsets, parameters = encoder_inputs()
    results = {}
    for plain in (False, True):
        for everywhere in (False, True):
            options = {"hidden_dropout": 0.5, "attention_output_dropout": everywhere, "plain": plain}
            output = encoder(x, offsets, parameters, **options)
            results[plain, everywhere] = [output, *torch.autograd.grad(output.square().sum(), [x, *parameters])]
    for everywhere in (False, True):
        for kernel, plain in zip(results[False, everywhere], results[True, everywhere], strict=True):
            torch.testing.assert_close(kernel, plain, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(results[False, False][0], results[False, True][0], rtol=1e-2)


def test_double_and_float_agree():
    x, offsets, parameters = encoder_inputs()
    doubles = [p.detach().double() for p in parameters]
    got = encoder(x, offsets, parameters)
    torch.testing.assert_close(got, encoder(x.double(), offsets, doubles).float(), rtol=1e-5, atol=1e-5)


def test_autocast_of_linear_is_that_of_pytorch():
    torch.manual_seed(0)
    x, weight, bias = torch.randn(8, 16), torch.randn(4, 16), torch.randn(4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = ops.linear(x, weight, bias, None, None, None, 0)
        expected = torch.nn.functional.linear(x, weight, bias)
    assert got.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(got, expected, rtol=0.02, atol=0.02)


def test_a_wrong_shape_is_named():
    x, offsets, parameters = encoder_inputs()
    with pytest.raises(RuntimeError, match=r"transformer_layer: expected offsets from 0 to 7, got 0 to 8"):
        encoder(x[:7], offsets, parameters)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_cuda_device_gives_what_the_cpu_gives():
    x, offsets, parameters = encoder_inputs()
    plan = plan_tensor()
    results = []
    for device in ("cpu", "cuda"):
        leaf = x.detach().to(device).requires_grad_()
        moved = [p.detach().to(device).requires_grad_() for p in parameters]
        output = encoder(leaf, offsets, moved, plan)
        results.append([t.cpu() for t in (output, *torch.autograd.grad(output.square().sum(), [leaf, *moved]))])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
