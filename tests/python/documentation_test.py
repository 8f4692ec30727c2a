"""The code in the documentation runs, and the reference is what the docstrings say."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def code_of(page: Path) -> str:
    """All code blocks of a page, each at the line that it has there, so that a traceback names the page's line."""
    text = page.read_text(encoding="utf-8")
    lines = [""] * text.count("\n")
    for block in FENCE.finditer(text):
        first = text[: block.start(1)].count("\n")
        code = block[1].splitlines()
        lines[first : first + len(code)] = code
    return "\n".join(lines)


@pytest.mark.parametrize(("page", "fewest_blocks"), [("docs/python.md", 9), ("docs/migration.md", 1)])
def test_code_in_the_documentation_runs(page, fewest_blocks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["script"])
    code = code_of(ROOT / page)
    assert len(FENCE.findall((ROOT / page).read_text(encoding="utf-8"))) >= fewest_blocks
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(code, page, "exec"), {"__name__": "__main__"})


def test_a_fault_in_a_page_is_found_at_its_line(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n```python\nx = 1\n```\n\ntext\n\n```python\ny = x + 1\nraise ValueError(y)\n```\n")
    with pytest.raises(ValueError, match="2") as caught:
        exec(compile(code_of(page), "page.md", "exec"), {})
    assert caught.traceback[-1].lineno == 10  # counted from 0


def test_the_reference_is_what_the_docstrings_say():
    done = subprocess.run([sys.executable, ROOT / "scripts" / "generate_python_api.py", "--check"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", ["docs/python.md", "docs/migration.md"])
def test_links_lead_somewhere(page):
    missing = [link for link in links(ROOT / page) if not (ROOT / page).parent.joinpath(link).exists()]
    assert not missing
