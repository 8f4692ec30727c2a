"""A full disk: training goes on, what can be written later is written, and nothing that is missing is called done."""

import os
import resource
import signal
import subprocess

import pytest
from program import BINARY, run_vcas


def with_file_limit(size):
    """No file of the process grows beyond a size: what a full disk does, without a disk."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # as a shell has it; Python ignores it
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def run_limited(arguments, size):
    command = [str(BINARY), *[str(argument) for argument in arguments]]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, preexec_fn=with_file_limit(size))


def test_a_log_and_checkpoints_that_do_not_fit_do_not_end_training(train_arguments, tmp_path):
    out = tmp_path / "out"
    arguments = train_arguments("exact", max_steps=30, logging_steps=1, save_strategy="steps", save_steps=10)
    result = run_limited([*arguments, "--output_dir", out], 2000)
    assert result.returncode == 1
    assert result.stdout == ""
    assert "cannot write" in result.stderr and "training goes on" in result.stderr  # the events are full first
    assert "checkpoint-10 is not saved" in result.stderr and "checkpoint-30 is not saved" in result.stderr
    assert "step 30/30" in result.stderr  # it came to its end
    assert "model.safetensors" in result.stderr.splitlines()[-1]  # which is not there
    assert not (out / "model.safetensors").exists() and not (out / "summary.json").exists()
    assert not list(out.glob("checkpoint-*"))
    assert not [path.name for path in out.iterdir() if path.name.startswith(".")]


@pytest.fixture
def smallest_model(tmp_path):
    """A model of 30 kB, less than the log of 200 steps."""
    from transformers import BertConfig, BertModel

    folder = tmp_path / "smallest_model"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "old", "dog", "cat", "bread", "city", "river"]
    config = BertConfig(vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
                        intermediate_size=8, max_position_embeddings=32)  # fmt: skip
    BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    return folder


def test_a_run_whose_log_is_not_whole_is_not_done(train_arguments, smallest_model, tmp_path):
    out = tmp_path / "out"
    arguments = [*train_arguments("exact", max_steps=200, logging_steps=1, threads=1,
                                  model_name_or_path=smallest_model),
                 "--output_dir", out, "--resume_from_checkpoint", "auto"]  # fmt: skip
    result = run_limited(arguments, 35_000)
    assert result.returncode == 1, result.stderr
    assert "cannot write" in result.stderr.splitlines()[-1]
    assert (out / "model.safetensors").exists() and not (out / "summary.json").exists()
    assert run_limited(arguments, 35_000).returncode == 1
    again = run_vcas(*arguments)
    assert again.returncode == 0, again.stderr
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 200


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 12 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.fail("this test needs root: it mounts a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.long
def test_a_small_disk_that_fills_up(train_arguments, small_disk):
    """The model takes 4 MB, a checkpoint 12: none fits beside the model, and then nothing fits."""
    arguments = train_arguments("exact", max_steps=20, logging_steps=1, save_strategy="steps", save_steps=5)
    out = small_disk / "out"
    result = run_vcas(*arguments, "--output_dir", out)
    assert result.returncode == 1
    assert "No space left on device" in result.stderr and "checkpoint-20 is not saved" in result.stderr
    assert (out / "model.safetensors").exists()  # it fits
    assert not (out / "summary.json").exists()  # which would say that all is done
    filler = small_disk / "filler"
    with filler.open("wb") as file:
        try:
            while True:
                file.write(bytes(4096))
                file.flush()
        except OSError:
            pass
    again = run_vcas(*arguments, "--output_dir", out, "--overwrite_output_dir")
    assert again.returncode == 1
    assert again.stdout == ""
    filler.unlink()
    last = run_vcas(*arguments, "--save_strategy", "no", "--output_dir", out, "--overwrite_output_dir")
    assert last.returncode == 0, last.stderr
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 20
