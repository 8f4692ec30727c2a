"""SIGINT and SIGTERM: the step in hand is finished, a checkpoint saved, the command that resumes printed."""

import json
import shlex
import signal
import subprocess
import time

import numpy
import pytest
from safetensors.numpy import load_file


def start(binary, arguments):
    command = [str(binary), *[str(argument) for argument in arguments]]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_steps(run, process, steps):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        if (run / "metrics.jsonl").exists() and len((run / "metrics.jsonl").read_text().splitlines()) >= steps:
            return
        time.sleep(0.02)
    raise AssertionError("no steps within two minutes")


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "SIGINT"), (signal.SIGTERM, "SIGTERM")])
def test_a_signal_leaves_a_checkpoint_and_the_command_that_resumes(
    vcas, vcas_binary, train_arguments, tmp_path, number, name
):
    arguments = train_arguments(max_steps=400, logging_steps=1)
    run = tmp_path / "a run"
    process = start(vcas_binary, [*arguments, "--output_dir", run])
    wait_for_steps(run, process, 3)
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


def test_a_second_signal_stops_at_once(vcas_binary, train_arguments, tmp_path):
    # Steps of many micro-batches, so that the second signal comes while the first one's step is still in hand.
    run = tmp_path / "run"
    arguments = train_arguments("exact", max_steps=400, accumulation=50, logging_steps=1, save_strategy="no")
    process = start(vcas_binary, [*arguments, "--output_dir", run])
    wait_for_steps(run, process, 1)
    process.send_signal(signal.SIGINT)
    time.sleep(0.01)  # signals that are pending together would be delivered as one
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not list(run.glob("checkpoint-*"))
