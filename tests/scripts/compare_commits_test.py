"""Which differences compare_commits.py finds between two runs, and which runs it makes again."""

import sys
from pathlib import Path

import numpy
import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts"))
import compare_commits
from lib.commits import builds, differences, inputs, runs


def line(step, **changes):
    return {"step": step, "loss": 0.5, "step_ms": 1.0, "rho": [1.0, 0.5], "nu": {"a": 0.25}, "s": None} | changes


def places(comparison):
    return [(d.place, d.before, d.after) for d in comparison.differences]


def test_logs_that_differ_in_times_alone_are_equal():
    found = differences.compare_logs("metrics.jsonl", [line(1), line(2)], [line(1, step_ms=9.0), line(2, step_ms=7.0)])
    assert found.differences == []
    assert not found.only_before and not found.only_after


def test_the_smallest_change_of_a_number_is_found_with_step_and_place():
    changed = float(numpy.nextafter(0.5, 1))
    found = differences.compare_logs("metrics.jsonl", [line(1), line(2)], [line(1), line(2, rho=[1.0, changed])])
    assert places(found) == [("step 2, rho[1]", "0.5", repr(changed))]
    assert str(found) == f"metrics.jsonl: step 2, rho[1]: 0.5 -> {changed!r}"


def test_other_keys_that_differ_are_listed_behind_the_first_difference():
    changes = {"loss": 0.75, "nu": {"a": 0.5}}
    found = differences.compare_logs("metrics.jsonl", [line(1), line(2)], [line(1, **changes), line(2, **changes)])
    assert str(found) == "metrics.jsonl: step 1, loss: 0.5 -> 0.75 (also nu)"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"s": 0.0}, ("step 1, s", "null", "0.0")),
        ({"s": False}, ("step 1, s", "null", "false")),
        ({"rho": [1.0]}, ("step 1, rho[1]", "0.5", "absent")),
        ({"nu": {"b": 0.25}}, ("step 1, nu.a", "0.25", "absent")),
        ({"loss": 0}, ("step 1, loss", "0.5", "0")),
    ],
)
def test_values_of_other_kinds_differ(change, expected):
    found = differences.compare_logs("metrics.jsonl", [line(1)], [line(1, **change)])
    assert places(found)[0] == expected


def test_a_log_that_ends_early_differs():
    found = differences.compare_logs("metrics.jsonl", [line(1), line(2)], [line(1)])
    assert places(found) == [("length", "2 lines", "1 lines")]


def test_a_key_may_come_to_a_log_but_not_go():
    before, after = line(1), line(1, gated=[])
    assert differences.compare_logs("metrics.jsonl", [before], [after]).only_after == {"gated"}
    assert differences.compare_logs("metrics.jsonl", [before], [after]).differences == []
    assert places(differences.compare_logs("metrics.jsonl", [after], [before])) == [("step 1, gated", "[]", "absent")]
    lenient = differences.compare_logs("evaluations.jsonl", [after], [before], strict=False)
    assert (lenient.differences, lenient.only_before) == ([], {"gated"})


def test_ignored_keys_may_differ():
    found = differences.compare_logs("metrics.jsonl", [line(1)], [line(1, loss=2.0)], frozenset({"loss"}))
    assert found.differences == []


def test_summaries_are_compared_in_what_both_have():
    before = {"flops": {"exact": 4.0, "performed": 2.0}, "train_loss": 1.5, "train_seconds": 3.0, "method": "vcas"}
    after = {"flops": {"exact": 4.0, "performed": 3.0}, "train_loss": 1.5, "train_seconds": 4.0, "task": "text"}
    found = differences.compare_summaries("summary.json", before, after)
    assert places(found) == [("flops.performed", "2.0", "3.0")]
    assert (found.only_before, found.only_after) == ({"method"}, {"task"})


def test_tensors_are_compared_bit_for_bit():
    before = {"w": numpy.arange(6, dtype=numpy.float32).reshape(2, 3)}
    assert differences.compare_tensors("m", before, {"w": before["w"].copy()}).differences == []
    after = {"w": before["w"].copy()}
    after["w"][1, 2] = numpy.nextafter(numpy.float32(5), numpy.float32(6))
    (found,) = differences.compare_tensors("m", before, after).differences
    assert found.place == "w[1, 2], 1 of 6 values"
    assert (found.before, found.after) == ("5.0 (bits 40a00000)", "5.0000005 (bits 40a00001)")


def test_zeros_of_either_sign_differ_and_equal_nans_do_not():
    zeros = [{"w": numpy.array([numpy.nan, value], dtype=numpy.float32)} for value in (0.0, -0.0)]
    assert differences.compare_tensors("m", zeros[0], zeros[0]).differences == []
    (found,) = differences.compare_tensors("m", *zeros).differences
    assert (found.before, found.after) == ("0.0 (bits 00000000)", "-0.0 (bits 80000000)")


