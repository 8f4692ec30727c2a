"""The texts of wordnet-nouns as the C++ program splits and orders them (src/data/wordnet_nouns.cpp)."""

import pathlib
import typing

HELD_OUT_OF = 10
FIRST_CLASS = 3  # noun.Tops
_MASK = (1 << 64) - 1


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


def read_split(path="/usr/share/wordnet/data.noun"):
    synsets = []
    for line in pathlib.Path(path).read_text().splitlines():
        if not line.startswith("  "):
            fields, gloss = line.split(" | ", 1)
            offset, lexical_file = fields.split(" ", 2)[:2]
            synsets.append(("n" + offset, gloss.strip(), int(lexical_file) - FIRST_CLASS))
    synsets.sort(key=lambda synset: (mix64(fnv1a64(synset[0])), synset[0]))
    split = Split([], [])
    for name, gloss, label in synsets:
        (split.held_out if fnv1a64(name) % HELD_OUT_OF == 0 else split.train).append((gloss, label))
    return split
