"""vcas report: what it takes, what it writes where, and what it refuses."""

import json
import re
import shutil

import pytest
from made_runs import make_comparison, make_run


def content_of(page):
    found = re.search(r'<script type="application/json" id="report">(.*?)</script>', page.read_text())
    return json.loads(found[1])


def charts_of(page):
    return {chart["id"]: chart for section in content_of(page)["sections"] for chart in section["views"][0]["charts"]}


def test_shows_a_run_as_training_leaves_it(trained, vcas, tmp_path):
    folder, _ = trained
    page = tmp_path / "page.html"
    result = vcas("report", folder, "--output", page)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{page}\n"
    charts = charts_of(page)
    assert set(charts) == {"loss-over-steps", "loss-over-time", "loss-over-flops", "accuracy", "macro-f1", "matthews",
                           "evaluation-loss", "rho", "nu", "s", "variances"}  # fmt: skip
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    summary = json.loads((folder / "summary.json").read_text())
    loss = charts["loss-over-flops"]["data"][0]
    assert loss["y"] == pytest.approx([line["loss"] for line in lines], rel=1e-5)  # six digits
    assert loss["x"][-1] == pytest.approx(summary["flops"]["performed"], rel=1e-5)
    assert charts["loss-over-time"]["data"][0]["x"][-1] == pytest.approx(summary["train_seconds"], rel=1e-5)
    assert charts["accuracy"]["data"][0]["y"] == pytest.approx([summary["eval_accuracy"]], rel=1e-5)
    assert {trace["name"] for trace in charts["variances"]["data"]} >= {"V_s", "τ_act·V_s", "τ_w·V_s"}


def test_lies_in_the_folder_that_is_given_alone(vcas, tmp_path):
    first = make_comparison(tmp_path / "first", {"exact": "exact", "vcas": "vcas"}, 2)
    second = make_run(tmp_path / "second", finished=False, probed=True)
    assert vcas("report", first, cwd=tmp_path).returncode == 0
    assert len(content_of(first / "report.html")["runs"]["rows"]) == 4
    result = vcas("report", first, second, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    content = content_of(tmp_path / "report.html")
    assert [section["id"] for section in content["sections"]] == ["training", "sampling", "gradients"]
    assert content["runs"]["rows"][0][:2] == ["second", "under way"]
    assert vcas("report", first, cwd=tmp_path).returncode == 0, "the page of before is no run"


def test_takes_a_comparison_as_an_older_vcas_left_it(vcas, tmp_path):
    folder = make_comparison(tmp_path / "older", {"exact": "exact", "vcas": "vcas"}, 2)
    compared = json.loads((folder / "compare.json").read_text())
    for run in compared["runs"]:
        run["correct"] = run.pop("per_example")["accuracy"]
        for key in ("eval_metrics", "eval_macro_f1", "eval_matthews"):
            del run["summary"][key]
    (folder / "compare.json").write_text(json.dumps(compared))
    result = vcas("report", folder)
    assert result.returncode == 0, result.stderr
    comparison, tests = content_of(folder / "report.html")["tables"]
    assert comparison["header"][3] == "accuracy % ↑"
    assert [row[:2] + row[5:] for row in tests["rows"]] == [
        ["vcas", "train loss, by seed", "2"],
        ["vcas", "accuracy in %, by seed", "2"],
        ["vcas", "accuracy in %, by example", "50"],
    ]


def spoil_metrics(run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    (run / "metrics.jsonl").write_text("\n".join([*lines[:2], lines[2][:40], *lines[3:]]) + "\n")


def spoil_summary(run):
    (run / "summary.json").write_text('{\n"method": "vcas",\n"seed": }\n')


def lack_total(run):
    summary = json.loads((run / "summary.json").read_text())
    del summary["flops"]["performed"]
    (run / "summary.json").write_text(json.dumps(summary))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_metrics, ["metrics.jsonl:3", "not JSON"]),
        (spoil_summary, ["summary.json:3", "not JSON"]),
        (lack_total, ["summary.json", "flops.performed"]),
        (lambda run: (run / "metrics.jsonl").unlink(), ["run", "metrics.jsonl"]),
        (shutil.rmtree, ["run", "existing folder"]),
    ],
)
def test_refuses_what_it_cannot_read_and_writes_nothing(vcas, tmp_path, spoil, said):
    run = make_run(tmp_path / "run", steps=100)
    spoil(run)
    result = vcas("report", run, "--output", tmp_path / "page.html")
    assert result.returncode == 2, result.stderr
    for word in said:
        assert word in result.stderr
    assert list(tmp_path.rglob("*.html*")) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], ["RUN"]),
        (["run", "--output", "no/page.html"], ["--output", "no/page.html"]),
        (["run", "--output", "run"], ["--output", "folder"]),
        (["run", "--outptu", "page.html"], ["--outptu", "--output"]),
        (["run/metrics.jsonl"], ["metrics.jsonl", "folder"]),
    ],
)
def test_refuses_wrong_arguments(vcas, tmp_path, arguments, said):
    make_run(tmp_path / "run", steps=100)
    result = vcas("report", *arguments, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    for word in said:
        assert word in result.stderr
    assert list(tmp_path.rglob("*.html*")) == []