def test_tensors_of_other_shapes_types_or_names_differ():
    w = numpy.zeros((2, 3), dtype=numpy.float32)
    for other in (w.reshape(3, 2), w.astype(numpy.float64)):
        assert len(differences.compare_tensors("m", {"w": w}, {"w": other}).differences) == 1
    assert [d.place for d in differences.compare_tensors("m", {"w": w}, {"v": w}).differences] == ["v", "w"]
    lenient = differences.compare_tensors("m", {"w": w}, {"v": w}, strict=False)
    assert (lenient.differences, lenient.only_before, lenient.only_after) == ([], {"w"}, {"v"})


# Leaves what a run leaves, and counts how often it ran.
PROGRAM = """#!{python}
import json, os, pathlib, sys
import numpy
from safetensors.numpy import save_file

assert sys.argv[1] == "train"
flags = dict(argument[2:].split("=", 1) for argument in sys.argv[2:])
pathlib.Path(__file__).with_name("ran").open("a").write("x")
resumes = "resume_from_checkpoint" in flags
if {failure!r} and (resumes or not {only_resuming}):
    print({failure!r}, file=sys.stderr)
    sys.exit(2)
folder = pathlib.Path(flags["output_dir"])
(folder / "checkpoint-1").mkdir(parents=True)
lines = [dict(step=step, loss={loss}, step_ms=os.getpid()) for step in range(2 if resumes else 1, 4)]
(folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\\n" for line in lines))
(folder / "checkpoint-1" / "training_state.json").write_text(json.dumps(dict(version={version})))
for name in ("model", "checkpoint-1/model", "checkpoint-1/optimizer", "checkpoint-1/training_state"):
    save_file(dict(w=numpy.full(3, {weight}, dtype=numpy.float32)), folder / (name + ".safetensors"))
"""


@pytest.fixture
def side(tmp_path):
    """side(NAME, ...): a side whose program is made up."""

    def make(name, **changes):
        tree = tmp_path / name
        (tree / "build").mkdir(parents=True)
        values = {"loss": 0.5, "weight": 1.0, "failure": "", "only_resuming": False, "version": 1} | changes
        (tree / "build" / "vcas").write_text(PROGRAM.format(python=sys.executable, **values))
        (tree / "build" / "vcas").chmod(0o755)
        (tree / "build" / "libvcas.so").touch()
        return runs.Side(name, builds.Build(tree, tree / "build"), tmp_path / "runs")

    return make


RUN = runs.Run("a run, twice", {"seed": 1}, saved_step=1)


def times_run(side):
    return len((side.build.folder / "ran").read_text())


def test_equal_programs_give_equal_runs(side):
    before, after = side("before"), side("after")
    outcome = runs.compare_run(RUN, before, after)
    assert (outcome.verdict, outcome.detail) == ("equal", "")
    assert runs.compare_resumed(RUN, before, after).verdict == "equal"
    assert [comparison.file for comparison in outcome.comparisons] == [
        "metrics.jsonl", "model.safetensors", "checkpoint-1/model.safetensors", "checkpoint-1/optimizer.safetensors",
        "checkpoint-1/training_state.safetensors",
    ]  # fmt: skip


def test_programs_that_differ_are_told_apart_by_file(side):
    outcome = runs.compare_run(RUN, side("before"), side("after", loss=0.25, weight=2.0))
    assert outcome.verdict == "differs"
    assert outcome.detail.startswith("metrics.jsonl: step 1, loss: 0.5 -> 0.25; model.safetensors: w[0], 3 of 3 values: ")


def test_the_state_of_a_checkpoint_is_compared_where_its_version_is_the_same(side):
    outcome = runs.compare_run(RUN, side("before"), side("after", version=2))
    assert outcome.verdict == "equal"
    (noted,) = [comparison for comparison in outcome.comparisons if comparison.only_before]
    assert (noted.file, noted.only_before, noted.only_after) == (
        "checkpoint-1/training_state", {"version 1"}, {"version 2"},
    )  # fmt: skip


def test_times_in_a_checkpoint_may_differ():
    times = [{"history.seconds": numpy.array([value]), "history.loss": numpy.zeros(1)} for value in (1.0, 2.0)]
    assert differences.compare_tensors("m", *times).differences == []


