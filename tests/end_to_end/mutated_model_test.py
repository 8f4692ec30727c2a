"""Malformed model folders, made from a valid one: none is a crash, a refusal names the file and the place in it, and what
is accepted gives Hugging Face's probabilities."""

import json
import random
import re
import shutil
import struct

import pytest
from model_folders_test import TEXTS, VOCABULARY, ours, theirs, write_model

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("one_thread")]

SEED = 7
# What says where in a file it is: a key, a tensor, a line, or what was expected of all of it.
PLACE = re.compile(r"key '|tensor '|\.(weight|bias): |:\d+: |header|expected|cannot")


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    """A model of shards, with every file of a tokenizer that counts."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = write_model(tmp_path_factory.mktemp("valid") / "model")
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "do_lower_case": True, "strip_accents": True, "tokenize_chinese_chars": True, "truncation_side": "right",
        "padding_side": "right", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]",
        "model_input_names": ["input_ids", "token_type_ids"], "tokenizer_class": "BertTokenizer", "split_special_tokens": False,
    }))  # fmt: skip
    config = json.loads((folder / "config.json").read_text())
    kept = ["model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
            "max_position_embeddings", "type_vocab_size", "layer_norm_eps", "hidden_act"]  # fmt: skip
    kept = {key: config[key] for key in kept} | {"id2label": {"0": "no", "1": "yes"}, "problem_type": "single_label_classification"}
    (folder / "config.json").write_text(json.dumps(kept))
    loaded = AutoModelForSequenceClassification.from_pretrained(folder)
    sharded = folder.parent / "sharded"
    shutil.copytree(folder, sharded)
    (sharded / "model.safetensors").unlink()
    loaded.save_pretrained(sharded, max_shard_size="8KB")
    shutil.copy(folder / "config.json", sharded)
    return {"model.safetensors.index.json": sharded, "vocab.txt": write_model(folder.parent / "vocabulary"), None: folder}


def cuts(content):
    for i in range(10):
        yield f"cut to {i} tenths", content[: len(content) * i // 10]


def changed_bytes(content, count=10, high=False):
    generator = random.Random(SEED)
    for _ in range(count):
        place = generator.randrange(len(content))
        byte = generator.choice([0xFF, 0xC0, 0x80]) if high else generator.randrange(256)
        yield f"byte {place} is {byte:#x}", content[:place] + bytes([byte]) + content[place + 1 :]


def paths(value, prefix=()):
    """Of every value in a document, two of each longer container."""
    if isinstance(value, (dict, list)):
        items = list(value.items() if isinstance(value, dict) else enumerate(value))
        for key, child in items if len(items) <= 16 else [items[0], items[-1]]:
            yield (*prefix, key)
            yield from paths(child, (*prefix, key))


def edited(document, path, edit):
    copy = json.loads(json.dumps(document))
    owner = copy
    for key in path[:-1]:
        owner = owner[key]
    edit(owner, path[-1])
    return copy


def other_type(value):
    if isinstance(value, str):
        return 7
    return "text" if isinstance(value, (bool, int, float)) else 7


def other_size(value):
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return value * 2 + 1
    return value + value if isinstance(value, (str, list)) else {**value, "one more": 1}


def doubled_key(text, key):
    """The document's text with a member twice."""
    return text.replace(json.dumps(key) + ":", json.dumps(key) + ": 1, " + json.dumps(key) + ":", 1)


def mutated_json(content):
    document = json.loads(content)
    text = json.dumps(document, ensure_ascii=False)
    yield from cuts(text.encode())
    yield from changed_bytes(text.encode())
    for path in paths(document):
        name = ".".join(map(str, path))
        edits = {"removed": lambda owner, key: owner.pop(key),
                 "of another type": lambda owner, key: owner.__setitem__(key, other_type(owner[key])),
                 "of another size": lambda owner, key: owner.__setitem__(key, other_size(owner[key]))}  # fmt: skip
        for kind, edit in edits.items():
            mutant = edited(document, path, edit)
            if mutant != document:
                yield f"{name} {kind}", json.dumps(mutant, ensure_ascii=False).encode()
        if isinstance(path[-1], str):
            yield f"{name} doubled", doubled_key(text, path[-1]).encode()


