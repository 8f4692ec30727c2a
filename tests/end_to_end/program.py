"""Runs the built program: VCAS_BIN, or build/release/vcas."""

import os
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("VCAS_BIN", ROOT / "build" / "release" / "vcas"))


def run_vcas(*arguments, cwd=None, timeout=240, environment=None):
    command = [str(BINARY), *[str(argument) for argument in arguments]]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, **(environment or {})})  # fmt: skip


def start_vcas(*arguments, **options):
    """The program in the background, in a process group of its own."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True, **options}
    return subprocess.Popen([str(BINARY), *[str(argument) for argument in arguments]], **options)


def wait_for_lines(file, count, process=None, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process is not None:
            assert process.poll() is None, process.communicate()[1]
        if file.exists() and len(file.read_text().splitlines()) >= count:
            return
        time.sleep(0.02)
    raise AssertionError(f"not {count} lines in {file} within {seconds} s")
