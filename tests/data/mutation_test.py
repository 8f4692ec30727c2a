"""Malformed data files, made from valid ones by mutation: the readers never crash, name file and place, and where they
accept a file they mostly read what Hugging Face's `datasets` reads."""

import csv
import io
import json
import math
import random
import re

import data_readers
import pytest

ROWS = [
    ("a dog", "x"), ('he said "good", twice', "y"), ("café 神奈川県", "x"), ("two\nlines", "y"), ("tab\there", "x"),
    ("", "y"), ("last; one", "x"),
]  # fmt: skip
LEAST_SHARE = 0.6


def table(separator, rows=ROWS, quoting=csv.QUOTE_MINIMAL):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n", quoting=quoting)
    writer.writerows([("sentence", "label"), *rows])
    return out.getvalue().encode()


def objects():
    return [{"sentence": text, "label": label, "n": number} for number, (text, label) in enumerate(ROWS)]


VALID = {
    "csv": [table(","), table(",", quoting=csv.QUOTE_ALL)],
    "tsv": [table("\t"), b"sentence\tlabel\na \"raw\" dog\tx\n\"half a quote\ty\nplain\tx\n"],
    "jsonl": ["".join(json.dumps(row) + "\n" for row in objects()).encode()],
    "json": [json.dumps(objects(), indent=1, ensure_ascii=False).encode()],
}  # fmt: skip


def cuts(content):
    return [content[: len(content) * part // 11] for part in range(1, 11)]


def changed_bytes(content, generator):
    for byte in [b"\x00", b"\xff", b'"', b"\\", b"\r", b"\n", b",", b"\t", b"{", b"]", b"\xc3", b"7"] * 2:
        place = generator.randrange(len(content))
        yield content[:place] + byte + content[place + 1 :]


def changed_lines(content, generator):
    lines = content.split(b"\n")
    for _ in range(3):
        place = generator.randrange(len(lines))
        yield b"\n".join(lines[:place] + lines[place + 1 :])
        yield b"\n".join(lines[: place + 1] + lines[place:])
        yield b"\n".join([*lines[:place], lines[place] + b',"more"', *lines[place + 1 :]])
        yield b"\n".join([*lines[:place], lines[place][: len(lines[place]) // 2], *lines[place + 1 :]])


def changed_members(kind):
    """Keys taken out, doubled, and with values of other types and sizes."""
    values = ["null", "true", "NaN", "[]", "{}", '""', "1e999", "-0", '"' + "x" * 100_000 + '"', "[" * 100 + "]" * 100]
    texts = [json.dumps(row) for row in objects()]
    for value in values:
        for key in ("sentence", "label", "n"):
            row = objects()[2]
            row[key] = "HERE"
            yield joined(kind, [*texts[:2], json.dumps(row).replace('"HERE"', value), *texts[3:]])
    for key in ("sentence", "label", "n"):
        row = objects()[2]
        del row[key]
        yield joined(kind, [*texts[:2], json.dumps(row), *texts[3:]])
        yield joined(kind, [*texts[:2], texts[2][:-1] + f', "{key}": "twice"}}', *texts[3:]])


def joined(kind, texts):
    return ("[" + ",\n".join(texts) + "]\n" if kind == "json" else "\n".join(texts) + "\n").encode()


def mutations(kind):
    generator = random.Random(17)
    made = []
    for content in VALID[kind]:
        made += cuts(content) + list(changed_bytes(content, generator)) + list(changed_lines(content, generator))
    if kind in ("json", "jsonl"):
        made += changed_members(kind)
    return [content for content in dict.fromkeys(made) if content not in VALID[kind]]


def same(ours, theirs):
    """Whether the texts and classes are those that Hugging Face's reader gives. An empty text is a missing one to pandas."""
    if "error" in theirs or "sentence" not in theirs["columns"] or "label" not in theirs["columns"]:
        return False
    rows = [(plain(row["sentence"]), plain(row["label"])) for row in theirs["rows"]]
    return [row for row in rows if row != ("", "")] == list(zip(ours["texts"], ours["labels"]))


def plain(value):
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if missing else str(value).strip() if isinstance(value, str) else str(value)


def names_its_place(message, path):
    """Of a table as a whole there is no line to name."""
    whole = ["the file is empty", "at least one row", "two classes or more"]
    return re.search(re.escape(path.name) + r":\d+: ", message) or any(part in message for part in whole)


@pytest.mark.long
@pytest.mark.parametrize("kind", sorted(VALID))
def test_malformed_files(kind, tmp_path):
    files = []
    for number, content in enumerate(mutations(kind)):
        files.append(tmp_path / f"{number}.{kind}")
        files[-1].write_bytes(content)
    assert len(files) >= 40
    ours, _ = data_readers.ours(files)
    theirs = data_readers.theirs(files)
    good = 0
    for path, mine, reference in zip(files, ours, theirs):
        if "error" in mine:
            assert str(path) in mine["error"]
            assert names_its_place(mine["error"], path), mine["error"]
        good += "error" in mine or same({**mine, "texts": [text.strip() for text in mine["texts"]]}, reference)
    assert good >= LEAST_SHARE * len(files), f"{good} of {len(files)}"


@pytest.mark.long
@pytest.mark.parametrize("kind", sorted(VALID))
def test_the_valid_files_are_read(kind, tmp_path):
    """The premise of the test above."""
    for number, content in enumerate(VALID[kind]):
        path = tmp_path / f"{number}.{kind}"
        path.write_bytes(content)
        (read,), _ = data_readers.ours([path])
        assert "error" not in read
        if number == 0:
            assert list(zip(read["texts"], read["labels"])) == ROWS
