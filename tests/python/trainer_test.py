"""VcasTrainer: the four steps, and all that a Trainer does."""

import dataclasses
import itertools
import logging

import pytest
import torch
import transformers
import vcas
from hugging_face_support import TokenTexts, collate, four_steps, logged, tiny_bert, training_arguments


def test_the_four_steps_train_and_adapt(tmp_path):
    trainer = four_steps(training_arguments(tmp_path, max_steps=60, learning_rate=3e-3), act_var_tau=0.2, w_var_tau=0.2)
    trainer.train()
    losses = logged(trainer, "loss")
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
    assert trainer.controller.metrics()["adaptations"] >= 2
    assert trainer.sample_scheme.s < 1
    assert min(trainer.sample_scheme.act_ratio_sched) < 1
    assert min(trainer.sample_scheme.w_ratio_list) < 1


def test_adaptations_are_logged_under_the_originals_names(tmp_path):
    trainer = four_steps(training_arguments(tmp_path, max_steps=20))
    trainer.train()
    entries = [entry for entry in trainer.state.log_history if "sgd_var" in entry]
    assert [entry["adaptations"] for entry in entries] == list(range(1, len(entries) + 1))
    names = {"s", "act_ratio_first", "act_ratio_last", "w_ratio[0]", "sgd_var", "act_var", "w_var", "flops_ratio",
             "flops_ratio_tmp", "epoch", "step"}
    for entry in entries:
        assert names <= set(entry)
        assert all(isinstance(value, (int, float)) for value in entry.values())
    metrics = trainer.controller.metrics()
    assert entries[-1]["act_ratio_first"] == metrics["rho"][0] == trainer.sample_scheme.act_ratio_sched[0]
    assert entries[-1]["sgd_var"] == metrics["v_sgd"] > 0


