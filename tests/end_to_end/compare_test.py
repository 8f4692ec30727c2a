"""vcas compare and vcas sweep on a tiny model: what it leaves, and that it goes on where it stopped."""

import json
import math

import pytest


@pytest.fixture(scope="module")
def compare_arguments(tiny_model, texts):
    return ["compare", "--model_name_or_path", tiny_model, "--train_file", texts[0], "--validation_file", texts[1],
            "--max_seq_length", 32, "--max_steps", 20, "--per_device_train_batch_size", 8, "--threads", 2,
            "--learning_rate", 0.003, "--cal_var_freq", 8]  # fmt: skip


@pytest.fixture(scope="module")
def compared(vcas, compare_arguments, tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared") / "out"
    result = vcas(*compare_arguments, "--methods", "exact,vcas,sb,ub", "--seeds", 2, "--output_dir", folder)
    assert result.returncode == 0, result.stderr
    return folder, result


def test_leaves_every_run_and_their_comparison(compared):
    folder, result = compared
    comparison = json.loads((folder / "compare.json").read_text())
    assert [(run["method"], run["seed"]) for run in comparison["runs"]] == [
        (method, seed) for seed in (42, 43) for method in ("exact", "vcas", "sb", "ub")
    ]
    for run in comparison["runs"]:
        summary = json.loads((folder / f"{run['method']}-seed-{run['seed']}" / "summary.json").read_text())
        assert run["summary"] == summary
        correct = run["per_example"]["accuracy"]
        assert correct.count("1") / len(correct) == pytest.approx(summary["eval_accuracy"])
    by_method = {entry["method"]: entry for entry in comparison["methods"]}
    assert by_method["exact"]["time_reduction"] is None
    for method in ("vcas", "sb", "ub"):
        losses = [run["summary"]["train_loss"] for run in comparison["runs"] if run["method"] == method]
        assert by_method[method]["train_loss"]["mean"] == pytest.approx(sum(losses) / 2)
        test = by_method[method]["against_exact"]["accuracy_by_example"]
        assert test["pairs"] == len(comparison["runs"][0]["per_example"]["accuracy"])
        assert test["p_value"] is None or 0 <= test["p_value"] <= 1
    assert by_method["ub"]["flops_reduction"]["mean"] == pytest.approx(0.44, abs=0.1)
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["method", "exact", "vcas", "sb", "ub"]


def test_goes_on_where_it_stopped(compared, vcas, compare_arguments, tmp_path):
    folder = tmp_path / "out"
    first = vcas(*compare_arguments, "--methods", "exact,ub", "--seeds", 1, "--output_dir", folder)
    assert first.returncode == 0, first.stderr
    kept = (folder / "exact-seed-42" / "summary.json").read_text()
    second = vcas(*compare_arguments, "--methods", "exact,ub", "--seeds", 2, "--output_dir", folder)
    assert second.returncode == 0, second.stderr
    assert "exact, seed 42" not in second.stderr and "exact, seed 43" in second.stderr
    assert (folder / "exact-seed-42" / "summary.json").read_text() == kept
    runs = json.loads((folder / "compare.json").read_text())["runs"]
    whole = json.loads((compared[0] / "compare.json").read_text())["runs"]
    losses = {(run["method"], run["seed"]): run["summary"]["train_loss"] for run in whole}
    assert len(runs) == 4
    for run in runs:
        assert math.isclose(run["summary"]["train_loss"], losses[run["method"], run["seed"]], rel_tol=0, abs_tol=0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--methods", "exact,vcaz"], ["--methods", "vcaz", "vcas"]),
        (["--methods", "exact,exact"], ["--methods", "twice"]),
        (["--methods", ""], ["--methods"]),
        (["--seeds", "0"], ["--seeds", "[1, 1000]", "0"]),
        (["--method", "vcas"], ["--method", "--methods"]),
    ],
)
def test_refuses_what_it_cannot_compare(vcas, compare_arguments, tmp_path, arguments, said):
    result = vcas(*compare_arguments, *arguments, "--output_dir", tmp_path / "out")
    assert result.returncode == 2, result.stderr
    for word in said:
        assert word in result.stderr
    assert not (tmp_path / "out").exists()


def test_refuses_other_settings_and_other_folders(compared, vcas, compare_arguments, tmp_path):
    before = (compared[0] / "compare.json").read_text()
    other = vcas(*compare_arguments, "--weight_decay", 0.1, "--output_dir", compared[0])
    assert other.returncode == 2 and "--weight_decay" in other.stderr
    assert (compared[0] / "compare.json").read_text() == before
    (tmp_path / "notes.txt").write_text("mine")
    foreign = vcas(*compare_arguments, "--output_dir", tmp_path)
    assert foreign.returncode == 2 and "--output_dir" in foreign.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_failing_run_ends_it_with_the_runs_status(vcas, compare_arguments, tmp_path):
    arguments = [value if value != 0.003 else 1e30 for value in compare_arguments]
    result = vcas(*arguments, "--methods", "exact", "--output_dir", tmp_path / "out")
    assert result.returncode == 1, result.stderr
    assert "expected a finite" in result.stderr


def test_sweeps_every_combination_against_exact_training(vcas, compare_arguments, tmp_path):
    arguments = ["sweep", *compare_arguments[1:], "--act_var_tau", "0.01,0.5", "--draw", "fixed,bernoulli"]
    result = vcas(*arguments, "--output_dir", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    sweep = json.loads((tmp_path / "out" / "sweep.json").read_text())
    names = ["exact"] + [f"act_var_tau={tau},draw={draw}" for tau in ("0.01", "0.5") for draw in ("fixed", "bernoulli")]
    assert [run["method"] for run in sweep["runs"]] == names
    assert "act_var_tau" not in sweep["settings"]
    reductions = {entry["method"]: entry["flops_reduction"]["mean"] for entry in sweep["methods"]}
    assert reductions["act_var_tau=0.5,draw=fixed"] > reductions["act_var_tau=0.01,draw=fixed"]
    again = vcas(*arguments, "--output_dir", tmp_path / "out")
    assert again.returncode == 0 and "seed" not in again.stderr
    assert again.stdout == result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], ["--act_var_tau", "--draw"]),
        (["--act_var_tau", "0.1,0"], ["--act_var_tau", "(0, 1]", "'0'"]),
        (["--act_var_tau", "0.1,"], ["--act_var_tau", "''"]),
        (["--per_device_train_batch_size", "8,16"], ["--per_device_train_batch_size", "--with_exact"]),
        (["--act_var_tau", "0.1,0.2", "--learning_rate", "0.1,0.2"], ["--learning_rate", "0.1,0.2"]),
    ],
)
def test_refuses_what_it_cannot_sweep(vcas, compare_arguments, tmp_path, arguments, said):
    result = vcas("sweep", *compare_arguments[1:], *arguments, "--output_dir", tmp_path / "out")
    assert result.returncode == 2, result.stderr
    for word in said:
        assert word in result.stderr
    assert not (tmp_path / "out").exists()
