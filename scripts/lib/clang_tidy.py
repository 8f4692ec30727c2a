"""Runs clang-tidy on C++ sources: those that changed, or all of them.

A source counts as changed when it differs from the base commit, or when it is the first to include a changed header
that no changed source includes. What passed once is remembered by content in BUILD/tidy and not looked at again
until the source, a header of the project, .clang-tidy or the compiler flags change.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# OpenMP's omp.h only GCC can read; PyTorch's headers do without.
GCC_ONLY = {"-fopenmp"}


def git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


def base_commit() -> str | None:
    """Where this line of work left main; on main itself, the commit before."""
    for main in ("origin/main", "main"):
        base = git("merge-base", "HEAD", main)
        if base and base != git("rev-parse", "HEAD"):
            return base[0]
    before = git("rev-parse", "--verify", "--quiet", "HEAD~1")
    return before[0] if before else None


def changed_files() -> set[Path]:
    base = os.environ.get("VCAS_TIDY_BASE") or base_commit()
    names = git("diff", "--name-only", "--diff-filter=d", base) if base else []
    names += git("ls-files", "--others", "--exclude-standard")
    return {ROOT / name for name in names}


def includes(source: Path) -> set[str]:
    return set(re.findall(r'^\s*#\s*include\s+"([^"]+)"', source.read_text(encoding="utf-8"), re.MULTILINE))


def select_changed(sources: list[Path], changed: set[Path]) -> list[Path]:
    selected = [source for source in sources if source in changed]
    covered = set().union(*map(includes, selected)) if selected else set()
    for header in sorted(path for path in changed if path.suffix == ".h"):
        name = re.sub(r"^(include|src|tests|benchmarks)/", "", header.relative_to(ROOT).as_posix())
        if name in covered:
            continue
        user = next((source for source in sources if source not in selected and name in includes(source)), None)
        if user:
            selected.append(user)
    return selected


def clang_command(entry: dict) -> dict:
    arguments = [word for word in shlex.split(entry["command"]) if word not in GCC_ONLY]
    compiler = next(i for i, word in enumerate(arguments) if re.search(r"(c\+\+|g\+\+|clang\+\+)[-\d]*$", word))
    return {"directory": entry["directory"], "file": entry["file"], "arguments": arguments[compiler:]}


def content_key(source: Path, command: dict, headers_digest: str) -> str:
    parts = [
        source.read_bytes(),
        (ROOT / ".clang-tidy").read_bytes(),
        json.dumps(command).encode(),
        headers_digest.encode(),
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def check(source: Path, database: Path) -> tuple[Path, int, str]:
    done = subprocess.run(
        ["clang-tidy-14", "--quiet", "-p", database, source], capture_output=True, text=True, check=False
    )
    # stderr holds only the count of suppressed warnings, unless clang-tidy itself failed.
    return source, done.returncode, done.stdout or (done.stderr if done.returncode else "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=Path, help="configured build folder, with compile_commands.json")
    parser.add_argument("--all", action="store_true", help="every source, not only those that changed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()

    entries = json.loads((options.build / "compile_commands.json").read_text(encoding="utf-8"))
    commands = {Path(entry["file"]): clang_command(entry) for entry in entries}
    database = options.build / "tidy"
    (database / "passed").mkdir(parents=True, exist_ok=True)
    (database / "compile_commands.json").write_text(json.dumps(list(commands.values())), encoding="utf-8")

    sources = sorted(path for path in commands if path.is_relative_to(ROOT) and not path.is_relative_to(ROOT / "build"))
    selected = sources if options.all else select_changed(sources, changed_files())
    headers = hashlib.sha256()
    for header in sorted(ROOT.glob("include/**/*.h")) + sorted(ROOT.glob("src/**/*.h")):
        headers.update(header.read_bytes())
    stamps = {s: database / "passed" / content_key(s, commands[s], headers.hexdigest()) for s in selected}
    due = [source for source in selected if not stamps[source].exists()]

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=options.jobs) as pool:
        for source, status, text in pool.map(lambda source: check(source, database), due):
            if status == 0:
                stamps[source].touch()
            else:
                failed += 1
                print(text, file=sys.stderr)
                print(f"clang-tidy: {source.relative_to(ROOT)} failed", file=sys.stderr)
    print(f"clang-tidy: {len(selected)} files, {len(selected) - len(due)} known to pass, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
