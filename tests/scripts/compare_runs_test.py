import importlib.util
import json
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/lib/compare_runs.py"
spec = importlib.util.spec_from_file_location("compare_runs", SCRIPT)
compare_runs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(compare_runs)


def summary(**changes):
    return {
        "method": "exact",
        "seed": 42,
        "steps": 100,
        "train_loss": 0.75,
        "eval_loss": 0.8,
        "eval_accuracy": 0.8125,
        "train_seconds": 200.0,
        "adaptation_seconds": 0.0,
        "step_ms": {"median": 2000.0, "p10": 1, "p90": 3},
        "flops": {"exact": 1e12, "performed": 1e12, "reduction": 0.0},
        "threads": 2,
    } | changes


def vcas_summary(**changes):
    flops = {"exact": 1e12, "performed": 6e11, "reduction": 0.4}
    values = {"method": "vcas", "train_seconds": 132.0, "adaptation_seconds": 6.6, "train_loss": 0.76, "flops": flops}
    return summary(**(values | changes))


@pytest.fixture
def runs(tmp_path):
    def write(exact, vcas):
        for name, values in (("exact", exact), ("vcas", vcas)):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "summary.json").write_text(json.dumps(values))
        return [str(tmp_path / "exact"), str(tmp_path / "vcas")]

    return write


def test_shares_are_those_of_the_definitions():
    found = compare_runs.comparison(summary(), vcas_summary())
    assert found["flops_saved"] == 0.4
    assert found["time_saved"] == pytest.approx(0.34)
    assert found["time_per_flops"] == pytest.approx(0.85)
    assert found["adaptation_share"] == pytest.approx(0.05)


def test_prints_every_row_and_both_folders(runs, capsys):
    folders = runs(summary(), vcas_summary())
    assert compare_runs.main(folders) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["train", "loss", "0.7500", "0.7600"] in lines
    assert ["evaluation", "accuracy", "81.2", "%", "81.2", "%"] in lines
    assert ["FLOPs", "saved", "40.0", "%"] in lines
    assert ["time", "saved", "34.0", "%"] in lines
    assert ["time", "saved", "/", "FLOPs", "saved", "0.85"] in lines
    assert ["time", "in", "adaptation", "5.0", "%"] in lines
    assert ["exact", "model:", folders[0]] in lines
    assert ["VCAS", "model:", folders[1]] in lines


def test_shows_the_metric_that_a_task_is_judged_by(runs, capsys):
    listed = [{"name": "loss", "greater_is_better": False}, {"name": "perplexity", "greater_is_better": False}]
    language = {"eval_accuracy": None, "eval_perplexity": 24.5, "eval_metrics": listed}
    assert compare_runs.main(runs(summary(**language), vcas_summary(**language | {"eval_perplexity": 25}))) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["evaluation", "perplexity", "24.5000", "25.0000"] in lines
    nothing = {"eval_accuracy": None, "eval_loss": None}
    assert compare_runs.main(runs(summary(**nothing), vcas_summary(**nothing))) == 0
    assert "evaluation" not in capsys.readouterr().out


def test_time_per_flops_is_left_open_when_no_flops_were_saved(runs, capsys):
    nothing = {"exact": 1e12, "performed": 1.02e12, "reduction": -0.02}
    assert compare_runs.main(runs(summary(), vcas_summary(flops=nothing))) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["time", "saved", "/", "FLOPs", "saved", "-"] in lines
    assert ["FLOPs", "saved", "-2.0", "%"] in lines


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 99}, "expected two runs of the same steps, got 100 and 99"),
        ({"seed": 1}, "expected two runs of the same seed, got 42 and 1"),
        ({"train_loss": None}, "expected a number as train_loss, got null"),
        ({"flops": {}}, "expected a number as flops.exact, got null"),
    ],
)
def test_refuses_what_cannot_be_compared(runs, capsys, changes, message):
    assert compare_runs.main(runs(summary(), vcas_summary(**changes))) == 2
    assert message in capsys.readouterr().err


def test_names_the_missing_file(tmp_path, capsys):
    assert compare_runs.main([str(tmp_path), str(tmp_path)]) == 2
    assert f"{tmp_path}/summary.json: expected the summary of a finished run" in capsys.readouterr().err


def test_refuses_a_broken_file(runs, tmp_path, capsys):
    folders = runs(summary(), vcas_summary())
    (tmp_path / "vcas" / "summary.json").write_text('{"method": "vcas", ')
    assert compare_runs.main(folders) == 2
    assert "expected JSON" in capsys.readouterr().err
