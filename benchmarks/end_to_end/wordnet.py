"""WordNet's glosses, and wordnet-nouns as the C++ program splits and orders it (src/data/wordnet_nouns.cpp)."""

import pathlib
import typing

FOLDER = pathlib.Path("/usr/share/wordnet")
HELD_OUT_OF = 10
FIRST_CLASS = 3  # noun.Tops
_MASK = (1 << 64) - 1


class Synset(typing.NamedTuple):
    """A meaning: its offset in the file, how it is explained, and its lexicographer file (a coarse class)."""

    offset: str
    gloss: str
    lexical_file: int


class Split(typing.NamedTuple):
    """(gloss, class) of either part; the first texts are as good a sample as any."""

    train: list[tuple[str, int]]
    held_out: list[tuple[str, int]]


def fnv1a64(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & _MASK
    return value


def mix64(value):
    """SplitMix64's finaliser."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK
    return value ^ value >> 31


def read_synsets(part="noun"):
    """Those of "noun", "verb", "adj" or "adv", in the file's order."""
    synsets = []
    for line in (FOLDER / f"data.{part}").read_text().splitlines():
        if not line.startswith("  "):
            fields, gloss = line.split(" | ", 1)
            offset, lexical_file = fields.split(" ", 2)[:2]
            synsets.append(Synset(offset, gloss.strip(), int(lexical_file)))
    return synsets


def read_split():
    names = {"n" + synset.offset: synset for synset in read_synsets()}
    split = Split([], [])
    for name in sorted(names, key=lambda name: (mix64(fnv1a64(name)), name)):
        part = split.held_out if fnv1a64(name) % HELD_OUT_OF == 0 else split.train
        part.append((names[name].gloss, names[name].lexical_file - FIRST_CLASS))
    return split
