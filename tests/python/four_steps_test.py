"""Arguments, scheme and processor: what users of the original rely on, and bad use."""

import subprocess
import sys
import warnings
from types import SimpleNamespace

import pytest
import transformers
import vcas
from accelerate.utils import DistributedType
from hugging_face_support import TokenTexts, collate, four_steps, tiny_bert, training_arguments
from torch import nn
from vcas.hugging_face.trainer import refuse_what_cannot_be_sampled

# Names, order and defaults of the original (github.com/thu-ml/VCAS, vcas/sample_args.py).
ORIGINAL = {
    "act_var_tau": 0.025, "w_var_tau": 0.025, "cal_var_freq": 100, "s_update_step": 0.01, "w_ratio_mul": 0.95,
    "cal_var_m": 2, "act_sched_decay": 0.6, "param_sample_ratio": 0.01,
}


def test_the_originals_arguments_have_their_names_order_and_defaults():
    fields = list(vars(vcas.VcasSampleArguments()).items())
    assert fields[: len(ORIGINAL)] == list(ORIGINAL.items())


def test_arguments_parse_beside_training_arguments(tmp_path):
    parser = transformers.HfArgumentParser((transformers.TrainingArguments, vcas.VcasSampleArguments))
    flags = ["--output_dir", str(tmp_path), "--act_var_tau", "0.1", "--cal_var_freq", "50", "--policy", "paper"]
    _, sample_args = parser.parse_args_into_dataclasses(flags)
    assert (sample_args.act_var_tau, sample_args.cal_var_freq, sample_args.policy) == (0.1, 50, "paper")
    options = sample_args.sampling_options(seed=7)
    assert (options.act_var_tau, options.cal_var_freq, options.policy, options.seed) == (0.1, 50, "paper", 7)


def test_each_default_is_that_of_sampling_options():
    assert vcas.VcasSampleArguments().sampling_options() == vcas.SamplingOptions()


@pytest.mark.parametrize(("settings", "unread"), [
    ({"w_ratio_mul": 0.9}, ["w_ratio_mul"]),
    ({"w_ratio_mul": 0.9, "policy": "paper"}, []),
    ({"cal_var_stretch": 2, "policy": "paper"}, ["cal_var_stretch"]),
    ({"param_sample_ratio": 0.1}, ["param_sample_ratio"]),
    ({}, []),
])
def test_settings_without_effect_are_named(settings, unread):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert vcas.VcasSampleArguments(**settings).settings_without_effect() == unread
    assert len(caught) == bool(unread)
    assert all(name in str(caught[0].message) for name in unread)


def processed(model, settings=None, block_class=transformers.BertLayer):
    scheme = vcas.VcasSampleScheme(vcas.VcasSampleArguments(**(settings or {})))
    vcas.VcasModelProcessor(model, block_class, scheme).process()
    return scheme


@pytest.mark.parametrize(("settings", "message"), [
    ({"policy": "guess"}, "policy: expected one of solve, paper, got 'guess'"),
    ({"param_sample_ratio": 0.0}, r"param_sample_ratio: expected a number in \(0, 1\], got 0.0"),
    ({"act_var_tau": -0.1}, r"act_var_tau.* -0\.1"),
    ({"cal_var_freq": 1}, "cal_var_freq.* 1"),
    ({"w_ratio_mul": 1.5, "policy": "paper"}, r"w_ratio_mul.* 1\.5"),
])
def test_values_out_of_range_are_named_before_training(tmp_path, settings, message):
    with pytest.raises(vcas.VcasError, match=message):
        four_steps(training_arguments(tmp_path), **settings)


def test_the_wrong_block_class_is_named_and_leaves_the_model_as_it_was():
    model = tiny_bert()
    before = {name: type(module) for name, module in model.named_modules()}
    with pytest.raises(vcas.VcasError, match="DistilBertLayer|TransformerBlock|GPT2Block"):
        processed(model, block_class=transformers.models.gpt2.modeling_gpt2.GPT2Block)
    assert {name: type(module) for name, module in model.named_modules()} == before
    with pytest.raises(vcas.VcasError, match="expected the class of the model's blocks"):
        processed(model, block_class=model.bert.encoder.layer[0])


