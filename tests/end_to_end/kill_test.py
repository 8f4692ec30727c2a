"""SIGKILL at any moment: the same command goes on, and ends with the same bits as a run that nobody killed."""

import json
import random
import subprocess
import time

import pytest
from program import start_vcas
from saved_weights import assert_same_bits, weights

KILLS = 100


def lines_without_times(file):
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "step_ms"} for line in lines]


@pytest.mark.long
def test_a_run_that_is_killed_at_random_moments_ends_with_the_same_bits(vcas, train_arguments, tmp_path):
    arguments = train_arguments(max_steps=120, logging_steps=1, save_strategy="steps", save_steps=7,
                                save_total_limit=2, eval_strategy="steps", eval_steps=20)  # fmt: skip
    start = time.monotonic()
    result = vcas(*arguments, "--output_dir", tmp_path / "whole")
    assert result.returncode == 0, result.stderr
    seconds = time.monotonic() - start
    moments = random.Random(0)
    kills, ends = 0, 0
    while kills < KILLS:
        run = tmp_path / f"run-{ends}"
        while True:
            process = start_vcas(*arguments, "--output_dir", run, "--resume_from_checkpoint", "auto")
            try:
                process.wait(moments.uniform(0, 1.2 * seconds))
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                kills += 1
        stderr = process.communicate()[1]
        assert process.returncode == 0, stderr
        ends += 1
        assert_same_bits(weights(run), weights(tmp_path / "whole"))
        for name in ("metrics.jsonl", "evaluations.jsonl"):
            assert lines_without_times(run / name) == lines_without_times(tmp_path / "whole" / name)
        assert not [path.name for path in run.iterdir() if path.name.startswith(".")]
    assert ends >= 3