def test_a_run_is_made_again_only_by_another_program_or_flags(side):
    before = side("before")
    first, second = before.take(RUN), before.take(RUN)
    assert (first.kept, second.kept) == (False, True)
    assert (first.seconds, first.processor_seconds) == (second.seconds, second.processor_seconds)
    assert min(first.seconds, first.processor_seconds) > 0
    assert before.take(runs.Run(RUN.name, {"seed": 2})).kept is False
    assert times_run(before) == 2
    program = before.build.program
    program.write_text(program.read_text() + "\n")
    assert before.take(runs.Run(RUN.name, {"seed": 2})).kept is False


def test_a_file_that_the_later_commit_does_not_leave_is_a_difference(side):
    before, after = side("before"), side("after")
    assert runs.compare_run(RUN, before, after).verdict == "equal"
    (after.take(RUN).folder / "metrics.jsonl").unlink()
    outcome = runs.compare_run(RUN, before, after)
    assert outcome.verdict == "differs"
    assert outcome.detail.startswith("expected the file ") and "metrics.jsonl" in outcome.detail


def test_a_run_that_fails_is_a_difference_and_tried_again(side):
    before, after = side("before"), side("after", failure="vcas: --seed: unknown key")
    for _ in range(2):
        outcome = runs.compare_run(RUN, before, after)
        assert (outcome.verdict, outcome.detail) == ("differs", "after: exit status 2: vcas: --seed: unknown key")
    assert (times_run(before), times_run(after)) == (1, 2)


@pytest.mark.parametrize(
    ("failure", "verdict"), [("expected state of version 2, got 1", "refused"), ("unknown flag", "differs")]
)
def test_a_checkpoint_may_be_refused_by_version_alone(side, failure, verdict):
    outcome = runs.compare_resumed(RUN, side("before"), side("after", failure=failure, only_resuming=True))
    assert (outcome.verdict, outcome.detail) == (verdict, f"exit status 2: {failure}")


def test_names_of_runs_are_distinct_as_folders(tmp_path):
    folders = [run.folder_name() for run in runs.all_runs(inputs.Inputs(*[tmp_path] * 4))]
    assert len(folders) == len(set(folders))
    # 5 methods and policies x 2 precisions x 2 accumulations x 2 thread counts, and some others.
    assert len(folders) > 40


@pytest.mark.parametrize(
    ("verdicts", "words", "status"),
    [
        (["equal", "equal"], "2 runs equal, 0 differ", 0),
        (["equal", "differs"], "1 runs equal, 1 differ", 1),
        (["equal", "refused"], "1 runs equal, 0 differ, 1 refused by version", 0),
        ([], "0 runs equal, 0 differ", 1),
    ],
)
def test_the_exit_status_is_of_the_runs(monkeypatch, capsys, tmp_path, verdicts, words, status):
    outcomes = [runs.Outcome("a run", verdict) for verdict in verdicts]
    monkeypatch.setattr(compare_commits, "two_builds", lambda *_: (builds.Build(builds.ROOT, tmp_path),) * 2)
    monkeypatch.setattr(compare_commits, "compare_all", lambda *_: outcomes)
    assert compare_commits.main(["--before", "HEAD"]) == status
    assert words in capsys.readouterr().out


def test_times_of_earlier_calls_are_counted_and_said(tmp_path):
    made = [runs.Taken(tmp_path, seconds, 90.0, kept, 0, "") for seconds, kept in ((60.0, True), (120.0, False))]
    outcomes = [runs.Outcome("a", "equal", taken=tuple(made))]
    assert compare_commits.times(outcomes) == (
        "3.0 minutes of training, 1.0 of them in an earlier call; 3.0 minutes of processor time"
    )


def test_keys_of_one_side_are_named_once(capsys):
    comparison = differences.Comparison("summary.json", only_after={"task", "world_size"})
    outcomes = [runs.Outcome(name, "equal", comparisons=(comparison,)) for name in ("a", "b")]
    assert compare_commits.not_compared(outcomes) == ["summary.json, after only: task, world_size"]


def test_the_tree_of_a_build_is_the_one_that_cmake_names(tmp_path):
    with pytest.raises(SystemExit, match="no CMakeCache.txt"):
        builds.existing_build(tmp_path)
    (tmp_path / "CMakeCache.txt").write_text("A:STRING=b\nCMAKE_HOME_DIRECTORY:INTERNAL=/some/tree\n")
    with pytest.raises(SystemExit, match="vcas is missing"):
        builds.existing_build(tmp_path)
    for name in ("vcas", "libvcas.so"):
        (tmp_path / name).touch()
    assert builds.existing_build(tmp_path).tree == Path("/some/tree")


def test_an_unknown_commit_is_named():
    with pytest.raises(SystemExit, match="--before: expected a commit, got 'no-such-commit'"):
        builds.build_commit("no-such-commit", ("vcas_cli",), 1)
