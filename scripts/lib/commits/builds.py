"""Builds of two commits side by side: the present tree, and an earlier commit in a git worktree of its own."""

import dataclasses
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# Worktrees, builds and runs.
CACHE = ROOT / "build" / "compare"


@dataclasses.dataclass(frozen=True)
class Build:
    """A source tree and the folder it is built in."""

    tree: Path
    folder: Path

    @property
    def program(self) -> Path:
        return self.folder / "vcas"

    @property
    def library(self) -> Path:
        return self.folder / "libvcas.so"

    def digest(self) -> str:
        """Of what runs: program, library and Python package."""
        files = [self.program, self.library, *sorted((self.tree / "python" / "vcas").rglob("*.py"))]
        return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()

    def describe(self) -> str:
        commit = git("log", "-1", "--format=%h %s", tree=self.tree)
        changed = git("status", "--porcelain", "--untracked-files=no", tree=self.tree)
        return commit + (", with changes that are not committed" if changed else "")


def git(*arguments: str, tree: Path = ROOT) -> str:
    done = subprocess.run(["git", "-C", str(tree), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def existing_build(folder: Path) -> Build:
    """A build folder, whose source tree its CMakeCache.txt names.

    Raises:
        SystemExit: for a folder that holds no finished build.
    """
    folder = folder.resolve()
    cache = folder / "CMakeCache.txt"
    home = re.search(r"^CMAKE_HOME_DIRECTORY:INTERNAL=(.+)$", cache.read_text(), re.M) if cache.exists() else None
    if home is None:
        raise SystemExit(f"{folder}: expected a build folder of CMake, found no CMakeCache.txt")
    build = Build(Path(home[1]), folder)
    if missing := [path for path in (build.program, build.library) if not path.exists()]:
        raise SystemExit(f"{missing[0]} is missing. Build it:\n  cmake --build {folder} --target vcas_cli")
    return build


def build_tree(tree: Path, targets: tuple[str, ...], jobs: int, flags: tuple[str, ...] = ()) -> Build:
    """Builds the release preset of a tree, as far as it is not built."""
    folder = tree / "build" / "release"
    configure = ["cmake", "--preset", "release", "--log-level=WARNING", *flags]
    run(configure, cwd=tree, stdout=subprocess.DEVNULL)
    run(["cmake", "--build", str(folder), "-j", str(jobs), "--target", *targets], cwd=tree, stdout=sys.stderr)
    return existing_build(folder)


def build_commit(commit: str, targets: tuple[str, ...], jobs: int, flags: tuple[str, ...] = ()) -> Build:
    """Builds a commit in a worktree, which stays for later calls."""
    name = hash_of(commit)
    tree = CACHE / name[:12]
    if not (tree / "CMakeLists.txt").exists():
        # --force: of a worktree whose folder was deleted, git still holds the name.
        git("worktree", "add", "--force", "--detach", str(tree), name)
    if not (tree / ".venv").exists():
        (tree / ".venv").symlink_to(ROOT / ".venv")
    return build_tree(tree, targets, jobs, ("-D", "VCAS_BUILD_TESTS=OFF", *flags))


def hash_of(commit: str) -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"--before: expected a commit, got '{commit}'")
    return done.stdout.strip()


def run(command: list[str], **options: object) -> None:
    if subprocess.run(command, **options).returncode:
        raise SystemExit(f"failed: {' '.join(command)}")


def default_jobs() -> int:
    """Every core, but at least 2 GiB of memory for each."""
    by_memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**31
    return max(1, min(os.cpu_count() or 1, by_memory))


def two_builds(before: str | Path, after: Path | None, jobs: int, with_benchmarks: bool) -> tuple[Build, Build]:
    """The builds to compare.

    Args:
        before: a commit, built here; or the folder of a build.
        after: the folder of a build; None: the present tree, built here.
    """
    targets = ("vcas_cli", "training_steps") if with_benchmarks else ("vcas_cli",)
    flags = ("-D", "VCAS_BUILD_BENCHMARKS=ON") if with_benchmarks else ()
    earlier = existing_build(before) if isinstance(before, Path) else build_commit(before, targets, jobs, flags)
    later = existing_build(after) if after else build_tree(ROOT, targets, jobs, flags)
    return earlier, later
