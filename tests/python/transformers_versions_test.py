"""The package with other versions of transformers than the pinned one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
TESTS = ["attach_test.py", "four_steps_test.py", "sampling_test.py", "trainer_test.py"]


@pytest.mark.long
# The oldest, whose GPT-2 and ViT have other blocks; one with the present GPT-2; one with the present ViT.
@pytest.mark.parametrize("version", ["5.0.0", "5.6.0", "5.20.0"])
def test_models_and_trainer_under(version, tmp_path):
    pip = [sys.executable, "-m", "pip", "install", "-q", "--target", str(tmp_path), f"transformers=={version}"]
    subprocess.run(pip, check=True, timeout=600)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    checked = f"import transformers; assert transformers.__version__ == '{version}'"
    subprocess.run([sys.executable, "-c", checked], env=environment, check=True, timeout=120)
    command = [sys.executable, "-m", "pytest", "-q", *(str(FOLDER / name) for name in TESTS)]
    result = subprocess.run(command, env=environment, cwd=FOLDER.parents[1], capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stdout[-4000:]
