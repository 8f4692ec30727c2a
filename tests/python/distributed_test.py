"""VcasTrainer on two processes over gloo."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """What each process reports of a run and of the same resumed."""
    folder = tmp_path_factory.mktemp("two_processes")
    path = os.pathsep.join([str(FOLDER), os.environ["PYTHONPATH"]])
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
         FOLDER / "two_processes.py", folder],
        capture_output=True, text=True, timeout=400, env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"rank_{rank}.json").read_text()) for rank in range(2)]


def test_processes_hold_the_same_ratios_and_weights(reports):
    assert reports[0]["whole"] == reports[1]["whole"]
    metrics = reports[0]["whole"]["metrics"]
    assert metrics["adaptations"] >= 3
    assert min(metrics["rho"]) < 1


def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(reports):
    for report in reports:
        assert report["resumed"] == report["whole"]
