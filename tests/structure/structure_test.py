"""The house rules that a compiler does not check: direction of use, mirrored headers, size of files."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Folder -> the folders it may use. What those use comes with them.
MAY_USE = {
    "formats": set(),
    "sampling": set(),
    "control": {"sampling"},
    "ops": {"sampling"},
    "nn": {"ops", "formats"},
    "text": {"formats"},
    "models": {"nn", "text"},
    "data": {"formats", "text"},
    "training/loop": {"control", "nn", "data"},
    "training/methods": {"training/loop"},
    "training/run": {"training/methods"},
    "tasks": {"training/run", "models"},
    "report": {"formats"},
    "cli": {"tasks", "report"},
    "bindings": {"control", "ops"},
}
# Headers of a folder that folders below its rooms may use as well.
ROOMS = {folder.partition("/")[0] for folder in MAY_USE if "/" in folder}
WITHOUT_TORCH = {"formats", "text", "data", "report"}
MAX_LINES = 400


def closure(folder: str) -> set[str]:
    reached = {folder}
    for used in MAY_USE[folder]:
        reached |= closure(used)
    return reached


def project_files() -> list[Path]:
    command = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def sources() -> list[Path]:
    return [path for path in project_files() if path.suffix in (".cpp", ".h") and folder_of(path)]


def folder_of(path: Path) -> str | None:
    """The folder of src or include/vcas that a file belongs to; None for the files beside the folders."""
    match = re.match(r"(?:src|include/vcas)/(.+)/[^/]+", path.relative_to(ROOT).as_posix())
    return room_of(match[1]) if match else None


def room_of(place: str) -> str:
    """The folder of the map that holds a place such as "ops/kernels" or "training/loop"."""
    first, _, rest = place.partition("/")
    return "/".join([first, *rest.split("/")[:1]]) if first in ROOMS else first


def includes_of(text: str) -> list[str]:
    return re.findall(r'^\s*#\s*include\s+[<"]([^">]+)[">]', text, re.MULTILINE)


def included_folder(include: str, including: str) -> str | None:
    """The project's folder that an #include of a file in `including` reaches, if any."""
    place, _, name = include.removeprefix("vcas/").rpartition("/")
    if place and room_of(place) in MAY_USE:
        return room_of(place)
    return including if not place and (ROOT / "src" / including / name).exists() else None


def violation(including: str, include: str) -> str | None:
    if including in WITHOUT_TORCH and re.match(r"(torch|ATen|c10)/", include):
        return f"{including} must not use PyTorch"
    reached = included_folder(include, including)
    if reached and reached not in closure(including):
        return f"{including} may use {sorted(closure(including) - {including}) or 'no other folder'}, not {reached}"
    return None


def test_every_folder_is_known():
    assert {folder_of(path) for path in sources()} <= set(MAY_USE), "add the new folder to MAY_USE and to the map"


def test_includes_follow_the_direction_of_use():
    found = [
        f"{path.relative_to(ROOT)}: #include {include}: {fault}"
        for path in sources()
        for include in includes_of(path.read_text(encoding="utf-8"))
        if (fault := violation(folder_of(path), include))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("including", "include", "allowed"),
    [
        ("training/loop", "vcas/sampling/plan.h", True),
        ("training/loop", "training/run/run.h", False),
        ("training/methods", "vcas/training/loop/method.h", True),
        ("training/run", "vcas/models/bert.h", False),
        ("training/loop", "vcas/text/tokenizer.h", True),
        ("tasks", "vcas/models/bert.h", True),
        ("control", "vcas/nn/pass.h", False),
        ("report", "vcas/training/loop/evaluation.h", False),
        ("ops", "sampling/draw.h", True),
        ("ops", "ops/packed_rows.h", True),
        ("sampling", "vcas/ops/linear.h", False),
        ("ops", "vcas/control/controller.h", False),
        ("control", "vcas/models/bert.h", False),
        ("models", "vcas/data/text_batch.h", False),
        ("models", "vcas/text/tokenizer.h", True),
        ("data", "text/wordpiece.h", True),
        ("data", "ATen/core/Tensor.h", False),
        ("formats", "torch/types.h", False),
    ],
)
def test_the_rule_itself(including, include, allowed):
    assert (violation(including, include) is None) == allowed


