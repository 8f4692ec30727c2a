#!/usr/bin/env python3
"""Writes src/text/unicode_differences.inc: where the Unicode data of the Python package `tokenizers` and ICU disagree.

`tokenizers` carries several Unicode tables (one a Rust crate), some older than ICU's and some newer. This script asks
both about every code point and writes the ones that differ. What is younger than Unicode 15.0 (ICU 72) counts as
unassigned on ICU's side, here and in src/text/bert_unicode.cpp, so that the table holds for every later ICU too.

    scripts/generate_unicode_table.py            writes the table
    scripts/generate_unicode_table.py --check    exit status 1 when the table on disk differs from what would be written
"""

import argparse
import ctypes
import ctypes.util
import pathlib
import re
import sys

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

TABLE = pathlib.Path(__file__).resolve().parent.parent / "src" / "text" / "unicode_differences.inc"
UNICODE_VERSION = (15, 0)
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
CLEANED_IN_CODE = {0x0, 0x9, 0xA, 0xD, 0xFFFD}  # BERT's own rules, not Unicode's

# ICU's UCharCategory and UProperty numbers (uchar.h), stable by ICU's promise.
UNASSIGNED, NONSPACING_MARK, ENCLOSING_MARK, SPACING_MARK, DECIMAL_NUMBER = 0, 6, 7, 8, 9
CONTROL, FORMAT, PRIVATE_USE, CONNECTOR = 15, 16, 17, 22
PUNCTUATION = {19, 20, 21, 22, 23, 28, 29}
ALPHABETIC, JOIN_CONTROL = 0, 20


class Icu:
    """The ICU functions that src/text/bert_unicode.cpp calls, by way of the shared library."""

    def __init__(self):
        name = ctypes.util.find_library("icuuc")
        if name is None:
            sys.exit("generate_unicode_table: expected the ICU library libicuuc, found none (Debian: libicu-dev)")
        self.version = re.search(r"(\d+)$", name).group(1)
        self.library = ctypes.CDLL(name)
        self.status = ctypes.c_int(0)
        self.function("unorm2_getNFDInstance").restype = ctypes.c_void_p
        self.nfd = ctypes.c_void_p(self.function("unorm2_getNFDInstance")(ctypes.byref(self.status)))
        self.buffer = (ctypes.c_uint16 * 64)()

    def function(self, name):
        return getattr(self.library, f"{name}_{self.version}")

    def assigned(self, code_point):
        age = (ctypes.c_uint8 * 4)()
        self.function("u_charAge")(code_point, age)
        return (age[0], age[1]) <= UNICODE_VERSION

    def category(self, code_point):
        return self.function("u_charType")(code_point) & 0xFF

    def has(self, code_point, code):
        return self.function("u_hasBinaryProperty")(code_point, code) & 0xFF != 0

    def lowercase(self, code_point):
        return chr(self.function("u_tolower")(code_point))

    def combining_class(self, code_point):
        return self.function("u_getCombiningClass")(code_point) & 0xFF

    def decomposition(self, code_point):
        length = self.function("unorm2_getDecomposition")(
            self.nfd, code_point, self.buffer, 64, ctypes.byref(self.status))
        if length < 0:
            return chr(code_point)
        return bytes(self.buffer)[: 2 * length].decode("utf-16-le")


def icu_properties():
    """Per property a dict from code point to ICU's value."""
    icu = Icu()
    result = {name: {} for name in ("control", "punctuation", "mark", "word", "class", "decomposition", "lowercase")}
    for c in CODE_POINTS:
        assigned = icu.assigned(c)
        category = icu.category(c) if assigned else UNASSIGNED
        result["control"][c] = category in (CONTROL, FORMAT, PRIVATE_USE)
        result["punctuation"][c] = category in PUNCTUATION
        result["mark"][c] = category == NONSPACING_MARK
        result["word"][c] = assigned and (
            category in (NONSPACING_MARK, ENCLOSING_MARK, SPACING_MARK, DECIMAL_NUMBER, CONNECTOR)
            or icu.has(c, ALPHABETIC) or icu.has(c, JOIN_CONTROL))
        result["class"][c] = icu.combining_class(c) if assigned else 0
        result["decomposition"][c] = icu.decomposition(c) if assigned else chr(c)
        result["lowercase"][c] = icu.lowercase(c) if assigned else chr(c)
    return result


def bert_normalizer(**on):
    parts = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    return normalizers.BertNormalizer(**(parts | on))


def single_word_tokenizer():
    """Finds the added token Q only where no word character stands beside it."""
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.add_tokens([AddedToken("Q", single_word=True, normalized=False)])
    return tokenizer


