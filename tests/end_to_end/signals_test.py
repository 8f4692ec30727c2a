"""Signals to a run: the step in hand is finished, a checkpoint saved, the command that resumes printed."""

import json
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import numpy
import pytest
from program import run_vcas, start_vcas, wait_for_lines
from safetensors.numpy import load_file


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "SIGINT"), (signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "SIGHUP")])
def test_a_signal_leaves_a_checkpoint_and_the_command_that_resumes(
    vcas, train_arguments, tmp_path, number, name
):
    arguments = train_arguments(max_steps=400, logging_steps=1)
    run = tmp_path / "a run"
    process = start_vcas(*arguments, "--output_dir", run)
    wait_for_lines(run / "metrics.jsonl", 3, process)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 128 + number, stderr
    assert stdout == ""
    assert name in stderr
    (checkpoint,) = run.glob("checkpoint-*")
    assert len((run / "metrics.jsonl").read_text().splitlines()) == int(checkpoint.name.split("-")[1])
    assert not (run / "summary.json").exists()

    command = shlex.split(stderr.strip().splitlines()[-1])
    result = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["steps"] == 400
    whole = vcas(*arguments, "--output_dir", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    ours, theirs = load_file(run / "model.safetensors"), load_file(tmp_path / "whole" / "model.safetensors")
    assert all(numpy.array_equal(ours[tensor], theirs[tensor]) for tensor in theirs)


def test_a_second_signal_stops_at_once(train_arguments, tmp_path):
    # Steps of many micro-batches, so that the second signal comes while the first one's step is still in hand.
    run = tmp_path / "run"
    arguments = train_arguments("exact", max_steps=400, accumulation=400, logging_steps=1, save_strategy="no")
    process = start_vcas(*arguments, "--output_dir", run)
    wait_for_lines(run / "metrics.jsonl", 1, process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.15)  # signals at once count as one
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not list(run.glob("checkpoint-*"))


def test_sigusr1_saves_a_checkpoint_and_training_goes_on(train_arguments, tmp_path):
    run = tmp_path / "run"
    process = start_vcas(*train_arguments("exact", max_steps=400, logging_steps=1), "--output_dir", run)
    wait_for_lines(run / "metrics.jsonl", 3, process)
    process.send_signal(signal.SIGUSR1)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert json.loads(stdout)["steps"] == 400
    (checkpoint,) = run.glob("checkpoint-*")
    assert 3 <= int(checkpoint.name.split("-")[1]) < 400


def test_a_signal_that_was_ignored_stays_ignored(train_arguments, tmp_path):
    """nohup"""
    run = tmp_path / "run"
    process = start_vcas(*train_arguments("exact", max_steps=200, logging_steps=1), "--output_dir", run,
                         preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))  # fmt: skip
    wait_for_lines(run / "metrics.jsonl", 3, process)
    process.send_signal(signal.SIGHUP)
    stderr = process.communicate(timeout=120)[1]
    assert process.returncode == 0, stderr


@pytest.mark.parametrize("batch", [8, 60000])
def test_sigterm_during_an_evaluation_is_obeyed(train_arguments, texts, tmp_path, batch):
    header, *lines = texts[1].read_text().splitlines()
    held_out = tmp_path / "held_out.tsv"
    held_out.write_text("\n".join([header, *lines * 600]) + "\n")  # an evaluation takes far more than two seconds
    run = tmp_path / "run"
    arguments = train_arguments("exact", max_steps=4, logging_steps=1, eval_strategy="steps", eval_steps=2,
                                validation_file=held_out, per_device_eval_batch_size=batch, threads=1)  # fmt: skip
    process = start_vcas(*arguments, "--output_dir", run)
    wait_for_lines(run / "metrics.jsonl", 2, process)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    sent = time.monotonic()
    stderr = process.communicate(timeout=60)[1]
    assert time.monotonic() - sent < 2
    assert process.returncode == 143, stderr
    assert (run / "checkpoint-2").is_dir()
    assert not (run / "evaluations.jsonl").read_text()


@pytest.fixture
def compare_arguments(train_arguments):
    arguments = train_arguments(max_steps=2000, logging_steps=1)
    method = arguments.index("--method")
    return ["compare", *arguments[1:method], *arguments[method + 2 :], "--methods", "exact", "--seeds", "1"]


@pytest.mark.parametrize("whole_group", [False, True], ids=["compare alone", "the whole group"])
def test_what_stops_compare_stops_its_run(compare_arguments, tmp_path, whole_group):
    run = tmp_path / "out" / "exact-seed-42"
    process = start_vcas(*compare_arguments, "--output_dir", tmp_path / "out")
    wait_for_lines(run / "metrics.jsonl", 3, process)
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGTERM)
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 143, stderr
    assert "the same command goes on from here" in stderr
    assert len(list(run.glob("checkpoint-*"))) == 1
    assert not (run / "summary.json").exists()


