"""Controller on a plain PyTorch loop: learns, adapts, saves and resumes."""

import io

import pytest
import small_models as small
import torch
import vcas

OPTIONS = dict(cal_var_freq=8, act_var_tau=0.2, w_var_tau=0.2)


def loop(steps, options, dropout=0.0, model=None, controller=None, optimizer=None, first=0):
    """Trains on batches whose label is a function of their first token; gives the losses."""
    if model is None:
        model = small.make(small.CLASSIFIERS["bert"], "bert", dropout)
        vcas.attach(model, vcas.SamplingOptions(**options), verbose=False)
        controller = vcas.Controller(model)
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for step in range(first, first + steps):
        inputs = small.batch("bert", samples=24, seed=step)
        inputs["labels"] = inputs["input_ids"][:, 0] % 5
        torch.manual_seed(step)
        losses.append(controller.step(lambda: model(**inputs).loss).item())  # noqa: B023
        optimizer.step()
        optimizer.zero_grad()
    return losses, model, controller, optimizer


@pytest.mark.parametrize("policy", ["solve", "paper"])
def test_it_learns_and_adapts(policy):
    losses, _, controller, _ = loop(120, {**OPTIONS, "policy": policy, "s_update_step": 0.05})
    assert sum(losses[-10:]) / 10 < 0.7 * sum(losses[:10]) / 10
    metrics = controller.metrics()
    assert metrics["adaptations"] >= 3
    assert 0 < metrics["s"] <= 1
    assert len(metrics["rho"]) == small.LAYERS
    assert all(a <= b for a, b in zip(metrics["rho"], metrics["rho"][1:]))
    assert len(metrics["nu"]) == 6 * small.LAYERS
    assert min(metrics["nu"].values()) < 1
    assert metrics["v_sgd"] > 0
    assert metrics["flops"]["performed"] > 0
    assert metrics["flops"]["exact"] > 0


def test_a_run_that_samples_performs_fewer_operations_than_an_exact_one():
    _, _, controller, _ = loop(100, {**OPTIONS, "cal_var_freq": 50})
    before = controller.metrics()["flops"]
    assert controller.sampler.ungated_plan().sampled()
    controller.load_state_dict({**controller.state_dict(), "flops": {"exact": 0.0, "performed": 0.0}})
    inputs = small.batch("bert", samples=24)
    controller.step(lambda: controller.model(**inputs).loss, full_size=False)
    flops = controller.metrics()["flops"]
    assert flops["performed"] < 0.95 * flops["exact"]
    assert before["exact"] > flops["exact"] > 0


@pytest.mark.parametrize("stop", [7, 17])  # before an adaptation; inside one
def test_a_resumed_run_has_the_same_losses(stop):
    options = {**OPTIONS, "cal_var_freq": 8}
    whole, *_ = loop(30, options, dropout=0.1)
    first, model, controller, optimizer = loop(stop, options, dropout=0.1)
    file = io.BytesIO()
    torch.save([model.state_dict(), controller.state_dict(), optimizer.state_dict()], file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    model = small.make(small.CLASSIFIERS["bert"], "bert", 0.1, seed=9)
    vcas.attach(model, vcas.SamplingOptions(**options), verbose=False)
    controller = vcas.Controller(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for part, state in zip((model, controller, optimizer), saved, strict=True):
        part.load_state_dict(state)
    rest, *_ = loop(30 - stop, options, 0.1, model, controller, optimizer, stop)
    assert first + rest == whole
    assert controller.metrics()["adaptations"] >= 2


def test_accumulated_gradients_are_kept():
    _, model, controller, _ = loop(0, OPTIONS)
    inputs = small.batch("bert")
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    controller.step(lambda: model(**inputs).loss)  # adapts
    first = small.gradients(model)
    model.zero_grad()
    controller.load_state_dict(loop(0, OPTIONS)[2].state_dict())
    controller.step(lambda: model(**inputs).loss)
    for name, gradient in small.gradients(model).items():
        torch.testing.assert_close(first[name], gradient + 1, rtol=1e-5, atol=1e-5)


def test_record_and_backward_are_what_step_is():
    results = []
    for apart in (False, True):
        _, model, controller, _ = loop(0, OPTIONS)
        inputs = small.batch("bert")
        if apart:
            with controller.record():
                loss = model(**inputs).loss
            controller.backward(loss, loss_scale=0.5)
        else:
            controller.step(lambda: model(**inputs).loss, loss_scale=0.5)  # noqa: B023
        results.append(small.gradients(model))
    assert all(torch.equal(results[0][n], results[1][n]) for n in results[0])


def test_evaluation_between_forward_and_backward_is_not_recorded():
    _, model, controller, _ = loop(0, OPTIONS)
    inputs = small.batch("bert")
    loss = model(**inputs).loss
    with torch.no_grad():
        model(**inputs)
    controller.backward(loss)
    assert controller.micro_batch == 1


@pytest.mark.parametrize(
    ("misuse", "message"),
    [
        (lambda c, m, i: c.step(lambda: m(**i).logits), r"expected a 0-dim loss, got \[6, 5\]"),
        (lambda c, m, i: c.step(lambda: torch.zeros((), requires_grad=True)), "expected a forward pass of the attached"),
        (lambda c, m, i: c.step(lambda: m(**i).loss + m(**i).loss), "expected one forward pass of the model in a step"),
        (lambda c, m, i: c.load_state_dict({"format": 2}), "state of a controller: expected adaptations"),
        (lambda c, m, i: c.load_state_dict({**c.state_dict(), "format": 1}),
         "state of a controller: expected format 2, got 1, which another version of vcas wrote"),
        (lambda c, m, i: vcas.Controller(m), "has a controller already"),
    ],
)
def test_misuse_is_named(misuse, message):
    _, model, controller, _ = loop(0, OPTIONS)
    with pytest.raises(vcas.VcasError, match=message):
        misuse(controller, model, small.batch("bert"))


def test_a_state_of_another_model_is_refused():
    _, _, controller, _ = loop(0, OPTIONS)
    other = small.make(small.CLASSIFIERS["gpt2"], "gpt2")
    vcas.attach(other, verbose=False)
    with pytest.raises(vcas.VcasError, match="expected"):
        vcas.Controller(other).load_state_dict(controller.state_dict())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cal_var_m": 1}, r"expected cal_var_m in \[2, 15\], got 1"),
        ({"act_var_tau": 2.0}, r"expected act_var_tau in \[0, 1\], got 2"),
        ({"policy": "best"}, "policy: expected one of solve, paper, got 'best'"),
        ({"draw": "some"}, "draw: expected one of fixed, bernoulli, got 'some'"),
        ({"seed": -1}, "seed: expected a number"),
    ],
)
def test_an_option_out_of_range_is_named(options, message):
    with pytest.raises(vcas.VcasError, match=message):
        loop(0, options)
