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
    kind, _, expected = COLUMNS[number]
    ours, theirs = read[number]
    classes, names = data_readers.classes_of(theirs)
    if expected is None:
        assert ours.get("label_names") == classes, ours
        assert ours["labels"] == names
    elif isinstance(expected, list):
        assert ours.get("label_names") == expected, ours
        assert classes != expected, "Hugging Face reads it alike: expect None"
    else:
        assert expected in ours["error"]
        assert f"{number}.{kind}:" in ours["error"]
        assert names is None or any(name.strip() in ("", "NaN") for name in classes), "Hugging Face reads it: so should we"


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
    assert sum(expected is None for _, _, expected in COLUMNS) >= 30
