"""Folders whose files settle the tokenizer together, against transformers' AutoTokenizer: token ids and token types of
texts and pairs, whole and cut. Where the two differ on purpose, DEVIATIONS says why."""

import json
import os
import pathlib
import random
import struct
import subprocess

import numpy
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = pathlib.Path(os.environ.get("VCAS_BUILD_DIR", ROOT / "build" / "release")) / "tests" / "tokenize_tool"
NO_LIMIT = 1 << 30

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = ["the", "a", "dog", "cat", "old", "new", "Dog", "The", "café", "cafe", "CAFÉ", "naive", "naïve", "running", "run", "神奈川", "x1", "don", "i", "s"]
CHARACTERS = [*LETTERS, *LETTERS.upper(), *"0123456789", *"éèïñÉ神奈川県日本ßςσİ", *".,!?-_[]<>@#'\"/", "\u0301", "\u0307"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = list(dict.fromkeys([*SPECIAL, *WORDS, *CHARACTERS, *["##" + c for c in CHARACTERS if c.isalnum()]]))
OTHER_NAMES = {"[PAD]": "<pad>", "[UNK]": "<unk>", "[CLS]": "<s>", "[SEP]": "</s>", "[MASK]": "<mask>"}
OTHER_VOCABULARY = [OTHER_NAMES.get(token, token) for token in VOCABULARY]
OTHER_ROLES = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"}
SIZE = len(VOCABULARY)

PIECES = [*SPECIAL, *OTHER_NAMES.values(), "[NEW]", "[new]", "<ent>", "<img>", "New York", "new york", "##", "café", "CAFÉ",
          "naïve", "cafe\u0301", "I\u0307", "神奈川県", "日本", "Running", "running", "don't", "x1y2", "ΣΑΣ", "ςσ", "ß", "\t", "\u00a0", "  ",
          "\x00", "\u200b", "!", "?!", "dog", "Dog", "The old cat", "zzz☃", "a" * 101, "[CLS", "SEP]"]  # fmt: skip


def strings(count, seed):
    """Texts in which every kind of character and token of the folders turns up."""
    generator = random.Random(seed)
    texts = ["", " ", *PIECES]
    while len(texts) < count:
        pieces = [generator.choice([*PIECES, *WORDS, *CHARACTERS]) for _ in range(generator.randint(1, 12))]
        texts.append("".join(piece + generator.choice(["", " ", " "]) for piece in pieces))
    return texts[:count]


def added(content, **flags):
    return {"content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True,
            **flags}  # fmt: skip


def typed(content, **flags):
    return {"__type": "AddedToken", **added(content, **flags)}


def lines(vocabulary, end="\n"):
    return "".join(token + end for token in vocabulary)


def tokenizer_json(vocabulary=None, tokens=None, roles=None, truncation=None, normalizer=None, model=None, **root):
    """A tokenizer.json as transformers writes it."""
    vocabulary = vocabulary or VOCABULARY
    roles = roles or {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    ids = {token: i for i, token in enumerate(vocabulary)}
    if tokens is None:
        tokens = [{"id": ids[token], **added(token)} for token in vocabulary[:5]]
    cls, sep = roles["cls_token"], roles["sep_token"]
    step = lambda kind, name, type_id: {kind: {"id": name, "type_id": type_id}}  # noqa: E731
    single = [step("SpecialToken", cls, 0), step("Sequence", "A", 0), step("SpecialToken", sep, 0)]
    return {
        "version": "1.0", "truncation": truncation, "padding": None, "added_tokens": tokens,
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
                       "lowercase": True, **(normalizer or {})},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing", "single": single,
            "pair": [*single, step("Sequence", "B", 1), step("SpecialToken", sep, 1)],
            "special_tokens": {name: {"id": name, "ids": [ids[name]], "tokens": [name]} for name in (cls, sep)},
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": roles["unk_token"], "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": ids, **(model or {})},
        **root,
    }  # fmt: skip


LEFT = {"direction": "Left", "max_length": 512, "strategy": "LongestFirst", "stride": 0}
DECODER = {str(i): added(token) for i, token in enumerate(SPECIAL)}


def vocabulary_folder(vocabulary=None, end="\n", config=None, **files):
    """vocab.txt, and tokenizer_config.json where it is given."""
    named = {"special_tokens_map": "special_tokens_map.json", "added_tokens": "added_tokens.json", "model": "config.json"}
    content = {named[name]: value for name, value in files.items()}
    content["vocab.txt"] = lines(vocabulary or VOCABULARY, end)
    if config is not None:
        content["tokenizer_config.json"] = config
    return content


def json_folder(config=None, content=None, **files):
    """tokenizer.json, and tokenizer_config.json where it is given."""
    named = {"special_tokens_map": "special_tokens_map.json", "added_tokens": "added_tokens.json", "model": "config.json"}
    folder = {named[name]: value for name, value in files.items()}
    folder["tokenizer.json"] = content or tokenizer_json()
    if config is not None:
        folder["tokenizer_config.json"] = config
    return folder


NEW = {"id": SIZE, **added("[NEW]", special=False, normalized=True)}
OTHER_JSON = tokenizer_json(OTHER_VOCABULARY, roles=OTHER_ROLES)

FOLDERS = {
    "vocabulary alone": vocabulary_folder(),
    "vocabulary, CRLF": vocabulary_folder(end="\r\n"),
    "vocabulary, spaces at line ends": vocabulary_folder(end=" \t\n"),
    "vocabulary, no-break and ideographic spaces at line ends": vocabulary_folder(end="\u00a0\u3000\n"),
    "vocabulary, a token twice": vocabulary_folder([*VOCABULARY, "dog", "after"]),
    "vocabulary, an empty line": vocabulary_folder([*VOCABULARY[:20], "", *VOCABULARY[20:]]),
    "vocabulary, byte order mark": vocabulary_folder(["\ufeff[PAD]", *VOCABULARY[1:]]),
    "vocabulary without [MASK] and [PAD]": vocabulary_folder([*VOCABULARY[1:4], *VOCABULARY[5:]]),
    "vocabulary without [SEP] and [CLS]": vocabulary_folder([*VOCABULARY[:2], *VOCABULARY[4:]]),
    "cased": vocabulary_folder(config={"do_lower_case": False}),
    "cased, accents stripped": vocabulary_folder(config={"do_lower_case": False, "strip_accents": True}),
    "uncased, accents kept": vocabulary_folder(config={"do_lower_case": True, "strip_accents": False}),
    "strip_accents null": vocabulary_folder(config={"strip_accents": None}),
    "ideographs together": vocabulary_folder(config={"tokenize_chinese_chars": False}),
    "options of slow tokenizers": vocabulary_folder(
        config={"do_basic_tokenize": False, "never_split": ["dog"], "wordpieces_prefix": "@@", "name_or_path": "/somewhere"}),
    "other names in tokenizer_config.json": vocabulary_folder(OTHER_VOCABULARY, config=OTHER_ROLES),
    "other names as added tokens": vocabulary_folder(
        OTHER_VOCABULARY, config={role: typed(token, lstrip=role == "mask_token") for role, token in OTHER_ROLES.items()}),
    "other names in special_tokens_map.json": vocabulary_folder(OTHER_VOCABULARY, special_tokens_map=OTHER_ROLES),
    "special_tokens_map.json of objects": vocabulary_folder(
        OTHER_VOCABULARY, special_tokens_map={role: added(token, lstrip=True) for role, token in OTHER_ROLES.items()}),
    "special_tokens_map.json over tokenizer_config.json": vocabulary_folder(
        config={"cls_token": "[MASK]", "sep_token": "[PAD]"}, special_tokens_map={"cls_token": "[CLS]", "sep_token": "[SEP]"}),
    "special_tokens_map.json beside added_tokens_decoder": vocabulary_folder(
        config={"added_tokens_decoder": DECODER}, special_tokens_map={"cls_token": "dog"}),
    "special_tokens_map.json, additional tokens": vocabulary_folder(
        special_tokens_map={"additional_special_tokens": ["<ent>", "dog"]}),
    "special_tokens_map.json, extra tokens": vocabulary_folder(
        special_tokens_map={"extra_special_tokens": [{"content": "<ent>", "rstrip": True}, "<img>"]}),
    "special_tokens_map.json, additional tokens beside those of tokenizer_config.json": vocabulary_folder(
        config={"additional_special_tokens": ["<ent>"]}, special_tokens_map={"additional_special_tokens": ["<img>"]}),
    "special_tokens_map.json, a null role": vocabulary_folder(special_tokens_map={"mask_token": None}),
    "bos and eos": vocabulary_folder(config={"bos_token": "<s>", "eos_token": "</s>"}),
    "a role of the model's own": vocabulary_folder(config={"image_token": "<img>", "add_bos_token": True}),
    "mask_token null": vocabulary_folder(config={"mask_token": None}),
    "additional_special_tokens": vocabulary_folder(config={"additional_special_tokens": ["<ent>", "New York", "dog"]}),
    "additional_special_tokens null": vocabulary_folder(config={"additional_special_tokens": None}),
    "extra_special_tokens": vocabulary_folder(config={"extra_special_tokens": [typed("<ent>", lstrip=True), "<img>", ""]}),
    "extra_special_tokens by roles": vocabulary_folder(config={"extra_special_tokens": {"image": "<img>"}}),
    "both names of extra tokens": vocabulary_folder(
        config={"extra_special_tokens": ["<ent>"], "additional_special_tokens": ["<img>"]}),
    "added_tokens.json": vocabulary_folder(added_tokens={"[NEW]": SIZE}),
    "added_tokens.json, two": vocabulary_folder(added_tokens={"New York": SIZE + 1, "[NEW]": SIZE}),
    "added_tokens.json, ids with a gap": vocabulary_folder(added_tokens={"[NEW]": SIZE + 7, "<ent>": SIZE + 3}),
    "added_tokens.json, special by a role": vocabulary_folder(config=OTHER_ROLES, vocabulary=OTHER_VOCABULARY[:4] + VOCABULARY[5:],
                                                              added_tokens={"<mask>": SIZE - 1}),
    "added_tokens.json with a default role": vocabulary_folder(VOCABULARY[:4] + VOCABULARY[5:], added_tokens={"[MASK]": SIZE - 1}),
    "added_tokens.json beside added_tokens_decoder": vocabulary_folder(
        config={"added_tokens_decoder": DECODER}, added_tokens={"[NEW]": SIZE}),
    "added_tokens_decoder": vocabulary_folder(
        config={"added_tokens_decoder": {**DECODER, str(SIZE): added("[NEW]", special=False, normalized=True)}}),
    "added_tokens_decoder, other ids than the vocabulary's": vocabulary_folder(
        config={"added_tokens_decoder": {"900": added("<ent>"), "20": added("<img>"), "3": added("dog", special=False)}}),
    "added_tokens_decoder, defaults of its flags": vocabulary_folder(
        config={"added_tokens_decoder": {"20": {"content": "New York"}, "21": {"content": "[MASK]"}, "22": {"content": "[NEW]"}}}),
    "added_tokens_decoder, flags": vocabulary_folder(
        config={"added_tokens_decoder": {"300": added("the", single_word=True), "301": added("<ent>", lstrip=True, rstrip=True)}}),
    "added_tokens_decoder, a token twice": vocabulary_folder(
        config={"added_tokens_decoder": {"300": added("<ent>", lstrip=True), "301": added("<ent>", normalized=True)}}),
    "added_tokens_decoder empty": vocabulary_folder(config={"added_tokens_decoder": {}}, added_tokens={"[NEW]": SIZE}),
    "special tokens split": vocabulary_folder(
        config={"split_special_tokens": True, "added_tokens_decoder": {"300": added("<ent>"), "301": added("[NEW]", special=False)}}),
    "truncation left": vocabulary_folder(config={"truncation_side": "left"}),
    "no token types": vocabulary_folder(config={"model_input_names": ["input_ids", "attention_mask"]}),
    "model_max_length": vocabulary_folder(config={"model_max_length": 4}),
    "class DistilBertTokenizer": vocabulary_folder(config={"tokenizer_class": "DistilBertTokenizer"}),
    "class DistilBertTokenizerFast with token types": vocabulary_folder(
        config={"tokenizer_class": "DistilBertTokenizerFast", "model_input_names": ["input_ids", "token_type_ids"]}),
    "class ElectraTokenizerFast": json_folder({"tokenizer_class": "ElectraTokenizerFast", "do_lower_case": False}),
    "class MobileBertTokenizer": vocabulary_folder(config={"tokenizer_class": "MobileBertTokenizer"}),
    "class by config.json": vocabulary_folder(model={"model_type": "bert", "tokenizer_class": "DistilBertTokenizer"}),
    "class by tokenizer_config.json over config.json": vocabulary_folder(
        config={"tokenizer_class": "BertTokenizer"}, model={"model_type": "bert", "tokenizer_class": "RobertaTokenizer"}),
    "class null": vocabulary_folder(config={"tokenizer_class": None}),
    "tokenizer.json alone": json_folder(),
    "tokenizer.json, cased, configuration silent": json_folder({}, tokenizer_json(normalizer={"lowercase": False})),
    "tokenizer.json, cased by tokenizer_config.json": json_folder({"do_lower_case": False}),
    "tokenizer.json, accents kept, configuration silent": json_folder(content=tokenizer_json(normalizer={"strip_accents": False})),
    "tokenizer.json, ideographs together, configuration silent": json_folder(
        content=tokenizer_json(normalizer={"handle_chinese_chars": False, "clean_text": False})),
    "tokenizer.json, short words only": json_folder(content=tokenizer_json(model={"max_input_chars_per_word": 3})),
    "tokenizer.json, another prefix": json_folder(content=tokenizer_json(model={"continuing_subword_prefix": "@@"})),
    "tokenizer.json, another normalizer": json_folder(content=tokenizer_json(normalizer={"type": "Lowercase"})),
    "tokenizer.json, another pre-tokenizer": json_folder(content=tokenizer_json(pre_tokenizer={"type": "Whitespace"})),
    "tokenizer.json, no post-processor": json_folder(content=tokenizer_json(post_processor=None)),
    "tokenizer.json, truncation left": json_folder(content=tokenizer_json(truncation=LEFT)),
    "tokenizer.json, truncation left against tokenizer_config.json": json_folder(
        {"truncation_side": "right"}, tokenizer_json(truncation=LEFT)),
    "tokenizer.json, other names by tokenizer_config.json": json_folder(OTHER_ROLES, OTHER_JSON),
    "tokenizer.json, added tokens": json_folder(content=tokenizer_json(tokens=[*tokenizer_json()["added_tokens"], NEW])),
    "tokenizer.json, added tokens beside added_tokens_decoder": json_folder(
        {"added_tokens_decoder": DECODER}, tokenizer_json(tokens=[*tokenizer_json()["added_tokens"], NEW])),
    "tokenizer.json, added_tokens.json": json_folder(added_tokens={"<ent>": SIZE}),
    "tokenizer.json, added tokens in both files": json_folder(
        content=tokenizer_json(tokens=[*tokenizer_json()["added_tokens"], NEW]), added_tokens={"[NEW]": SIZE + 4, "<ent>": SIZE + 1}),
    "tokenizer.json, ids with gaps": json_folder(
        {"extra_special_tokens": ["<ent>"]}, tokenizer_json(model={"vocab": {t: 2 * i for i, t in enumerate(VOCABULARY)}})),
    "tokenizer.json and vocab.txt that differ": {**json_folder(), "vocab.txt": lines(reversed(VOCABULARY))},
    "PreTrainedTokenizerFast": json_folder({"tokenizer_class": "PreTrainedTokenizerFast"}),
    "PreTrainedTokenizerFast, its own values": json_folder(
        {"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": True, "model_input_names": ["input_ids", "token_type_ids"]},
        tokenizer_json(normalizer={"lowercase": False}, model={"max_input_chars_per_word": 5}, truncation=LEFT)),
    "PreTrainedTokenizerFast, added tokens": json_folder(
        {"tokenizer_class": "PreTrainedTokenizerFast", "cls_token": "<s>", "additional_special_tokens": ["<ent>"],
         "added_tokens_decoder": {"7": added("<img>", lstrip=True), "4": added("[MASK]", lstrip=True)}},
        tokenizer_json(tokens=[NEW, *tokenizer_json()["added_tokens"]])),
    "PreTrainedTokenizerFast, other names": json_folder(
        {"tokenizer_class": "PreTrainedTokenizerFast", **OTHER_ROLES}, OTHER_JSON),
}  # fmt: skip

# Folders that Hugging Face reads and this program refuses: the message, and why it is better than an answer.
DEVIATIONS = {
    "no tokenizer at all": ({}, "expected tokenizer.json or vocab.txt",
                            "transformers makes up a vocabulary of five tokens"),
    "vocabulary without unk_token": (
        vocabulary_folder(OTHER_VOCABULARY), "expected the unk_token '[UNK]' in the vocabulary",
        "transformers fails later, at the first word that the vocabulary lacks"),
    "cls_token null": (vocabulary_folder(special_tokens_map={"cls_token": None}), "key 'cls_token': expected a token, got null",
                       "transformers writes the id 2, whatever token that is"),
    "byte-pair encoding under a BertTokenizer's name": (
        json_folder(content=tokenizer_json(model={"type": "BPE", "merges": []})), "key 'model.type': expected 'WordPiece'",
        "transformers takes the vocabulary for one of WordPiece"),
    "class RobertaTokenizer": (json_folder({"tokenizer_class": "RobertaTokenizer"}), "got 'RobertaTokenizer'",
                               "another class of tokenizer"),
    "class by config.json, another": (
        vocabulary_folder(model={"model_type": "bert", "tokenizer_class": "BertJapaneseTokenizer"}), "got 'BertJapaneseTokenizer'",
        "another class of tokenizer"),
}  # fmt: skip


def write_folder(folder, files):
    for name, content in {"config.json": {"model_type": "bert"}, **files}.items():
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        (folder / name).write_bytes(text.encode())
    return folder


def run_tool(folder, texts, max_length):
    """@param texts strings, or pairs of them."""
    request = b""
    for text in texts:
        first, second = (text, None) if isinstance(text, str) else text
        request += struct.pack("<I", len(first.encode())) + first.encode()
        request += b"\xff\xff\xff\xff" if second is None else struct.pack("<I", len(second.encode())) + second.encode()
    return subprocess.run([TOOL, str(folder), str(max_length)], input=request, capture_output=True)


def ours(folder, texts, max_length):
    """(ids, token types) of each text or pair."""
    done = run_tool(folder, texts, max_length)
    assert done.returncode == 0, done.stderr.decode()
    numbers, position, result = numpy.frombuffer(done.stdout, dtype=numpy.int32).tolist(), 0, []
    while position < len(numbers):
        count, second_begin = numbers[position : position + 2]
        ids = numbers[position + 3 : position + 3 + count]
        result.append((ids, [0] * second_begin + [1] * (count - second_begin)))
        position += 3 + count
    return result


def theirs(tokenizer, texts, max_length):
    limit = {"truncation": True, "max_length": max_length} if max_length != NO_LIMIT else {}
    result = []
    for columns in ([[text for text in texts if isinstance(text, str)]], list(zip(*(t for t in texts if not isinstance(t, str))))):
        encoded = tokenizer(*map(list, columns), **limit)
        types = encoded.get("token_type_ids") or [[0] * len(ids) for ids in encoded["input_ids"]]
        result += zip(encoded["input_ids"], types, strict=True)
    return result


def texts_and_pairs(seed):
    """200 texts, then 200 pairs."""
    texts = strings(200, seed)
    return [*texts, *zip(texts[::-1], texts)]


@pytest.fixture(scope="module")
def auto_tokenizer():
    from transformers import AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    return AutoTokenizer.from_pretrained


@pytest.mark.parametrize("name", FOLDERS)
def test_ids_and_token_types_are_those_of_auto_tokenizer(tmp_path, auto_tokenizer, name):
    folder = write_folder(tmp_path, FOLDERS[name])
    tokenizer = auto_tokenizer(folder)
    texts = texts_and_pairs(seed=len(name))
    for max_length in (NO_LIMIT, 9):
        expected = theirs(tokenizer, texts, max_length)
        for text, got, want in zip(texts, ours(folder, texts, max_length), expected, strict=True):
            assert got == want, (ascii(text), max_length)


# Folders that do what the plain one does, by right: all others must differ from it on the texts, or they test nothing.
LIKE_THE_PLAIN_ONE = [
    "vocabulary alone",
    "vocabulary, CRLF",
    "vocabulary, spaces at line ends",
    "vocabulary, no-break and ideographic spaces at line ends",
    "strip_accents null",
    "options of slow tokenizers",
    "special_tokens_map.json over tokenizer_config.json",
    "special_tokens_map.json beside added_tokens_decoder",
    "additional_special_tokens null",
    "added_tokens.json beside added_tokens_decoder",
    "added_tokens_decoder empty",
    "model_max_length",
    "class DistilBertTokenizerFast with token types",
    "class MobileBertTokenizer",
    "class by tokenizer_config.json over config.json",
    "class null",
    "tokenizer.json alone",
    "tokenizer.json, cased, configuration silent",
    "tokenizer.json, accents kept, configuration silent",
    "tokenizer.json, ideographs together, configuration silent",
    "tokenizer.json, short words only",
    "tokenizer.json, another prefix",
    "tokenizer.json, another normalizer",
    "tokenizer.json, another pre-tokenizer",
    "tokenizer.json, no post-processor",
    "tokenizer.json, truncation left against tokenizer_config.json",
    "tokenizer.json, added tokens beside added_tokens_decoder",
    "tokenizer.json and vocab.txt that differ",
]


def test_the_texts_tell_the_folders_apart(tmp_path, auto_tokenizer):
    texts = texts_and_pairs(seed=1)
    results = []
    for i, (_name, files) in enumerate(FOLDERS.items()):
        folder = tmp_path / str(i)
        folder.mkdir()
        results.append(theirs(auto_tokenizer(write_folder(folder, files)), texts, 9))
    assert [name for name, result in zip(FOLDERS, results, strict=True) if result == results[0]] == LIKE_THE_PLAIN_ONE


@pytest.mark.parametrize("name", DEVIATIONS)
def test_deviations_are_refused_by_name(tmp_path, name):
    files, message, reason = DEVIATIONS[name]
    done = run_tool(write_folder(tmp_path, files), ["the dog"], NO_LIMIT)
    assert done.returncode == 1 and message in done.stderr.decode(), (done.stderr.decode(), reason)


def test_the_page_shows_every_folder(check_page):
    sources = lambda files: ", ".join(sorted(name for name in files if name != "config.json")) or "none"  # noqa: E731
    lines = [
        "# Tokenizer folders",
        "",
        "Folders whose files settle the tokenizer together. Each answers as AutoTokenizer of transformers does: token ids and",
        "token types of 200 texts and 200 pairs, whole and cut. `tests/text/tokenizer_folders_test.py` compares them and makes",
        "this page.",
        "",
        f"## {len(FOLDERS)} folders that answer alike",
        "",
        "| folder | its files |",
        "|---|---|",
        *(f"| {name} | {sources(files)} |" for name, files in FOLDERS.items()),
        "",
        f"## {len(DEVIATIONS)} folders that are refused",
        "",
        "| folder | the refusal | what transformers does |",
        "|---|---|---|",
        *(f"| {name} | {message} | {reason} |" for name, (_, message, reason) in DEVIATIONS.items()),
    ]
    assert len(FOLDERS) >= 40
    check_page("docs/compatibility/tokenizers.md", lines)