def test_public_headers_mirror_src():
    public = {folder_of(path) for path in sources() if path.is_relative_to(ROOT / "include")}
    missing = sorted(folder for folder in public if not (ROOT / "src" / folder).is_dir())
    assert not missing, f"include/vcas has folders that src has not: {missing}"


def stable_headers() -> set[str]:
    """The headers that are installed, as they are included: "vcas/nn/pass.h"."""
    text = (ROOT / "cmake" / "VcasInstall.cmake").read_text(encoding="utf-8")
    return {f"vcas/{name}" for name in re.search(r"set\(VCAS_PUBLIC_HEADERS([^)]+)\)", text)[1].split()}


def test_include_holds_the_stable_headers_alone():
    include = ROOT / "include"
    held = {path.relative_to(include).as_posix() for path in project_files() if path.is_relative_to(include)}
    assert held == stable_headers(), "a header that is not in VCAS_PUBLIC_HEADERS belongs to src"


def unstable_includes(paths) -> list[str]:
    """What files include of the project that is not installed."""
    stable = stable_headers()
    return [
        f"{path.relative_to(ROOT)}: #include {include}"
        for path in paths
        for include in includes_of(path.read_text(encoding="utf-8"))
        if (include.startswith("vcas/") or included_folder(include, "")) and include not in stable
    ]


def test_a_stable_header_includes_only_stable_headers():
    found = unstable_includes(ROOT / "include" / header for header in sorted(stable_headers()))
    assert not found, "add it to VCAS_PUBLIC_HEADERS, or do without it:\n" + "\n".join(found)


def test_examples_include_only_stable_headers():
    found = unstable_includes((ROOT / "examples").rglob("*.cpp"))
    assert not found, "\n".join(found)


def test_a_test_lies_where_its_source_lies():
    names = [path.relative_to(ROOT).as_posix() for path in project_files()]
    folders = {room_of(match[1]) for name in names if (match := re.fullmatch(r"tests/(.+)/\w+_test\.cpp", name))}
    assert folders <= set(MAY_USE), f"tests/ mirrors src/; no folder of src: {sorted(folders - set(MAY_USE))}"


def test_headers_are_guarded_once():
    headers = {path: path.read_text(encoding="utf-8") for path in project_files() if path.suffix == ".h"}
    # Headers that Highway reads once a target are read many times on purpose.
    bare = [path for path, text in headers.items() if "#pragma once" not in text and "HWY_" not in text]
    assert not bare, [str(path.relative_to(ROOT)) for path in bare]


def test_files_stay_small():
    checked = [path for path in project_files() if path.suffix in (".cpp", ".h", ".py", ".cmake")]
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in checked}
    found = [f"{path.relative_to(ROOT)}: {lines} lines" for path, lines in lengths.items() if lines > MAX_LINES]
    assert not found, f"longer than {MAX_LINES} lines, two things by now:\n" + "\n".join(found)


def test_nothing_unfinished_is_left():
    words = re.compile(r"\b(TODO|FIXME|XXX)\b")
    suffixes = (".cpp", ".h", ".cmake", ".md", ".sh", ".txt")
    checked = [path for path in project_files() if path.suffix in suffixes]
    found = [path.relative_to(ROOT) for path in checked if words.search(path.read_text(encoding="utf-8"))]
    assert not found, f"finish it or file it: {list(map(str, found))}"


def test_no_path_of_a_developers_machine_is_named():
    word = re.compile(r"(?<![\w.$}\-/])/(?:work|farm|root|home/\w+|tmp/\w+)/|\bissues show\b")
    found = []
    for path in project_files():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        if path != Path(__file__).resolve():
            places = [number for number, line in enumerate(lines, 1) if word.search(line)]
            found += [f"{path.relative_to(ROOT)}:{number}" for number in places]
    assert not found, "\n".join(found)