def test_compare_that_was_stopped_in_its_first_run_goes_on(vcas, compare_arguments, tmp_path):
    steps = compare_arguments.index("--max_steps") + 1
    arguments = [*compare_arguments[:steps], "300", *compare_arguments[steps + 1 :]]
    run = tmp_path / "out" / "exact-seed-42"
    process = start_vcas(*arguments, "--output_dir", tmp_path / "out")
    wait_for_lines(run / "metrics.jsonl", 3, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    process.communicate(timeout=60)
    assert process.returncode == 130
    again = vcas(*arguments, "--output_dir", tmp_path / "out")
    assert again.returncode == 0, again.stderr
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 300
    whole = vcas(*arguments, "--output_dir", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    losses = [json.loads((tmp_path / folder / "compare.json").read_text())["runs"][0]["summary"]["train_loss"]
              for folder in ("out", "whole")]  # fmt: skip
    assert losses[0] == losses[1]


def test_the_run_of_a_killed_compare_ends(compare_arguments, tmp_path):
    run = tmp_path / "out" / "exact-seed-42"
    process = start_vcas(*compare_arguments, "--output_dir", tmp_path / "out")
    wait_for_lines(run / "metrics.jsonl", 3, process)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while not list(run.glob("checkpoint-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(list(run.glob("checkpoint-*"))) == 1
    assert not (run / "summary.json").exists()


def child_of(process):
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        if found := children.read_text().split():
            return int(found[0])
    raise AssertionError("no child")


@pytest.mark.parametrize("delay", [0, 0.002, 0.05, 0.2])
def test_a_signal_to_compare_reaches_a_run_that_has_just_begun(compare_arguments, tmp_path, delay):
    process = start_vcas(*compare_arguments, "--output_dir", tmp_path / "out")
    child_of(process)
    time.sleep(delay)
    process.send_signal(signal.SIGTERM)
    sent = time.monotonic()
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 143, stderr
    assert time.monotonic() - sent < 5
    assert "the same command goes on from here" in stderr


@pytest.mark.parametrize("delay", [0, 0.05, 0.15])
def test_sigusr1_to_compare_ends_no_run_that_has_just_begun(compare_arguments, tmp_path, delay):
    steps = compare_arguments.index("--max_steps") + 1
    arguments = [*compare_arguments[:steps], "4", *compare_arguments[steps + 1 :]]
    process = start_vcas(*arguments, "--output_dir", tmp_path / "out")
    child_of(process)
    time.sleep(delay)
    process.send_signal(signal.SIGUSR1)
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 0, stderr


def test_a_signal_that_is_sent_twice_at_once_counts_once(compare_arguments, tmp_path):
    """`timeout` signals its process and then the process group."""
    for i in range(3):
        run = tmp_path / f"{i}" / "exact-seed-42"
        process = start_vcas(*compare_arguments, "--output_dir", run.parent)
        wait_for_lines(run / "metrics.jsonl", 3, process)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.002)  # signals that are pending together are delivered as one
        os.killpg(process.pid, signal.SIGTERM)
        stderr = process.communicate(timeout=60)[1]
        assert process.returncode == 143, stderr
        assert "the same command goes on from here" in stderr
        assert len(list(run.glob("checkpoint-*"))) == 1


def test_compare_waits_for_the_run_of_one_that_was_killed(compare_arguments, tmp_path):
    steps = compare_arguments.index("--max_steps") + 1
    arguments = [*compare_arguments[:steps], "2", *compare_arguments[steps + 1 :]]
    arguments[arguments.index("--gradient_accumulation_steps") + 1] = "300"
    run = tmp_path / "out" / "exact-seed-42"
    process = start_vcas(*arguments, "--output_dir", tmp_path / "out")
    wait_for_lines(run / "metrics.jsonl", 1, process)
    process.kill()
    process.wait()
    again = run_vcas(*arguments, "--output_dir", tmp_path / "out")
    assert again.returncode == 0, again.stderr
    assert "waiting for another process" in again.stderr
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 2


def test_the_run_of_a_killed_compare_ends_where_sigterm_is_ignored(compare_arguments, tmp_path):
    run = tmp_path / "out" / "exact-seed-42"
    process = start_vcas(*compare_arguments, "--output_dir", tmp_path / "out",
                         preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN))  # fmt: skip
    child = child_of(process)
    wait_for_lines(run / "metrics.jsonl", 3, process)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{child}/cmdline").exists() and Path(f"/proc/{child}/cmdline").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(list(run.glob("checkpoint-*"))) == 1
    assert not (run / "summary.json").exists()
