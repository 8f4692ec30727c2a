"""Composes the page of `vcas report`: page.html with its styles, its scripts and the plotting library, packed.

usage: compose_report_page.py FOLDER plotly.min.js OUTPUT
"""

import base64
import gzip
import sys
from pathlib import Path

SCRIPTS = ["element.js", "csv.js", "plot.js", "page.js"]


def compose(folder: Path, library: Path) -> str:
    parts = {
        "@STYLE@": (folder / "page.css").read_text(encoding="utf-8"),
        "@SCRIPT@": "\n".join((folder / name).read_text(encoding="utf-8") for name in SCRIPTS),
        # Without a time, so that equal sources give equal programs.
        "@LIBRARY@": base64.b64encode(gzip.compress(library.read_bytes(), 9, mtime=0)).decode("ascii"),
    }
    page = (folder / "page.html").read_text(encoding="utf-8")
    for place, text in parts.items():
        if page.count(place) != 1:
            sys.exit(f"{folder / 'page.html'}: expected {place} once")
        page = page.replace(place, text)
    return page


if __name__ == "__main__":
    source, plotly, output = map(Path, sys.argv[1:])
    output.write_text(compose(source, plotly), encoding="utf-8")
