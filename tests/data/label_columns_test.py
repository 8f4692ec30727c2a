"""Labels of a training file against Hugging Face: `datasets` and the logic of its example scripts."""

import json

import data_readers
import pytest
from label_columns import COLUMNS


def write(folder, number, kind, labels):
    path = folder / f"{number}.{kind}"
    if kind == "csv":
        lines = ["sentence,label", *[f"text {i},{label}" for i, label in enumerate(labels)]]
    else:
        lines = [f'{{"sentence": "text {i}", "label": {label}}}' for i, label in enumerate(labels)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Both readings of every column: [(ours, theirs)]."""
    folder = tmp_path_factory.mktemp("columns")
    files = [write(folder, number, kind, labels) for number, (kind, labels, _) in enumerate(COLUMNS)]
    return list(zip(data_readers.ours(files)[0], data_readers.theirs(files)))


@pytest.mark.parametrize("number", range(len(COLUMNS)), ids=lambda number: f"{COLUMNS[number][0]}-{COLUMNS[number][1]}")
def test_columns(read, number):
    kind, _, deviation = COLUMNS[number]
    ours, theirs = read[number]
    classes, names = data_readers.classes_of(theirs)
    if deviation is None:
        assert ours.get("label_names") == classes, ours
        assert ours["labels"] == names
    elif isinstance(deviation.expected, list):
        assert ours.get("label_names") == deviation.expected, ours
        assert classes != deviation.expected, "Hugging Face reads it alike: expect None"
    else:
        assert deviation.expected in ours["error"]
        assert f"{number}.{kind}:" in ours["error"]
        assert names is None or any(name.strip() in ("", "NaN") for name in classes), "Hugging Face reads it: so should we"


def shown(values):
    """A list of texts in a cell of a table; a control character or a space that would not show, as its number."""
    hidden = lambda character: character != " " and not character.isprintable()  # noqa: E731
    texts = ["".join(f"U+{ord(c):04X} " if hidden(c) else c for c in value).replace("|", "\\|") for value in values]
    return ", ".join(f"`{text}`" if text else "(nothing)" for text in texts)


def test_the_page_shows_every_column(read, check_page):
    lines = [
        "# Labels, column by column",
        "",
        "What a column of labels is to `vcas train` and to Hugging Face: `datasets`, with the logic of run_classification.py",
        "and run_glue.py. `tests/data/label_columns_test.py` reads every column with both and makes this page.",
        f"{sum(deviation is None for _, _, deviation in COLUMNS)} of {len(COLUMNS)} columns are read alike.",
        "[Data files](../data-files.md) has the rules.",
        "",
        "| format | labels in the file | Hugging Face | vcas | where they differ, why |",
        "|---|---|---|---|---|",
    ]
    for (kind, labels, deviation), (ours, theirs) in zip(COLUMNS, read, strict=True):
        classes, _ = data_readers.classes_of(theirs)
        said = classes if isinstance(classes, str) else f"classes {shown(classes)}"
        answer = f"classes {shown(ours['label_names'])}" if "label_names" in ours else "refused, with the line"
        lines.append(f"| {kind} | {shown(labels)} | {said} | {answer} | {deviation.why if deviation else ''} |")
    check_page("docs/compatibility/labels.md", lines)


def test_numbers_are_classes_where_the_flag_says_so(tmp_path):
    files = [write(tmp_path, 0, "csv", ["4.75", "0.0", "10.5"]), write(tmp_path, 1, "csv", ["2.0", "1"])]
    results, said = data_readers.ours(files, "classes")
    assert [result["label_names"] for result in results] == [["0", "4.75", "10.5"], ["1", "2"]]
    assert said == []


def test_whole_floats_are_said_once(tmp_path):
    _, said = data_readers.ours([write(tmp_path, 0, "csv", ["1.0", "2.0", "1.0"])])
    assert len(said) == 1
    assert "0.csv:2: column 'label'" in said[0] and "--problem_type single_label_classification" in said[0]


def test_the_table_is_large_and_of_both_kinds():
    assert len(COLUMNS) >= 30
    assert len({json.dumps(column) for column in COLUMNS}) == len(COLUMNS)
    assert sum(deviation is None for _, _, deviation in COLUMNS) >= 30
