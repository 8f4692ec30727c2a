import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/lib/clang_tidy.py"
spec = importlib.util.spec_from_file_location("clang_tidy", SCRIPT)
clang_tidy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(clang_tidy)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.setattr(clang_tidy, "ROOT", tmp_path)

    def write(name, text=""):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def test_a_changed_source_is_selected_alone(tree):
    a, b = tree("src/x/a.cpp"), tree("src/x/b.cpp")
    assert clang_tidy.select_changed([a, b], {b}) == [b]


def test_a_changed_header_selects_the_first_source_that_includes_it(tree):
    header = tree("include/vcas/x/h.h")
    a, b, c = tree("src/x/a.cpp"), tree("src/x/b.cpp", '#include "vcas/x/h.h"\n'), tree("src/x/c.cpp", '#include "vcas/x/h.h"\n')
    assert clang_tidy.select_changed([a, b, c], {header}) == [b]


def test_a_changed_header_that_a_changed_source_includes_selects_nothing_more(tree):
    header = tree("include/vcas/x/h.h")
    b, c = tree("src/x/b.cpp", '#include "vcas/x/h.h"\n'), tree("src/x/c.cpp", '#include "vcas/x/h.h"\n')
    assert clang_tidy.select_changed([b, c], {header, c}) == [c]


def test_the_launcher_and_openmp_are_left_out():
    entry = {"directory": "/d", "file": "/d/a.cpp", "command": "cmake -E env ccache /usr/bin/c++ -O3 -fopenmp -c a.cpp"}
    assert clang_tidy.clang_command(entry)["arguments"] == ["/usr/bin/c++", "-O3", "-c", "a.cpp"]


def test_what_passed_counts_until_source_flags_or_headers_change(tree):
    tree(".clang-tidy", "Checks: '*'")
    source = tree("src/a.cpp", "int a;")
    key = clang_tidy.content_key(source, {"arguments": ["c++"]}, "headers")
    assert clang_tidy.content_key(source, {"arguments": ["c++"]}, "headers") == key
    assert clang_tidy.content_key(source, {"arguments": ["c++", "-O3"]}, "headers") != key
    assert clang_tidy.content_key(source, {"arguments": ["c++"]}, "other") != key
    source.write_text("int b;")
    assert clang_tidy.content_key(source, {"arguments": ["c++"]}, "headers") != key