def mutated_safetensors(content):
    size = struct.unpack("<Q", content[:8])[0]
    header, data = content[8 : 8 + size], content[8 + size :]
    yield from cuts(content)
    yield from ((f"header: {name}", struct.pack("<Q", len(text)) + text + data) for name, text in mutated_json(header))
    for name, number in (("no", 0), ("a shorter", size - 8), ("a longer", size + 8), ("an endless", 2**63)):
        yield f"{name} header", struct.pack("<Q", number) + content[8:]
    yield "a byte more", content + b"\0"
    yield "a value that is not a number", content[:-4] + struct.pack("<f", float("nan"))


def mutated_vocabulary(content):
    yield from cuts(content)
    yield from changed_bytes(content, high=True)
    lines = content.decode().splitlines()
    for i, token in enumerate(lines[:5]):
        yield f"{token} removed", "\n".join(lines[:i] + lines[i + 1 :]).encode()
        yield f"{token} twice", "\n".join([*lines, token]).encode()
        yield f"{token} in lower case", "\n".join([*lines[:i], token.lower(), *lines[i + 1 :]]).encode()
    yield "other line ends", content.replace(b"\n", b"\r\n")
    yield "an empty line", content.replace(b"\n", b"\n\n", 1)
    yield "every line twice", content + content
    yield "nothing but line ends", b"\n" * len(VOCABULARY)
    yield "zero bytes", bytes(len(content))


def sample(mutants, limit):
    """All cuts, and as many of the others as the time allows."""
    mutants = list(dict(mutants).items())
    others = mutants[10:]
    random.Random(SEED).shuffle(others)
    return mutants[:10] + others[: limit - 10]


# File, its mutants, and the share of them that must be refused. Any text is a vocabulary.
READERS = {
    "config.json": (mutated_json, 0.6),
    "tokenizer.json": (mutated_json, 0.6),
    "tokenizer_config.json": (mutated_json, 0.6),
    "vocab.txt": (mutated_vocabulary, 0.3),
    "model.safetensors": (mutated_safetensors, 0.6),
    "model.safetensors.index.json": (mutated_json, 0.6),
}


def probabilities_of_hugging_face(folder):
    try:
        return theirs(folder)
    except BaseException:  # Rust's panics are no Exception
        return None


@pytest.mark.parametrize("name", READERS)
def test_mutants(vcas, tmp_path, valid, name):
    make, refused_share = READERS[name]
    source = valid.get(name, valid[None])
    folder = shutil.copytree(source, tmp_path / "model")
    if name == "tokenizer.json":  # of a BertTokenizer only its vocabulary and its added tokens count
        settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": ["input_ids", "token_type_ids"]}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(json.dumps({"sentence": text, "label": 0}) + "\n" for text in TEXTS))
    assert ours(vcas, folder, texts)
    mutants = sample(make((source / name).read_bytes()), limit=70)
    assert len(mutants) >= 40
    refused, lenient = 0, []
    for what, content in mutants:
        (folder / name).write_bytes(content)
        result = vcas("eval", "--model_name_or_path", folder, "--validation_file", texts, "--max_seq_length", "16",
                      "--threads", "1", "--predictions", tmp_path / "p.jsonl")  # fmt: skip
        assert result.returncode in (0, 2), (what, result.returncode, result.stderr)
        if result.returncode == 2:
            refused += 1
            message = next(line for line in result.stderr.splitlines() if not line.startswith("vcas: warning:"))
            assert str(folder) in message and PLACE.search(message), (what, message)
            continue
        expected = probabilities_of_hugging_face(folder)
        if expected is None:
            lenient.append(what)
            continue
        got = [list(json.loads(line)["probabilities"].values()) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
        for text, mine, want in zip(TEXTS, got, expected):
            assert mine == pytest.approx(want, abs=1e-5), (what, text)
    print(f"{name}: {refused} of {len(mutants)} refused; accepted where Hugging Face fails: {lenient}")
    assert refused >= refused_share * len(mutants), (refused, len(mutants))
