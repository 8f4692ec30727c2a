"""Columns of labels, with the reading that differs from Hugging Face's where one does, and why.

Each entry: file format, the labels as they stand in the file, and None where Hugging Face's classes are expected.
`json` labels are JSON texts.
"""

from typing import NamedTuple


class Deviation(NamedTuple):
    """A reading that differs on purpose."""

    expected: list[str] | str
    """The classes, or a part of the refusal."""
    why: str


MISSING = Deviation(
    "expected a class, got",
    "a label is missing; Hugging Face's scripts make a class of it, take the column for floats, or fail while sorting",
)
FLOATS = Deviation("--problem_type single_label_classification", "regression is not available")
TOO_LARGE = "`datasets` fails: it has 64 bits"
WHOLE = "whole numbers in a column of floats are classes, and stderr says so"
SPACES = "two classes that look alike help nobody"
NUMBERS = "`datasets` keeps strings, which sort otherwise"

COLUMNS = [
    ("csv", ["1", "0"], None),
    ("csv", ["2", "10", "1"], None),
    ("csv", ["x", "y", "x"], None),
    ("csv", ["no", "yes"], None),
    ("csv", ["t", "f"], None),
    ("csv", ["2020-01-01", "2020-01-02"], None),
    ("csv", ['"1"', '"2"'], None),
    ("csv", ['"a, b"', '"c ""d"""'], None),
    ("csv", ["1", " 1", "2 "], None),
    ("csv", ["+1", "0"], None),
    ("csv", ["-1", "1"], None),
    ("csv", ["-0", "0", "1"], None),
    ("csv", ["01", "1", "2"], None),
    ("csv", ["9223372036854775807", "0"], None),
    ("csv", ["9223372036854775808", "0"], None),
    ("csv", ["0x1", "1"], None),
    ("csv", ["1_0", "1"], None),
    ("csv", ["- 1", "2"], None),
    ("csv", ["\u0661", "2"], None),  # ARABIC-INDIC DIGIT ONE
    ("csv", ["\uff11", "2"], None),  # FULLWIDTH DIGIT ONE
    ("csv", ["\u22121", "1"], None),  # MINUS SIGN
    ("csv", ["true", "false"], None),
    ("csv", ["True", "False"], None),
    ("csv", ["TRUE", "FALSE"], None),
    ("csv", ["tRue", "False"], None),
    ("csv", ["True", "1"], None),
    ("csv", ["true", "x"], None),
    ("csv", ["1", "2", "x"], None),
    ("csv", ["01", "1", "x"], None),
    ("csv", ["1.0", "x"], None),
    ("csv", ["-inf", "x"], None),
    ("csv", ["Null", "none"], None),
    ("csv", ["18446744073709551616", "0"], Deviation(["0", "18446744073709551616"], TOO_LARGE)),
    ("csv", ["x", ""], MISSING),
    ("csv", ['""', "x"], MISSING),
    ("csv", ["1", ""], MISSING),
    ("csv", ["True", ""], MISSING),
    ("csv", ["1", "nan"], MISSING),
    ("csv", ["x", "NaN"], MISSING),
    ("csv", ["x", "None"], MISSING),
    ("csv", ["x", "NA"], MISSING),
    ("csv", ["x", "n/a"], MISSING),
    ("csv", ["x", "null"], MISSING),
    ("csv", ["x", "-1.#IND"], MISSING),
    ("csv", ["x", " "], MISSING),
    ("csv", ["x", "NaN "], MISSING),
    ("csv", [" x", "x", "y"], Deviation(["x", "y"], SPACES)),
    ("csv", ["True ", "False"], Deviation(["False", "True"], SPACES)),
    ("csv", ["\u00a01", "2"], Deviation(["1", "2"], SPACES)),
    ("csv", ["\u20031", "1", "2"], Deviation(["1", "2"], SPACES)),
    ("csv", ["1.0", "2.0"], Deviation(["1", "2"], NUMBERS)),
    ("csv", ["2.0", "1"], Deviation(["1", "2"], WHOLE)),
    ("csv", ["1e2", "100", "0"], Deviation(["0", "100"], WHOLE)),
    ("csv", ["1.", "2"], Deviation(["1", "2"], WHOLE)),
    ("csv", ["-0.0", "0.0", "1.0"], Deviation(["0", "1"], NUMBERS)),
    ("csv", ["4.75", "1"], FLOATS),
    ("csv", [".5", "1"], FLOATS),
    ("csv", ["inf", "1"], FLOATS),
    ("csv", ["1e400", "1"], FLOATS),
    ("csv", ["1.0000000000000001", "1"], FLOATS),
    ("json", ["1", "0", "10", "2"], None),
    ("json", ['"x"', '"y"'], None),
    ("json", ["true", "false"], None),
    ("json", ["true", "1"], None),
    ("json", ["1", '"x"'], None),
    ("json", ['"nan"', '"None"', '"NA"'], None),
    ("json", ['"true"', '"false"'], None),
    ("json", ['"4.75"', '"x"'], None),
    ("json", ['"4.75"', '"3.5"'], None),
    ("json", ['"1"', "2"], None),
    ("json", ["-0", "1"], None),
    ("json", ["1", "null"], MISSING),
    ("json", ["true", "null"], MISSING),
    ("json", ['"x"', '""'], MISSING),  # datasets: a class ""
    ("json", ["1", "NaN"], MISSING),
    ("json", ['" 1"', '"1"', '"2"'], Deviation(["1", "2"], SPACES)),
    ("json", ['"1"', '"2"', '"10"'], Deviation(["1", "2", "10"], NUMBERS)),
    ("json", ['"1.0"', '"2"'], Deviation(["1", "2"], NUMBERS)),
    ("json", ["1", "2.0"], Deviation(["1", "2"], WHOLE)),
    ("json", ["1e2", "1"], Deviation(["1", "100"], WHOLE)),
    ("json", ["9223372036854775808", "1"], Deviation(["1", "9223372036854775808"], "`datasets` rounds to floats")),
    ("json", ["1.5", "2"], FLOATS),
    ("json", ["Infinity", "2"], FLOATS),
    ("json", ["[1]", "[0]"], Deviation("expected a string or a number, got an array", "several classes a text")),
    ("json", ['{"x": 1}', '{"x": 2}'], Deviation("expected a string or a number, got an object", "an object is no class")),
]