def combining_classes(decompose, decomposed, icu_classes):
    """The class of every code point, found by how canonical ordering moves it past marks of known class.

    Marks of one class keep their order whichever comes first; a code point of class 0 is never moved. What
    decomposes is never seen by canonical ordering and keeps ICU's class.
    """
    probes = {}
    for c, value in icu_classes.items():
        if value and c < 0x0700 and decomposed[c] == chr(c):
            probes.setdefault(value, chr(c))
    highest = probes[max(probes)]
    result = {}
    for c in CODE_POINTS:
        text = chr(c)
        result[c] = 0 if decomposed[c] == text else icu_classes[c]
        if decomposed[c] != text:
            continue
        if icu_classes[c] == 0 and decompose("a" + highest + text) == "a" + highest + text:
            continue
        same = [value for value, probe in probes.items()
                if decompose("a" + probe + text) == "a" + probe + text
                and decompose("a" + text + probe) == "a" + text + probe]
        if len(same) == 1:
            result[c] = same[0]
        elif not same:
            below = [value for value, probe in probes.items() if decompose("a" + text + probe) == "a" + probe + text]
            above = [value for value in probes if value not in below]
            if not max(below, default=0) < icu_classes[c] < min(above, default=255):
                sys.exit(f"generate_unicode_table: no probe for the combining class of U+{c:04X}")
            result[c] = icu_classes[c]
    return result


def tokenizers_properties(icu):
    """The same properties as `tokenizers` has them, each found by what a tokenizer does to text."""
    clean = bert_normalizer(clean_text=True).normalize_str
    lowercase = bert_normalizer(lowercase=True).normalize_str
    strip = bert_normalizer(strip_accents=True).normalize_str
    decompose = normalizers.NFD().normalize_str
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    words = single_word_tokenizer()
    result = {
        "control": {c: clean(f"a{chr(c)}b") == "ab" for c in CODE_POINTS},
        "punctuation": {c: len(split(f"a{chr(c)}b")) == 3 for c in CODE_POINTS},
        "word": {c: 1 not in words.encode("Q" + chr(c)).ids for c in CODE_POINTS},
        "decomposition": {c: decompose(chr(c)) for c in CODE_POINTS},
        "lowercase": {c: lowercase(chr(c)) for c in CODE_POINTS},
    }
    decomposed = result["decomposition"]
    result["mark"] = {c: strip(chr(c)) == "" if decomposed[c] == chr(c) else icu["mark"][c] for c in CODE_POINTS}
    result["class"] = combining_classes(decompose, decomposed, icu["class"])
    # ASCII symbols count as punctuation, and NUL, U+FFFD and white space are cleaned, by BERT's rules.
    for c in CODE_POINTS:
        if c < 0x80 and chr(c).isprintable() and not chr(c).isalnum():
            result["punctuation"][c] = icu["punctuation"][c]
    for c in CLEANED_IN_CODE:
        result["control"][c] = icu["control"][c]
    return result


def ranges(code_points):
    result = []
    for c in sorted(code_points):
        if result and result[-1][1] == c - 1:
            result[-1][1] = c
        else:
            result.append([c, c])
    return result


def array(declaration, entries):
    lines, line = [], ""
    for entry in entries:
        if len(line) + len(entry) > 104:
            lines.append(line.rstrip())
            line = ""
        line += entry + ", "
    lines.append(line.rstrip())
    return f"inline constexpr {declaration}[] = {{\n" + "\n".join("    " + text for text in lines) + "\n};\n"


def literal(text):
    return 'U"' + "".join(f"\\U{ord(c):08X}" for c in text) + '"'


def render():
    icu = icu_properties()
    other = tokenizers_properties(icu)
    different = {name: [c for c in CODE_POINTS if icu[name][c] != other[name][c]] for name in icu}
    parts = [
        "// Generated by scripts/generate_unicode_table.py: code points on which the Python package tokenizers "
        f"{tokenizers.__version__}\n"
        "// and ICU differ (what is younger than Unicode 15.0 counts as unassigned in ICU). Do not edit; run\n"
        "//     scripts/generate_unicode_table.py\n"
        "// clang-format off\n"
    ]
    for name, title, comment in (
            ("control", "Control", "Exactly one of the two has them as control, format or private use."),
            ("punctuation", "Punctuation", "Exactly one of the two has them as punctuation."),
            ("mark", "NonspacingMark", "Exactly one of the two has them as nonspacing marks."),
            ("word", "WordCharacter", "Exactly one of the two has them as word characters (\\w).")):
        entries = [f"{{0x{first:04X}, 0x{last:04X}}}" for first, last in ranges(different[name])]
        parts.append(f"// {comment}\n" + array(f"CodePointRange k{title}Differences", entries))
    parts.append("// Canonical combining class in tokenizers.\n" + array(
        "CombiningClass kCombiningClassDifferences",
        [f"{{0x{c:04X}, {other['class'][c]}}}" for c in different["class"]]))
    for name, title, comment in (("decomposition", "Decomposition", "Full canonical decomposition"),
                                 ("lowercase", "Lowercase", "Lower case")):
        parts.append(f"// {comment} in tokenizers.\n" + array(
            f"CodePointMapping k{title}Differences",
            [f"{{0x{c:04X}, {literal(other[name][c])}}}" for c in different[name]]))
    return "\n".join(parts)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the table on disk instead of writing it")
    arguments = parser.parse_args(arguments)
    text = render()
    if not arguments.check:
        TABLE.write_text(text, encoding="ascii")
    elif TABLE.read_text(encoding="ascii") != text:
        sys.exit(f"generate_unicode_table: {TABLE} differs from what tokenizers {tokenizers.__version__} gives; "
                 "run scripts/generate_unicode_table.py")


if __name__ == "__main__":
    main()