def test_loggers_receive_the_metrics(tmp_path):
    seen = []

    class Recorder(transformers.TrainerCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            seen.append(dict(logs))

    trainer = four_steps(training_arguments(tmp_path))
    trainer.add_callback(Recorder())
    trainer.train()
    assert any("act_ratio_first" in logs for logs in seen)
    assert any("loss" in logs for logs in seen)


def first_losses(trainer, count):
    trainer.train()
    return logged(trainer, "loss")[:count]


def test_a_run_that_is_never_sampled_is_a_trainers(tmp_path):
    """With budgets of 0 nothing may be left out; without dropout the losses are then those of Trainer."""
    settings = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    arguments = training_arguments(tmp_path, max_grad_norm=0.5, gradient_accumulation_steps=3)
    plain = transformers.Trainer(model=tiny_bert(**settings), args=arguments, train_dataset=TokenTexts(100),
                                 data_collator=collate)
    sampled = four_steps(arguments, model=tiny_bert(**settings), act_var_tau=0.0, w_var_tau=0.0)
    expected = first_losses(plain, 12)
    # float32 over 12 steps of AdamW: differences of the order of summation grow by a factor of about 10.
    assert first_losses(sampled, 12) == pytest.approx(expected, rel=1e-4)
    assert logged(sampled, "grad_norm") == pytest.approx(logged(plain, "grad_norm"), rel=1e-3)


@pytest.mark.parametrize("steps", [5, 6, 7])
def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(tmp_path, steps):
    """Adaptations are windows of two micro-batches: some of the checkpoints lie inside one."""
    whole = four_steps(training_arguments(tmp_path / "whole", max_steps=14), act_var_tau=0.5, w_var_tau=0.5)
    whole.train()
    interrupted = training_arguments(tmp_path / "resumed", max_steps=14, save_strategy="steps", save_steps=steps)
    stopped = four_steps(interrupted, act_var_tau=0.5, w_var_tau=0.5)
    stopped.add_callback(StopAt(steps))
    stopped.train()
    assert stopped.state.global_step == steps

    resumed = four_steps(interrupted, model=tiny_bert(seed=9), act_var_tau=0.5, w_var_tau=0.5)
    resumed.train(resume_from_checkpoint=True)
    assert logged(resumed, "loss") == logged(whole, "loss")
    assert resumed.controller.metrics() == whole.controller.metrics()
    assert logged(resumed, "flops_ratio_tmp") == logged(whole, "flops_ratio_tmp")
    assert all(torch.equal(a, b) for a, b in zip(resumed.model.parameters(), whole.model.parameters(), strict=True))


class StopAt(transformers.TrainerCallback):
    """Stops a run as a time limit would: after the checkpoint of that step."""

    def __init__(self, step):
        self._step = step

    def on_save(self, args, state, control, **kwargs):
        control.should_training_stop = state.global_step >= self._step


def test_a_trainers_checkpoint_starts_adaptation_anew_and_says_so(tmp_path, caplog):
    arguments = training_arguments(tmp_path, max_steps=4, save_strategy="steps", save_steps=2)
    plain = transformers.Trainer(model=tiny_bert(), args=arguments, train_dataset=TokenTexts(100), data_collator=collate)
    plain.train()
    trainer = four_steps(arguments)
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    try:
        trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    finally:
        logger.removeHandler(caplog.handler)
    assert "vcas_controller.pt is missing" in caplog.text
    assert trainer.state.global_step == 4


def test_gradient_accumulation_reports_its_share_and_adapts_by_micro_batches(tmp_path):
    trainer = four_steps(training_arguments(tmp_path, gradient_accumulation_steps=2, max_steps=4))
    calls = recorded_backward(trainer)
    trainer.train()
    assert [call["loss_scale"] for call in calls] == [0.5] * 8
    assert trainer.controller.metrics()["adaptations"] >= 2


def recorded_backward(trainer):
    """Arguments of each backward pass that the controller is asked for."""
    calls, backward = [], trainer.controller.backward

    def recording(loss, **arguments):
        calls.append(arguments)
        backward(loss, **arguments)

    trainer.controller.backward = recording
    return calls


def test_only_batches_of_full_size_adapt(tmp_path):
    trainer = four_steps(training_arguments(tmp_path, max_steps=6), train_samples=20)
    calls = recorded_backward(trainer)
    trainer.train()
    assert [call["full_size"] for call in calls] == [True, True, False] * 2


def test_clipping_bounds_the_gradient_that_the_optimizer_takes(tmp_path):
    norms = []

    class Norms(transformers.TrainerCallback):
        def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
            gradients = [parameter.grad.norm() for parameter in model.parameters() if parameter.grad is not None]
            norms.append(torch.stack(gradients).norm().item())

    trainer = four_steps(training_arguments(tmp_path, max_grad_norm=0.01))
    trainer.add_callback(Norms())
    trainer.train()
    assert max(norms) <= 0.01 * (1 + 1e-4)
    assert min(logged(trainer, "grad_norm")) > 0.01


def test_bf16_trains_and_adapts(tmp_path):
    trainer = four_steps(training_arguments(tmp_path, bf16=True, max_steps=40, learning_rate=3e-3))
    trainer.train()
    losses = logged(trainer, "loss")
    assert sum(losses[-8:]) < sum(losses[:8])
    assert trainer.controller.metrics()["adaptations"] >= 2
    assert all(parameter.dtype == torch.float32 for parameter in trainer.model.parameters())


def test_a_compiled_model_trains_and_adapts(tmp_path):
    torch.compiler.reset()
    donated_buffer = torch._functorch.config.donated_buffer
    try:
        trainer = four_steps(training_arguments(tmp_path, torch_compile=True, torch_compile_backend="aot_eager"))
        losses = first_losses(trainer, 12)
    finally:
        torch._functorch.config.donated_buffer = donated_buffer
    assert trainer.controller.metrics()["adaptations"] >= 2
    # What is compiled may round otherwise: float32 over 12 steps.
    assert losses == pytest.approx(first_losses(four_steps(training_arguments(tmp_path)), 12), rel=1e-4)


def test_gradient_checkpointing_changes_no_loss(tmp_path):
    named = [field.name for field in dataclasses.fields(transformers.TrainingArguments)]
    name = next(name for name in ("activation_checkpointing", "gradient_checkpointing") if name in named)
    losses = [first_losses(four_steps(training_arguments(tmp_path, **{name: checkpointing}),
                                      act_var_tau=0.3, w_var_tau=0.3), 12) for checkpointing in (False, True)]
    # What is computed again may be summed in another order: float32 over 12 steps.
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_the_best_model_is_loaded_at_the_end(tmp_path):
    arguments = training_arguments(tmp_path, max_steps=12, eval_strategy="steps", save_strategy="steps", eval_steps=4,
                                   save_steps=4, load_best_model_at_end=True, metric_for_best_model="score",
                                   greater_is_better=True)
    scores = itertools.chain([0.1, 0.9, 0.2], itertools.repeat(0.0))
    trainer = four_steps(arguments)
    trainer.compute_metrics = lambda prediction: {"score": next(scores)}
    trainer.train()
    assert trainer.state.best_model_checkpoint.endswith("checkpoint-8")
    best = transformers.BertForSequenceClassification.from_pretrained(tmp_path / "checkpoint-8")
    last = transformers.BertForSequenceClassification.from_pretrained(tmp_path / "checkpoint-12")
    weights = trainer.model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in best.state_dict().items())
    assert any(not torch.equal(weights[name], value) for name, value in last.state_dict().items())


