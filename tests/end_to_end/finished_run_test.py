"""A finished run that is to go on: it is taken for done by a command with its settings, and by no other."""

import json
import shutil

import pytest
from conftest import write_texts


@pytest.fixture(scope="module")
def arguments(train_arguments):
    def made(method="exact", **more):
        flags = {"max_steps": 2, "save_strategy": "steps", "threads": 1, **more}
        return [*train_arguments(method, **flags), "--resume_from_checkpoint", "auto"]

    return made


@pytest.fixture(scope="module")
def finished(vcas, arguments, tmp_path_factory):
    """Output folders of runs by method, not to be changed."""
    folders = {}
    for method, save in [("exact", "steps"), ("vcas", "no"), ("sb", "no"), ("ub", "no")]:
        folders[method] = tmp_path_factory.mktemp("finished") / method
        result = vcas(*arguments(method, save_strategy=save), "--output_dir", folders[method])
        assert result.returncode == 0, result.stderr
    return folders


@pytest.mark.parametrize(
    ("method", "changed"),
    [
        ("exact", {"learning_rate": 0.1}),
        ("exact", {"weight_decay": 0.1, "warmup_steps": 1, "lr_scheduler_type": "cosine", "max_grad_norm": 0.5,
                   "seed": 7, "train_sampling_strategy": "group_by_length", "per_device_train_batch_size": 4,
                   "max_seq_length": 31, "bf16": "true", "keep_zeros": "true"}),
        ("vcas", {"act_var_tau": 0.1, "controller": "paper", "draw": "bernoulli", "benefit_gate": "false"}),
        ("sb", {"sb_beta": 1, "sb_history_size": 7}),
        ("ub", {"ub_keep_ratio": 0.5, "draw": "bernoulli"}),
    ],
    ids=["one", "exact", "vcas", "sb", "ub"],
)  # fmt: skip
def test_each_other_setting_is_named(vcas, arguments, finished, method, changed):
    before = (finished[method] / "summary.json").read_bytes()
    result = vcas(*arguments(method, save_strategy="no", **changed), "--output_dir", finished[method])
    assert result.returncode == 2, result.stderr
    assert "--overwrite_output_dir" in result.stderr
    assert result.stdout == ""
    for name in changed:
        assert f"{name} " in result.stderr
    assert ("weight_decay" in result.stderr) == ("weight_decay" in changed)
    assert (finished[method] / "summary.json").read_bytes() == before


@pytest.mark.parametrize("flag", ["train_file", "validation_file", "model_name_or_path"])
def test_other_contents_under_the_same_name_are_named(vcas, arguments, texts, tiny_model, tmp_path, flag):
    inputs = {"train_file": shutil.copy(texts[0], tmp_path / "train.tsv"),
              "validation_file": shutil.copy(texts[1], tmp_path / "dev.tsv"),
              "model_name_or_path": shutil.copytree(tiny_model, tmp_path / "model")}  # fmt: skip
    command = [*arguments(**inputs), "--output_dir", tmp_path / "out"]
    assert vcas(*command).returncode == 0
    assert "holds the finished run" in vcas(*command).stderr
    if flag == "model_name_or_path":
        config = json.loads((tmp_path / "model" / "config.json").read_text())
        config["hidden_dropout_prob"] = 0.25
        (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    else:
        write_texts(inputs[flag], 300, seed=5)
    result = vcas(*command)
    assert result.returncode == 2, result.stderr
    named = {"train_file": "training data", "validation_file": "held-out data", "model_name_or_path": flag}
    assert named[flag] in result.stderr


def test_what_changes_no_result_does_not_matter(vcas, arguments, finished):
    result = vcas(*arguments(logging_steps=1, save_steps=7, per_device_eval_batch_size=3, s_update_step=0.5),
                  "--output_dir", finished["exact"])  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "holds the finished run" in result.stderr


def test_more_steps_go_on_from_the_last_checkpoint(vcas, arguments, finished, tmp_path):
    out = shutil.copytree(finished["exact"], tmp_path / "out")
    result = vcas(*arguments(max_steps=4, lr_scheduler_type="constant"), "--output_dir", out)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["steps"] == 4


@pytest.mark.parametrize("method", ["exact", "ub"], ids=["with checkpoints", "without"])
def test_a_model_that_is_gone_is_made_again(vcas, arguments, finished, tmp_path, method):
    out = shutil.copytree(finished[method], tmp_path / "out")
    model = (out / "model.safetensors").read_bytes()
    (out / "model.safetensors").unlink()
    save = "steps" if method == "exact" else "no"
    result = vcas(*arguments(method, save_strategy=save), "--output_dir", out)
    assert result.returncode == 0, result.stderr
    assert "without its model.safetensors" in result.stderr
    assert (out / "model.safetensors").read_bytes() == model
    assert json.loads((out / "summary.json").read_text())["steps"] == 2


def test_compare_takes_no_run_of_other_data(vcas, arguments, texts, tmp_path):
    data = shutil.copy(texts[0], tmp_path / "train.tsv")
    flags = arguments(train_file=data)[1:-2]
    method = flags.index("--method")
    command = ["compare", *flags[:method], *flags[method + 2 :], "--methods", "exact", "--output_dir", tmp_path / "out"]
    assert vcas(*command, "--seeds", 1).returncode == 0
    write_texts(data, 300, seed=5)
    more = vcas(*command, "--seeds", 2)
    assert more.returncode == 2, more.stderr
    assert "training data" in more.stderr and "seed 42" in more.stderr
    # As it lies there after a kill between the end of the run and the line of compare.json.
    comparison = json.loads((tmp_path / "out" / "compare.json").read_text())
    (tmp_path / "out" / "compare.json").write_text(json.dumps({**comparison, "runs": []}))
    again = vcas(*command, "--seeds", 1)
    assert again.returncode == 2, again.stderr
    assert "training data" in again.stderr