def test_processing_twice_is_refused():
    model = tiny_bert()
    processed(model)
    with pytest.raises(vcas.VcasError, match="attached"):
        processed(model)


def test_processing_keeps_the_names_of_the_state_dict():
    model = tiny_bert()
    names = list(model.state_dict())
    processed(model)
    assert list(model.state_dict()) == names


def test_a_scheme_of_another_model_is_refused(tmp_path):
    scheme = processed(tiny_bert())
    with pytest.raises(vcas.VcasError, match="expected the model that VcasModelProcessor has processed"):
        vcas.VcasTrainer(model=tiny_bert(), sample_scheme=scheme, args=training_arguments(tmp_path))


def test_a_model_without_blocks_is_refused(tmp_path):
    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 2)

        def forward(self, x):
            return self.linear(x)

    with pytest.raises(vcas.VcasError, match="block"):
        vcas.VcasTrainer(model=Classifier(), args=training_arguments(tmp_path))


@pytest.mark.parametrize(("setting", "value", "message"), [
    ("fp16", True, "fp16: .*; use bf16"),
    ("n_gpu", 2, "nn.DataParallel over 2 GPUs; start one process for each"),
    ("optim", "adalomo", "the optimizer adalomo, which updates weights inside the backward pass"),
    ("distributed_type", DistributedType.DEEPSPEED, "DeepSpeed"),
    ("distributed_type", DistributedType.FSDP, "FSDP"),
])
def test_what_cannot_be_sampled_is_refused(tmp_path, monkeypatch, setting, value, message):
    """Most of these need hardware or packages to get as far: the settings are as they would be then."""
    asked = {"fp16": False, "n_gpu": 1, "optim": "adamw_torch", "distributed_type": DistributedType.NO, setting: value}
    with pytest.raises(vcas.VcasError, match=f"VcasTrainer does not support {message}"):
        refuse_what_cannot_be_sampled(SimpleNamespace(**asked), SimpleNamespace(**asked))


def test_the_arguments_class_in_the_place_of_the_scheme_is_named(tmp_path):
    with pytest.raises(vcas.VcasError, match="sample_scheme: expected a VcasSampleScheme"):
        vcas.VcasTrainer(tiny_bert(), vcas.VcasSampleArguments(), training_arguments(tmp_path))


def test_the_originals_order_of_arguments_and_tokenizer_hold(tmp_path):
    scheme, model, tokenizer = vcas.VcasSampleScheme(), tiny_bert(), object()
    arguments, texts = training_arguments(tmp_path), TokenTexts(8)
    trainer = vcas.VcasTrainer(model, scheme, arguments, collate, texts, None, tokenizer)
    assert (trainer.sample_scheme, trainer.train_dataset, trainer.processing_class) == (scheme, texts, tokenizer)
    with pytest.raises(vcas.VcasError, match="got both"):
        vcas.VcasTrainer(tiny_bert(), args=arguments, tokenizer=tokenizer, processing_class=object())


def test_before_training_the_scheme_keeps_everything():
    scheme = vcas.VcasSampleScheme()
    assert (scheme.s, scheme.act_ratio_sched, scheme.w_ratio_list) == (1.0, [], [])


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_importing_vcas_imports_no_transformers():
    shown = python("import sys, vcas; print('transformers' in sys.modules, vcas.VcasTrainer.__name__)")
    assert shown.stdout.split() == ["False", "VcasTrainer"], shown.stderr


def test_a_missing_transformers_is_named():
    shown = python("import sys; sys.modules['transformers'] = None; import vcas; vcas.VcasTrainer")
    assert shown.stderr.strip().endswith("vcas.VcasTrainer needs transformers: pip install transformers accelerate")
    assert python("import vcas; vcas.VcasTrainr").stderr.strip().endswith("no attribute 'VcasTrainr'")