def test_a_subclass_may_compute_its_own_loss(tmp_path):
    class Halved(vcas.VcasTrainer):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            loss = model(**inputs).loss / 2
            return (loss, None) if return_outputs else loss

    def trained(trainer_class):
        trainer = trainer_class(model=tiny_bert(), args=training_arguments(tmp_path, max_steps=1),
                                train_dataset=TokenTexts(32), data_collator=collate)
        trainer.train()
        return logged(trainer, "loss")[0], logged(trainer, "grad_norm")[0]

    loss, norm = trained(vcas.VcasTrainer)
    # The first step is exact, with the same dropout: halving is exact but for the norm's rounding.
    assert trained(Halved) == pytest.approx((loss / 2, norm / 2), rel=1e-5)


def test_a_second_trainer_of_a_model_is_told_to_detach_it(tmp_path):
    trainer = four_steps(training_arguments(tmp_path))
    with pytest.raises(vcas.VcasError, match="detach the model first"):
        vcas.VcasTrainer(model=trainer.model, args=trainer.args)


def test_evaluation_is_the_unattached_models(tmp_path):
    trainer = four_steps(training_arguments(tmp_path, max_steps=5))
    trainer.train()
    logits = trainer.predict(TokenTexts(16, seed=5)).predictions
    model = tiny_bert()
    model.load_state_dict(trainer.model.state_dict())
    plain = transformers.Trainer(model=model, args=trainer.args, data_collator=collate)
    # Kernels may sum in another order: float32.
    assert logits == pytest.approx(plain.predict(TokenTexts(16, seed=5)).predictions, abs=1e-5)


def test_a_model_that_no_processor_has_seen_is_attached(tmp_path, capsys):
    trainer = vcas.VcasTrainer(model=tiny_bert(), args=training_arguments(tmp_path, max_steps=2),
                               train_dataset=TokenTexts(32), data_collator=collate)
    trainer.train()
    assert trainer.state.global_step == 2
    assert len(trainer.controller.metrics()["rho"]) == 3


def test_model_init_makes_an_attached_model_for_each_run(tmp_path):
    trainer = vcas.VcasTrainer(model_init=lambda: tiny_bert(), args=training_arguments(tmp_path, max_steps=8),
                               sample_scheme=vcas.VcasSampleScheme(vcas.VcasSampleArguments(cal_var_freq=4)),
                               train_dataset=TokenTexts(100), data_collator=collate)
    first = first_losses(trainer, 8)
    controller = trainer.controller
    assert first_losses(trainer, 8) == first
    assert trainer.controller is not controller
    assert controller.metrics()["adaptations"] == trainer.controller.metrics()["adaptations"] > 0
