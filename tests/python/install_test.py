"""`pip install .` gives a package that works away from the source tree."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.long
def test_an_installed_package_loads_the_library_beside_it(tmp_path):
    options = ["--no-build-isolation", "--no-deps", "--target", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", *options, str(ROOT)], check=True, timeout=1800)
    script = "import torch, vcas._library as l; print(l.load_library(), torch.ops.vcas.transformer_layer.default)"
    environment = {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin"}
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120, check=True)
    assert result.stdout.split() == [str(tmp_path / "vcas" / "libvcas.so"), "vcas.transformer_layer.default"]
