"""Statistics and pages of the experiments, on made runs."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def experiment():
    spec = importlib.util.spec_from_file_location("experiment", ROOT / "experiments" / "experiment.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def runs(losses, correct):
    return [{"summary": {"train_loss": loss, "flops": {"reduction": 0.25}}, "correct": row}
            for loss, row in zip(losses, correct)]


def test_differences_are_paired_by_seed(experiment):
    exact = runs((1.0, 2.0, 4.0), ("11", "10", "01"))
    # 1 %, 2 % and 3 % more: mean 2, sd 1, t(2) = 4.303, half width 4.303 / sqrt(3) = 2.484.
    other = runs((1.01, 2.04, 4.12), ("11", "10", "01"))
    assert experiment.loss_difference(other, exact) == "+2.0 (-0.5 – +4.5)"


def test_accuracies_are_paired_by_example(experiment):
    exact = runs((1, 1), ("1100", "1000"))
    other = runs((1, 1), ("1110", "1000"))
    # One of four examples gains half a point of share: 12.5 points, sd 25, half width 1.96 · 25 / 2 = 24.5.
    assert experiment.accuracy_difference(other, exact) == "+12.50 (-12.00 – +37.00)"
    assert experiment.accuracy_difference(exact, exact) == "+0.00 (+0.00 – +0.00)"


def test_examples_are_a_text_a_list_or_what_older_runs_have(experiment):
    rows = [{"per_example": {"accuracy": "101"}}, {"per_example": {"accuracy": [1, 0.0, 1]}}, {"correct": "101"}]
    assert experiment.correct(rows).tolist() == [[1, 0, 1]] * 3


def test_figures_of_a_summary_are_found_by_their_keys(experiment):
    assert list(experiment.summaries(runs((3, 5), ("1", "1")), "flops", "reduction")) == [0.25, 0.25]
    assert experiment.spread([0.1, 0.3], 1, scale=100) == "20.0 ± 14.1"


def test_a_variant_gets_a_folder_of_its_own(experiment):
    names = ["VCAS", "VCAS τ=0.1", "VCAS τ=0.01", "paper, fixed", "paper, bernoulli", "paper, bernoulli, F=10"]
    assert len({experiment.slug(name) for name in names}) == len(names)
    assert "/" not in experiment.slug("a/b")


def test_results_go_between_the_marks_of_the_page(experiment, tmp_path, monkeypatch, capsys):
    page = tmp_path / "docs" / "experiments" / "made.md"
    page.parent.mkdir(parents=True)
    page.write_text("question\n<!-- results -->\nold\n<!-- end of results -->\nanswer\n")
    monkeypatch.setattr(experiment, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["experiments/made.py"])
    experiment.publish("new")
    assert page.read_text() == "question\n<!-- results -->\nnew\n<!-- end of results -->\nanswer\n"
    assert "new" in capsys.readouterr().out
    page.write_text("no marks\n")
    with pytest.raises(SystemExit, match="expected the lines"):
        experiment.publish("new")
    assert page.read_text() == "no marks\n"


def test_every_experiment_has_a_page_with_results(experiment):
    scripts = {path.stem for path in (ROOT / "experiments").glob("*.py")} - {"experiment"}
    for name in scripts:
        text = (ROOT / "docs" / "experiments" / f"{name}.md").read_text()
        results = text.partition(experiment.BEGIN)[2].partition(experiment.END)[0]
        assert results.count("|") > 20, name
        assert "**Question.**" in text and "**Answer.**" in text and "**Limits.**" in text, name
