"""A closed or full stdout or stderr ends output, not training; a result that was not written is not called done."""

import json
import os
import subprocess

import pytest


@pytest.fixture
def arguments(train_arguments, tmp_path):
    return [*train_arguments("exact", max_steps=10), "--output_dir", tmp_path / "out"]


def run(binary, arguments, redirections):
    """The program under a shell, which can close descriptors."""
    command = ["sh", "-c", f'exec "$0" "$@" {redirections}', str(binary), *[str(argument) for argument in arguments]]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


@pytest.mark.parametrize("stderr", ["2>/dev/full", "2>&-", "<&- 2>&-"])
def test_stderr_that_takes_nothing_ends_no_training(vcas_binary, arguments, tmp_path, stderr):
    result = run(vcas_binary, arguments, stderr)
    assert result.returncode == 0
    assert json.loads(result.stdout) == json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (tmp_path / "out" / "model.safetensors").exists()


@pytest.mark.parametrize("stdout", [">/dev/full", ">&-", ">&- 2>&-"])
def test_a_result_that_stdout_does_not_take_is_not_done(vcas_binary, arguments, tmp_path, stdout):
    result = run(vcas_binary, arguments, stdout)
    assert result.returncode == 1
    assert (tmp_path / "out" / "summary.json").exists()  # training went on to its end
    if "2>" not in stdout:
        assert "stdout" in result.stderr
    for file in (tmp_path / "out").glob("*.json*"):
        assert "vcas:" not in file.read_text()  # no message went into a file that got a closed descriptor's number


@pytest.mark.parametrize("command", [["info"], ["--version"], ["--help"], ["train", "--help"]])
def test_every_command_says_when_stdout_takes_nothing(vcas_binary, command):
    assert run(vcas_binary, command, ">/dev/full").returncode == 1
    assert run(vcas_binary, command, "").returncode == 0


def test_a_reader_that_goes_away_ends_no_training(vcas_binary, arguments, tmp_path):
    reading, writing = os.pipe()
    process = subprocess.Popen([str(vcas_binary), *map(str, arguments)], stdout=writing, stderr=writing)
    os.close(writing)
    os.close(reading)
    assert process.wait(240) == 1
    assert (tmp_path / "out" / "summary.json").exists()


def test_version(vcas):
    result = vcas("--version")
    assert result.returncode == 0
    assert result.stdout.strip().count(".") == 2
