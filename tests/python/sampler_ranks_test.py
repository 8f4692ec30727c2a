"""The sampling protocol on two processes: each measures its own micro-batches, and all hold the same ratios."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two_samplers")
    path = os.pathsep.join([str(FOLDER), os.environ["PYTHONPATH"]])
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
         FOLDER / "two_samplers.py", folder],
        capture_output=True, text=True, timeout=400, env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"rank_{rank}.json").read_text()) for rank in range(2)]


def test_processes_hold_the_same_ratios(reports):
    assert reports[0] == reports[1]
    metrics = reports[0]["metrics"]
    assert metrics["s"] < 1
    assert min(metrics["rho"]) < 1


def test_no_process_waits_for_one_that_cannot_measure(reports):
    assert [report["without_agreement"] for report in reports] == [0, 0]


def test_a_micro_batch_that_is_not_finite_on_one_process_drops_the_window_on_all(reports):
    """The first window is micro-batches 0 and 1; the second would be 8 and 9, and is 9 and 10."""
    assert reports[0]["adaptations"] == [0] + [1] * 9 + [2]
