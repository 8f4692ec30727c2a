"""A NaN or an infinity, wherever it comes from, ends what it spoils, and is called by its place."""

import hashlib
import json
import shutil

import numpy
import pytest
from safetensors.numpy import load_file, save_file

NAN, INFINITY = float("nan"), float("inf")


def spoil(file, tensor, value):
    """One element of one tensor."""
    tensors = {name: array.copy() for name, array in load_file(file).items()}
    name = next(name for name in sorted(tensors) if tensor in name)
    tensors[name].flat[tensors[name].size // 2] = value
    save_file(tensors, file, metadata={"format": "pt"})
    return name


def renew_manifest(folder):
    """As if the run had written it so: only the value is wrong, and no byte was changed on the disk."""
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text())
    for name, entry in manifest["files"].items():
        entry["size"] = (folder / name).stat().st_size
        entry["sha256"] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    file.write_text(json.dumps(manifest))


@pytest.fixture
def model(tiny_model, tmp_path):
    return shutil.copytree(tiny_model, tmp_path / "model")


WEIGHTS = ["word_embeddings", "position_embeddings", "layer.0.attention.self.query.weight",
           "layer.1.output.dense.bias", "layer.1.output.LayerNorm.weight"]  # fmt: skip


@pytest.mark.parametrize("value", [NAN, -INFINITY])
@pytest.mark.parametrize("tensor", WEIGHTS)
def test_in_a_weight_of_the_base_model(vcas, train_arguments, model, tmp_path, tensor, value):
    name = spoil(model / "model.safetensors", tensor, value)
    result = vcas(*train_arguments("exact", model_name_or_path=model), "--output_dir", tmp_path / "out")
    assert result.returncode == 2, result.stderr
    assert name in result.stderr and "model.safetensors" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("tensor", ["classifier.weight", "classifier.bias", "pooler.dense.weight"])
def test_in_a_weight_that_is_evaluated(vcas, trained, texts, tmp_path, tensor):
    model = shutil.copytree(trained[0], tmp_path / "model")
    name = spoil(model / "model.safetensors", tensor, NAN)
    result = vcas("eval", "--model_name_or_path", model, "--validation_file", texts[1], "--max_seq_length", 32)
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert name in result.stderr


@pytest.fixture
def checkpoint(vcas, train_arguments, tmp_path):
    arguments = [*train_arguments(max_steps=10, save_strategy="steps", save_steps=5), "--output_dir", tmp_path / "out"]
    result = vcas(*arguments)
    assert result.returncode == 0, result.stderr
    shutil.rmtree(tmp_path / "out" / "checkpoint-10")
    (tmp_path / "out" / "summary.json").unlink()
    return tmp_path / "out" / "checkpoint-5", [*arguments, "--resume_from_checkpoint", "auto"]


@pytest.mark.parametrize(
    ("file", "tensor"),
    [
        ("optimizer.safetensors", "exp_avg.encoder"),
        ("optimizer.safetensors", "exp_avg_sq."),
        ("training_state.safetensors", "method.0"),
        ("model.safetensors", "layer.1.intermediate.dense.weight"),
    ],
)
def test_in_a_checkpoint(vcas, checkpoint, file, tensor):
    folder, arguments = checkpoint
    name = spoil(folder / file, tensor, NAN)
    renew_manifest(folder)
    result = vcas(*arguments)
    assert result.returncode == 2, result.stderr
    assert name in result.stderr and file in result.stderr


def test_in_the_numbers_of_a_checkpoint(vcas, checkpoint):
    folder, arguments = checkpoint
    file = folder / "training_state.json"
    file.write_text(file.read_text().replace('"last_logged_step": 5', '"last_logged_step": NaN'))
    renew_manifest(folder)
    result = vcas(*arguments)
    assert result.returncode == 2, result.stderr
    assert "training_state.json" in result.stderr


@pytest.mark.parametrize("method", ["exact", "vcas", "sb", "ub"])
def test_in_a_step(vcas, train_arguments, tmp_path, method):
    """A learning rate that makes weights infinite."""
    out = tmp_path / "out"
    result = vcas(*train_arguments(method, learning_rate=1e38, max_steps=40, logging_steps=1), "--output_dir", out)
    assert result.returncode == 1, result.stderr
    assert result.stdout == ""
    assert "not finite: weight" in result.stderr or "NaN or Inf in" in result.stderr
    assert "examples" in result.stderr
    assert not (out / "summary.json").exists() and not (out / "model.safetensors").exists()


@pytest.mark.parametrize("key", ["layer_norm_eps", "hidden_dropout_prob", "initializer_range"])
def test_in_a_configuration(vcas, train_arguments, model, tmp_path, key):
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, key: NAN}))
    result = vcas(*train_arguments("exact", model_name_or_path=model), "--output_dir", tmp_path / "out")
    assert result.returncode == 2, result.stderr
    assert "config.json" in result.stderr


@pytest.mark.parametrize("flag", ["learning_rate", "weight_decay", "act_var_tau", "num_train_epochs"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_in_a_flag(vcas, train_arguments, tmp_path, flag, value):
    result = vcas(*train_arguments("vcas", **{flag: value}), "--output_dir", tmp_path / "out")
    assert result.returncode == 2
    assert f"--{flag}" in result.stderr and value in result.stderr


def test_in_a_cost_table(vcas, train_arguments, tmp_path):
    table = tmp_path / "costs.json"
    table.write_text('{"version": 1, "costs": [{"block": "x", "backward": NaN}]}')
    result = vcas(*train_arguments("vcas", cost_table=table), "--output_dir", tmp_path / "out")
    assert result.returncode == 2
    assert "costs.json" in result.stderr


def test_a_nan_is_what_these_tests_put_in(model):
    name = spoil(model / "model.safetensors", WEIGHTS[0], NAN)
    assert numpy.isnan(load_file(model / "model.safetensors")[name]).sum() == 1
