"""vcas calibrate, and what a run does with a cost table."""

import json

import pytest
from saved_weights import assert_same_bits, weights


@pytest.fixture(scope="module")
def cost_table(vcas, tiny_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("costs") / "costs.json"
    result = vcas("calibrate", "--model_name_or_path", tiny_model, "--threads", 2, "--seconds", 1, "--output", path)
    assert result.returncode == 0, result.stderr
    return path


def changed(path, folder, **linear):
    """The table with other costs of weight gradients and of the block."""
    table = json.loads(path.read_text())
    for entry in table["entries"]:
        entry["weight_gradients"] = [{**costs, **linear} for costs in entry["weight_gradients"]]
        entry["backward"] = {"row": linear["row"], "draw": linear["draw"], "batch_row": 0}
    other = folder / "other.json"
    other.write_text(json.dumps(table))
    return other


def test_calibrate_writes_an_entry_and_adds_others(vcas, tiny_model, cost_table, tmp_path):
    table = json.loads(cost_table.read_text())
    (entry,) = table["entries"]
    assert (entry["block"], entry["device"]) == ("transformer_layer 32x64", "cpu")
    assert (entry["dtype"], entry["threads"]) == ("float32", 2)
    assert len(entry["weight_gradients"]) == 6
    assert entry["backward"]["row"] > 0
    more = tmp_path / "more.json"
    more.write_text(cost_table.read_text())
    result = vcas("calibrate", "--model_name_or_path", tiny_model, "--threads", 1, "--bf16", "--seconds", 1,
                  "--output", more)  # fmt: skip
    assert result.returncode == 0, result.stderr
    entries = json.loads(more.read_text())["entries"]
    assert [(each["dtype"], each["threads"]) for each in entries] == [("float32", 2), ("bfloat16", 1)]
    assert json.loads(result.stdout) == entries[1]


def test_unknown_costs_are_said_once(trained, vcas, train_arguments, tmp_path):
    assert trained[1].stderr.count("vcas calibrate") == 1
    for arguments in (train_arguments("exact"), [*train_arguments("vcas"), "--benefit_gate", "false"]):
        result = vcas(*arguments, "--output_dir", tmp_path / "run", "--overwrite_output_dir")
        assert result.returncode == 0, result.stderr
        assert "vcas calibrate" not in result.stderr


def test_what_never_pays_runs_exactly_and_says_so(vcas, train_arguments, cost_table, tmp_path):
    expensive = changed(cost_table, tmp_path, row=0, draw=1, scored_row=0)
    exact = vcas(*train_arguments("exact"), "--output_dir", tmp_path / "exact")
    gated = vcas(*train_arguments("vcas"), "--cost_table", expensive, "--output_dir", tmp_path / "gated")
    for result in (exact, gated):
        assert result.returncode == 0, result.stderr
    assert_same_bits(weights(tmp_path / "exact"), weights(tmp_path / "gated"))
    lines = [json.loads(line) for line in (tmp_path / "gated" / "metrics.jsonl").read_text().splitlines()]
    gated = [line["gated"] for line in lines if "gated" in line]  # every other line is of an adaptation
    assert len(gated) >= 3
    assert all(len(parts["weights"]) > 0 for parts in gated)
    assert json.loads((tmp_path / "gated" / "cost_table.json").read_text()) == json.loads(expensive.read_text())


def test_what_always_pays_is_sampled_as_without_a_gate(vcas, train_arguments, cost_table, tmp_path):
    cheap = changed(cost_table, tmp_path, row=1, draw=0, scored_row=0)
    results = [
        vcas(*train_arguments("vcas"), "--cost_table", cheap, "--output_dir", tmp_path / "gate"),
        vcas(*train_arguments("vcas"), "--benefit_gate", "false", "--output_dir", tmp_path / "none"),
    ]
    for result in results:
        assert result.returncode == 0, result.stderr
    assert_same_bits(weights(tmp_path / "gate"), weights(tmp_path / "none"))
    assert "gated" not in (tmp_path / "gate" / "metrics.jsonl").read_text()
    assert not (tmp_path / "none" / "cost_table.json").exists()


def test_a_resumed_run_decides_by_its_checkpoint(vcas, train_arguments, cost_table, tmp_path):
    expensive = changed(cost_table, tmp_path, row=0, draw=1, scored_row=0)
    arguments = train_arguments("vcas", save_strategy="steps", save_steps=30)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    assert vcas(*arguments, "--cost_table", expensive, "--output_dir", whole).returncode == 0
    expensive.unlink()
    result = vcas(*arguments, "--cost_table", expensive, "--output_dir", resumed, "--resume_from_checkpoint",
                  whole / "checkpoint-30")  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert_same_bits(weights(whole), weights(resumed))
    assert (resumed / "cost_table.json").read_text() == (whole / "cost_table.json").read_text()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "costs.json"),
        ("{", "costs.json:1"),
        ('{"entries": [{"hidden_size": 32}]}', "entries[0]: expected the key 'intermediate_size'"),
        ('{"entries": []}', "expected an entry for transformer_layer 32x64"),
    ],
)
def test_a_bad_cost_table_changes_nothing(vcas, train_arguments, tmp_path, content, said):
    path = tmp_path / "costs.json"
    if content is not None:
        path.write_text(content)
    result = vcas(*train_arguments("vcas"), "--cost_table", path, "--output_dir", tmp_path / "run")
    assert result.returncode == 2
    assert said in result.stderr
    assert not (tmp_path / "run").exists()


def test_an_entry_of_other_linears_changes_nothing(vcas, train_arguments, cost_table, tmp_path):
    table = json.loads(cost_table.read_text())
    table["entries"][0]["weight_gradients"].pop()
    path = tmp_path / "costs.json"
    path.write_text(json.dumps(table))
    result = vcas(*train_arguments("vcas"), "--cost_table", path, "--output_dir", tmp_path / "run")
    assert result.returncode == 2
    assert "6 weight_gradients" in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("method, gate", [("exact", "true"), ("vcas", "false")])
def test_a_cost_table_that_nobody_reads_is_refused(vcas, train_arguments, cost_table, tmp_path, method, gate):
    result = vcas(*train_arguments(method), "--benefit_gate", gate, "--cost_table", cost_table, "--output_dir",
                  tmp_path / "run")  # fmt: skip
    assert result.returncode == 2
    assert "--cost_table" in result.stderr
    assert not (tmp_path / "run").exists()


def test_overwriting_a_gated_run_leaves_no_cost_table(vcas, train_arguments, cost_table, tmp_path):
    arguments = train_arguments("vcas", max_steps=4)
    assert vcas(*arguments, "--cost_table", cost_table, "--output_dir", tmp_path / "run").returncode == 0
    assert (tmp_path / "run" / "cost_table.json").exists()
    assert vcas(*arguments, "--overwrite_output_dir", "--output_dir", tmp_path / "run").returncode == 0
    assert not (tmp_path / "run" / "cost_table.json").exists()


@pytest.mark.parametrize("missing", ["--model_name_or_path", "--output"])
def test_calibrate_names_what_is_missing(vcas, tiny_model, tmp_path, missing):
    flags = {"--model_name_or_path": tiny_model, "--output": tmp_path / "costs.json"}
    del flags[missing]
    result = vcas("calibrate", *[part for flag in flags.items() for part in flag])
    assert result.returncode == 2
    assert missing in result.stderr
