"""What a run may remove and overwrite: only what a run wrote, and never what it reads."""

import json
import shutil

import numpy
import pytest
from program import start_vcas, wait_for_lines
from safetensors.numpy import load_file


@pytest.fixture
def run_arguments(train_arguments):
    def arguments(**more):
        return train_arguments("exact", **{"max_steps": 6, "save_strategy": "steps", "save_steps": 3, **more})

    return arguments


@pytest.fixture
def finished(vcas, run_arguments, tmp_path):
    out = tmp_path / "out"
    result = vcas(*run_arguments(), "--output_dir", out)
    assert result.returncode == 0, result.stderr
    return out


def content(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_base_model_inside_the_output_folder_stays(vcas, run_arguments, finished):
    before = content(finished)
    result = vcas(*run_arguments(model_name_or_path=finished / "checkpoint-3"), "--output_dir", finished,
                  "--overwrite_output_dir")  # fmt: skip
    assert result.returncode == 2
    assert "checkpoint-3" in result.stderr and "remove or overwrite" in result.stderr
    assert content(finished) == before


def test_a_base_model_around_the_output_folder_stays(vcas, run_arguments, tiny_model, tmp_path):
    model = shutil.copytree(tiny_model, tmp_path / "model")
    before = content(model)
    for more in [[], ["--overwrite_output_dir"]]:
        result = vcas(*run_arguments(model_name_or_path=model), "--output_dir", model / "out", *more)
        assert result.returncode == 0, result.stderr
        now = content(model)
        assert {path: now[path] for path in before} == before


def test_data_with_the_name_of_a_result_stay(vcas, run_arguments, texts, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    rows = [line.split("\t") for line in texts[0].read_text().splitlines()[1:]]
    data = out / "metrics.jsonl"
    data.write_text("".join(json.dumps({"sentence": text, "label": label}) + "\n" for text, label in rows))
    before = content(out)
    for more in [[], ["--overwrite_output_dir"], ["--resume_from_checkpoint", "auto"]]:
        result = vcas(*run_arguments(train_file=data), "--output_dir", out, *more)
        assert result.returncode == 2, result.stderr
        assert "metrics.jsonl" in result.stderr
        assert content(out) == before


def test_overwriting_keeps_what_no_run_wrote(vcas, run_arguments, finished):
    others = ["notes.md", "checkpoint-best.txt", "checkpoint-3/notes.md", "events.out.tfevents.1.host.2.0"]
    for name in others:
        (finished / name).write_text("mine")
    result = vcas(*run_arguments(max_steps=2, save_steps=1), "--output_dir", finished, "--overwrite_output_dir")
    assert result.returncode == 0, result.stderr
    for name in others:
        assert (finished / name).read_text() == "mine"
    assert [path.name for path in (finished / "checkpoint-3").iterdir()] == ["notes.md"]
    assert sorted(path.name for path in finished.glob("checkpoint-*")) == [
        "checkpoint-1", "checkpoint-2", "checkpoint-3", "checkpoint-best.txt"]  # fmt: skip
    # Notes alone may be another program's folder.
    again = vcas(*run_arguments(), "--output_dir", finished, "--overwrite_output_dir")
    assert again.returncode == 2 and "checkpoint-3" in again.stderr


def test_no_file_that_a_run_writes_is_overwritten_where_a_user_wrote_it(vcas, run_arguments, finished, tmp_path):
    names = [path.name for path in finished.iterdir() if path.is_file() and not path.name.startswith("events.")]
    assert {"vocab.txt", "tokenizer_config.json", "config.json", "metrics.jsonl"} <= set(names)
    out = tmp_path / "users"
    out.mkdir()
    for name in [*sorted(set(names) - {"metrics.jsonl"}), "cost_table.json", "probe.jsonl"]:
        (out / name).write_text("mine")
        result = vcas(*run_arguments(), "--output_dir", out, "--resume_from_checkpoint", "auto")
        assert result.returncode == 2, result.stderr
        assert name in result.stderr
        assert [(path.name, path.read_text()) for path in content(out)] == [(name, "mine")]
        (out / name).unlink()


def test_a_base_model_of_links_into_the_output_folder_stays(vcas, run_arguments, tiny_model, finished, tmp_path):
    base = shutil.copytree(tiny_model, tmp_path / "base")
    before = content(finished)
    for target in ["checkpoint-3/model.safetensors", "model.safetensors"]:
        (base / "model.safetensors").unlink()
        (base / "model.safetensors").symlink_to(finished / target)
        for more in [["--overwrite_output_dir"], ["--resume_from_checkpoint", "auto"]]:
            result = vcas(*run_arguments(model_name_or_path=base), "--output_dir", finished, *more)
            assert result.returncode == 2, result.stderr
            assert target in result.stderr and "remove or overwrite" in result.stderr
    assert content(finished) == before


def test_the_lock_leads_to_no_data(vcas, run_arguments, texts, tmp_path):
    data = shutil.copy(texts[0], tmp_path / "data.tsv")
    before = data.read_bytes()
    out = tmp_path / "out"
    out.mkdir()
    (out / ".vcas.lock").symlink_to(data)
    result = vcas(*run_arguments(train_file=data), "--output_dir", out)
    assert result.returncode == 2 and ".vcas.lock" in result.stderr
    assert data.read_bytes() == before


def test_a_link_to_nothing_is_refused_and_stays(vcas, run_arguments, tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    result = vcas(*run_arguments(), "--output_dir", tmp_path / "link")
    assert result.returncode == 2, result.stderr
    assert (tmp_path / "link").is_symlink()


def test_a_refused_run_sweeps_nothing(vcas, run_arguments, finished):
    shutil.copytree(finished / "checkpoint-3", finished / ".checkpoint-3.vcas-tmp-otherhost-77")
    (finished / ".my.vcas-tmp.notes").write_text("mine")
    before = content(finished)
    result = vcas(*run_arguments(), "--output_dir", finished)
    assert result.returncode == 2
    for inside in [".checkpoint-3.vcas-tmp-otherhost-77", ".checkpoint-3.vcas-tmp-otherhost-77/"]:
        result = vcas(*run_arguments(), "--output_dir", finished, "--resume_from_checkpoint", f"{finished}/{inside}")
        assert result.returncode == 2 and "half written" in result.stderr
    assert content(finished) == before
    result = vcas(*run_arguments(max_steps=2), "--output_dir", finished, "--overwrite_output_dir")
    assert result.returncode == 0, result.stderr
    assert [path.name for path in finished.iterdir() if path.name.startswith(".")] == [".my.vcas-tmp.notes"]


@pytest.mark.parametrize("name", ["config.json", "checkpoint-2/pytorch_model.bin"])
def test_another_programs_model_is_not_overwritten(vcas, run_arguments, tmp_path, name):
    out = tmp_path / "out"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_text("{}")
    for more in [[], ["--overwrite_output_dir"]]:
        result = vcas(*run_arguments(), "--output_dir", out, *more)
        assert result.returncode == 2, result.stderr
        assert name.split("/")[0] in result.stderr
        assert [path.read_text() for path in content(out)] == ["{}"]


def test_a_run_that_goes_back_leaves_no_newer_checkpoint(vcas, run_arguments, finished):
    result = vcas(*run_arguments(max_steps=5, save_steps=1, save_total_limit=1), "--output_dir", finished,
                  "--resume_from_checkpoint", finished / "checkpoint-3")  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "removing" in result.stderr and "checkpoint-6" in result.stderr
    assert [path.name for path in finished.glob("checkpoint-*")] == ["checkpoint-5"]
    assert json.loads((finished / "summary.json").read_text())["steps"] == 5


def test_a_run_that_goes_back_removes_no_checkpoint_with_notes_in_it(vcas, run_arguments, finished):
    (finished / "checkpoint-6" / "notes.md").write_text("mine")
    before = content(finished)
    result = vcas(*run_arguments(), "--output_dir", finished, "--resume_from_checkpoint", finished / "checkpoint-3")
    assert result.returncode == 2, result.stderr
    assert "checkpoint-6/notes.md" in result.stderr
    assert content(finished) == before


def test_overwriting_keeps_notes_in_a_checkpoint_that_is_saved_again(vcas, run_arguments, finished):
    (finished / "checkpoint-3" / "notes.md").write_text("mine")
    result = vcas(*run_arguments(), "--output_dir", finished, "--overwrite_output_dir")
    assert result.returncode == 0, result.stderr
    assert (finished / "checkpoint-3" / "notes.md").read_text() == "mine"
    assert (finished / "checkpoint-3" / "manifest.json").exists()


@pytest.mark.parametrize("name", ["a" * 300, "loop"])
def test_an_impossible_output_folder_is_wrong_input(vcas, run_arguments, tmp_path, name):
    (tmp_path / "loop").symlink_to("loop")
    result = vcas(*run_arguments(), "--output_dir", tmp_path / name)
    assert result.returncode == 2, result.stderr
    assert "output_dir" in result.stderr


def test_a_second_run_is_kept_out(vcas, run_arguments, tmp_path):
    out = tmp_path / "out"
    first = start_vcas(*run_arguments(max_steps=400, logging_steps=1), "--output_dir", out)
    wait_for_lines(out / "metrics.jsonl", 1, first)
    for more in [["--overwrite_output_dir"], ["--resume_from_checkpoint", "auto"]]:
        second = vcas(*run_arguments(), "--output_dir", out, *more)
        assert second.returncode == 2
        assert f"held by process {first.pid}" in second.stderr
    stdout, stderr = first.communicate(timeout=120)
    assert first.returncode == 0, stderr
    assert json.loads(stdout)["steps"] == 400


def test_one_command_serves_a_job_from_none_to_done(vcas, run_arguments, tmp_path):
    out = tmp_path / "out"
    command = [*run_arguments(max_steps=60, save_steps=20, logging_steps=1), "--output_dir", out,
               "--resume_from_checkpoint", "auto"]  # fmt: skip
    for lines in (3, 25, 45):  # before the first checkpoint, after it, after the next
        process = start_vcas(*command)
        wait_for_lines(out / "metrics.jsonl", lines, process)
        process.kill()
        process.communicate()
    done = vcas(*command)
    assert done.returncode == 0, done.stderr
    whole = vcas(*run_arguments(max_steps=60, save_steps=20, logging_steps=1), "--output_dir", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    ours, theirs = load_file(out / "model.safetensors"), load_file(tmp_path / "whole" / "model.safetensors")
    assert all(numpy.array_equal(ours[name], theirs[name]) for name in theirs)
    assert not [path for path in out.iterdir() if path.name.startswith(".")]  # nothing half written, no lock
    again = vcas(*command)
    assert again.returncode == 0
    assert "finished run" in again.stderr
    assert again.stdout == done.stdout
    other = vcas(*command, "--seed", "7")
    assert other.returncode == 2


def test_a_finished_run_without_checkpoints_is_not_done_again(vcas, run_arguments, tmp_path):
    command = [*run_arguments(save_strategy="no"), "--output_dir", tmp_path / "out", "--resume_from_checkpoint", "auto"]
    first, second, other = vcas(*command), vcas(*command), vcas(*command, "--seed", "7")
    assert first.returncode == second.returncode == 0
    assert first.stdout == second.stdout
    assert other.returncode == 2
    assert "seed 7" in other.stderr and "42" in other.stderr


def test_predictions_overwrite_nothing_that_is_read(vcas, finished, tmp_path, texts):
    rows = [line.split("\t") for line in texts[1].read_text().splitlines()[1:]]
    data = tmp_path / "dev.jsonl"
    data.write_text("".join(json.dumps({"sentence": text, "label": label}) + "\n" for text, label in rows))
    before = data.read_bytes()
    (tmp_path / "link.jsonl").symlink_to(data)
    for target in [data, tmp_path / "link.jsonl"]:
        result = vcas("eval", "--model_name_or_path", finished, "--validation_file", data, "--predictions", target,
                      "--max_seq_length", 32)  # fmt: skip
        assert result.returncode == 2
        assert "--predictions" in result.stderr
    assert data.read_bytes() == before


def test_predictions_overwrite_nothing_that_a_model_links_to(vcas, finished, texts, tmp_path):
    shared = shutil.move(finished / "config.json", tmp_path / "shared.json")
    (finished / "config.json").symlink_to(shared)
    before = shared.read_bytes()
    result = vcas("eval", "--model_name_or_path", finished, "--validation_file", texts[1], "--predictions", shared,
                  "--max_seq_length", 32)  # fmt: skip
    assert result.returncode == 2 and "--predictions" in result.stderr
    assert shared.read_bytes() == before


@pytest.fixture
def compare_arguments(train_arguments):
    def arguments(**more):
        flags = train_arguments("exact", max_steps=2, **more)
        method = flags.index("--method")
        return ["compare", *flags[1:method], *flags[method + 2 :], "--methods", "exact"]

    return arguments


def test_compare_overwrites_no_model_that_no_run_wrote(vcas, compare_arguments, tiny_model, tmp_path):
    out = tmp_path / "compared"
    shutil.copytree(tiny_model, out / "exact-seed-43")
    before = content(out)
    result = vcas(*compare_arguments(), "--seeds", 2, "--output_dir", out, "--overwrite_output_dir")
    assert result.returncode == 2, result.stderr
    assert "exact-seed-43" in result.stderr
    assert content(out) == before


def test_compare_that_overwrites_removes_all_runs_of_the_one_before(vcas, compare_arguments, tmp_path):
    out = tmp_path / "compared"
    first = vcas(*compare_arguments(), "--seeds", 2, "--output_dir", out)
    assert first.returncode == 0, first.stderr
    (out / "exact-seed-43" / "notes.md").write_text("mine")
    second = vcas(*compare_arguments(learning_rate=0.1), "--seeds", 1, "--output_dir", out, "--overwrite_output_dir")
    assert second.returncode == 0, second.stderr
    assert [path.name for path in (out / "exact-seed-43").iterdir()] == ["notes.md"]
    assert (out / "exact-seed-42" / "summary.json").exists()


def test_compare_that_goes_on_says_first_what_is_in_the_way_of_a_later_run(vcas, compare_arguments, tmp_path):
    out = tmp_path / "compared"
    assert vcas(*compare_arguments(), "--seeds", 1, "--output_dir", out).returncode == 0
    (out / "exact-seed-44").touch()
    result = vcas(*compare_arguments(), "--seeds", 3, "--output_dir", out)
    assert result.returncode == 2, result.stderr
    assert "exact-seed-44" in result.stderr
    assert not (out / "exact-seed-43").exists()


def test_compare_overwrites_no_model_that_it_reads(vcas, compare_arguments, finished, tmp_path):
    out = tmp_path / "compared"
    model = out / "exact-seed-43"
    shutil.copytree(finished, model)
    before = content(model)
    result = vcas(*compare_arguments(model_name_or_path=model), "--seeds", 2, "--output_dir", out,
                  "--overwrite_output_dir")  # fmt: skip
    assert result.returncode == 2
    assert "exact-seed-43" in result.stderr
    assert content(model) == before
    assert not (out / "exact-seed-42").exists()  # said before the first run began
