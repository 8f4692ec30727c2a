"""What attach() and the import refuse: one clear sentence each, and the model left as it was."""

import copy
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import small_models as small
import torch
import transformers as hf
import vcas
from torch import nn
from vcas._library import check_version

ROOT = Path(__file__).resolve().parents[2]


class Block(nn.Module):
    def __init__(self, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(4, 4), norm or nn.LayerNorm(4)

    def forward(self, x):
        return self.norm(self.linear(x))


def untouched(model, call, message, **arguments):
    before = [dict(m.__dict__) for m in model.modules()]
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    with pytest.raises(vcas.VcasError, match=message) as caught:
        call(model, **arguments)
    assert "\n" not in str(caught.value)
    assert [dict(m.__dict__) for m in model.modules()] == before
    assert [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()] == hooks


def bert():
    return small.make(hf.BertForSequenceClassification, "bert")


def test_a_model_without_blocks():
    untouched(nn.Linear(2, 2), vcas.attach, r"Linear has no blocks of an architecture that vcas knows \(bert, roberta")


def test_a_class_that_the_model_does_not_have():
    untouched(bert(), vcas.attach, "has no blocks of class Conv2d", block_class=nn.Conv2d)


def test_a_class_that_is_none():
    untouched(bert(), vcas.attach, "block_class: expected a class of modules, got 'BertLayer'", block_class="BertLayer")


def test_blocks_inside_blocks():
    model = nn.Sequential(nn.Sequential(nn.Sequential(nn.Linear(2, 2))))
    untouched(model, vcas.attach, "0: expected blocks side by side, but it contains the block 0.0", block_class=nn.Sequential)


def test_attaching_twice():
    model = bert()
    vcas.attach(model, verbose=False)
    with pytest.raises(vcas.VcasError, match="is attached already; detach it first"):
        vcas.attach(model)
    with pytest.raises(vcas.VcasError, match="a part of Sequential is attached already"):
        vcas.attach(nn.Sequential(model))


def test_copying_an_attached_model_whole():
    model = bert()
    vcas.attach(model, verbose=False)
    with pytest.raises(vcas.VcasError, match="is attached, and would not work when copied"):
        copy.deepcopy(model)
    vcas.detach(model)
    assert type(copy.deepcopy(model)) is type(model)


def test_detaching_what_is_not_attached():
    untouched(bert(), vcas.detach, "BertForSequenceClassification is not attached")


def test_batch_norm_in_a_block():
    model = nn.Sequential(Block(), Block(nn.BatchNorm1d(4)))
    untouched(model, vcas.attach, "1.norm: BatchNorm1d mixes the samples of a batch", block_class=Block)


def test_a_weight_tied_across_borders():
    model = nn.Sequential(Block(), Block(), nn.Linear(4, 4))
    model[2].weight = model[1].linear.weight
    untouched(model, vcas.attach, "is tied to a weight of 1", block_class=Block)


def test_a_weight_tied_between_blocks():
    model = bert()
    layers = model.bert.encoder.layer
    layers[1].intermediate.dense.weight = layers[0].intermediate.dense.weight
    untouched(model, vcas.attach, "so its gradient would cross the block's border")


def test_tied_embeddings_outside_the_blocks_are_fine():
    model = small.make(hf.GPT2LMHeadModel, "gpt2")
    assert model.lm_head.weight is model.transformer.wte.weight
    assert vcas.attach(model, verbose=False).fused


def test_a_hook_that_would_be_bypassed():
    model = bert()
    model.bert.encoder.layer[1].attention.register_forward_hook(lambda *_: None)
    untouched(model, vcas.attach, "encoder.layer.1.attention: has a hook .forward hooks. that a sampled block would bypass")


def test_a_forward_that_was_replaced():
    model = bert()
    layer = model.bert.encoder.layer[0]
    layer.forward = lambda hidden, *args, **kwargs: hidden
    untouched(model, vcas.attach, "expected the forward.. of its class, but another tool has replaced it")


def test_head_masks():
    model, inputs = bert(), small.batch("bert")
    vcas.attach(model, verbose=False)
    with pytest.raises(vcas.VcasError, match="head_mask: expected none"):
        model(**inputs, head_mask=torch.ones(small.LAYERS, small.HEADS))
    assert model(**inputs).loss.isfinite(), "the model still works"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hidden_act": "quick_gelu"}, "its activation is quick_gelu, not one of gelu"),
        ({"chunk_size_feed_forward": 2}, "it computes its feed-forward part in chunks"),
        ({"is_decoder": True}, "it is a decoder"),
    ],
)
def test_a_block_that_cannot_be_fused_is_sampled_as_a_module_and_the_table_says_why(change, reason, capsys):
    model = hf.BertForTokenClassification(hf.BertConfig(**small.BERT_LIKE, **change))
    attachment = vcas.attach(model)
    assert not attachment.fused
    assert f"not fused: bert.encoder.layer.0: {reason}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("compiled", "running", "message"),
    [
        ("2.13", "2.10.1+cpu", r"vcas: expected PyTorch 2\.11 to 2\.14, got 2\.10\.1\+cpu"),
        ("2.13", "2.12.0", r"vcas: expected PyTorch 2\.13, which this vcas was compiled against, got 2\.12\.0"),
    ],
)
def test_another_version_of_pytorch_is_refused(compiled, running, message):
    with pytest.raises(vcas.VcasError, match=message):
        check_version(compiled, running)
    check_version("2.13", "2.13.1+cu130")


def import_vcas(folder, **environment):
    command = [sys.executable, "-c", "import vcas"]
    variables = {**{k: v for k, v in os.environ.items() if k != "VCAS_LIBRARY"}, "PYTHONPATH": str(folder), **environment}
    return subprocess.run(command, capture_output=True, text=True, env=variables, timeout=120, cwd=folder)


def test_a_missing_build_is_named(tmp_path):
    copied = tmp_path / "copy" / "python" / "vcas"
    shutil.copytree(ROOT / "python" / "vcas", copied, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    result = import_vcas(copied.parent)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("vcas.errors.VcasError: vcas is not built: expected libvcas.so")


def test_a_named_library_that_is_none_is_refused(tmp_path):
    missing = import_vcas(ROOT / "python", VCAS_LIBRARY=str(tmp_path / "none.so"))
    assert "VCAS_LIBRARY: expected the file libvcas.so" in missing.stderr.splitlines()[-1]
    other = tmp_path / "other.so"
    other.write_bytes(b"no library")
    assert "expected a library of vcas" in import_vcas(ROOT / "python", VCAS_LIBRARY=str(other)).stderr.splitlines()[-1]


def test_a_cpu_without_the_fast_kernels_is_named():
    script = (
        "import small_models as small, vcas, transformers as hf\n"
        "vcas.attach(small.make(hf.BertForSequenceClassification, 'bert'))"
    )
    path = os.pathsep.join([str(ROOT / "python"), str(ROOT / "tests" / "python")])
    environment = {**os.environ, "PYTHONPATH": path, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=True)
    assert result.stdout.splitlines()[-1].startswith("slow on this CPU: the operators' fast kernels need AVX-512")
