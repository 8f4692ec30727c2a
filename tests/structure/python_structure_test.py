"""House rules of the Python package: direction of use between its rooms, no import circles, no copied constants."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "python" / "vcas"

# Room -> the rooms it may use. The root is __init__.py, which puts them together, and what needs no operators.
MAY_USE = {
    "control": set(),
    "attach": {"control"},
    "hugging_face": {"attach", "control"},
}
# Of control, what attached models do not see: who trains them.
TRAINS = {"vcas.control.adaptation", "vcas.control.controller", "vcas.control.sampler"}
WITHOUT_OPERATORS = {"vcas.errors", "vcas._library"}
# The only file that calls the operator of fused blocks; what it is made of, no file knows.
CALLS_OPERATOR = {"attach/fused/operator.py"}
KNOWS_OPERATOR: set[str] = set()
KNOWS_PLAN: set[str] = set()
# transformers.Trainer's own arguments, which it types by Any.
USES_ANY = {"hugging_face/trainer.py"}
# Places of the weights among a block's parameters, and of key and value among its weights.
OPERATOR_CONSTANTS = {(0, 2, 4, 6, 10, 12), (1, 2)}


def modules() -> dict[str, Path]:
    """Files by the name they are imported by."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(tree: ast.AST, known: set[str]) -> set[str]:
    """The package's modules that a file imports, wherever in it, for types alone too."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else node.module)
    return {name for name in found if name == "vcas" or name.startswith("vcas.")}


def room(module: str) -> str | None:
    """The folder of the package that a module is in; None for those of the root."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in MAY_USE else None


def violation(importing: str, imported: str) -> str | None:
    own, other = room(importing), room(imported)
    if importing == "vcas":
        return None
    if other is None:
        allowed = imported in WITHOUT_OPERATORS or (own is None and imported != "vcas")
        return None if allowed else f"{importing} must not use {imported}"
    if own == "attach" and imported in TRAINS:
        return f"{importing} must not use {imported}"
    if own is None or other not in MAY_USE[own] | {own}:
        return f"{importing} may use {sorted(MAY_USE.get(own or '', set()))}, not {imported}"
    apart = {"vcas.attach.fused", "vcas.attach.generic"}
    sides = [next((s for s in apart if name.startswith(s)), None) for name in (importing, imported)]
    return f"{importing} must not use {imported}" if None not in sides and sides[0] != sides[1] else None


def circle(uses: dict[str, set[str]]) -> list[str] | None:
    """A path from a module back to itself, if there is one."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str] | None:
        if name in path:
            return path[path.index(name) :] + [name]
        if name in done:
            return None
        for used in sorted(uses.get(name, set())):
            if found := visit(used, [*path, name]):
                return found
        done.add(name)
        return None

    return next((found for name in sorted(uses) if (found := visit(name, []))), None)


def trees() -> dict[str, ast.Module]:
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def integers(node: ast.AST) -> tuple[int, ...] | None:
    if isinstance(node, ast.Tuple | ast.List | ast.Set) and all(isinstance(e, ast.Constant) for e in node.elts):
        return tuple(e.value for e in node.elts)
    return None


def names_of(tree: ast.AST) -> set[str]:
    """Identifiers and attributes."""
    nodes = list(ast.walk(tree))
    return {n.id for n in nodes if isinstance(n, ast.Name)} | {n.attr for n in nodes if isinstance(n, ast.Attribute)}


def files_that(matches) -> set[str]:
    return {MODULES[name].relative_to(PACKAGE).as_posix() for name, tree in trees().items() if matches(tree)}


def test_every_room_is_known():
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders == set(MAY_USE)


def test_imports_follow_the_direction_of_use():
    found = [
        fault
        for name, tree in trees().items()
        for used in sorted(imports(tree, set(MODULES)))
        if (fault := violation(name, used))
    ]
    assert not found, "\n".join(found)


def test_imports_make_no_circle():
    assert circle({name: imports(tree, set(MODULES)) for name, tree in trees().items()}) is None


def test_how_the_operator_takes_its_parameters_stands_in_no_file():
    assert files_that(lambda tree: OPERATOR_CONSTANTS & {integers(n) for n in ast.walk(tree)}) <= KNOWS_OPERATOR


def test_one_file_calls_the_operator():
    fused = {"transformer_layer", "transformer_layer_flops", "transformer_layer_rows", "transformer_layer_weights"}
    assert files_that(lambda tree: fused & names_of(tree)) <= CALLS_OPERATOR


def test_the_layout_of_a_plan_stands_in_no_file():
    def reads_a_plan(tree: ast.AST) -> bool:
        subscripts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Subscript)]
        return any(getattr(value, "attr", getattr(value, "id", "")) == "plan" for value in subscripts)

    assert files_that(reads_a_plan) <= KNOWS_PLAN


def test_any_stands_only_where_another_package_has_it():
    assert files_that(lambda tree: "Any" in names_of(tree)) <= USES_ANY


@pytest.mark.parametrize(
    ("importing", "imported", "allowed"),
    [
        ("vcas.attach.table", "vcas.control.sampled_model", True),
        ("vcas.hugging_face.trainer", "vcas.attach.attachment", True),
        ("vcas", "vcas.hugging_face.exports", True),
        ("vcas.control.ranks", "vcas.errors", True),
        ("vcas.control.controller", "vcas.attach.attachment", False),
        ("vcas.attach.attachment", "vcas.control.controller", False),
        ("vcas.attach.fused.block", "vcas.attach.generic.rerun", False),
        ("vcas.attach.fused.block", "vcas.attach.checkpointing", True),
        ("vcas.attach.table", "vcas.hugging_face.metrics", False),
        ("vcas.control.ranks", "vcas", False),
        ("vcas.errors", "vcas.control.ranks", False),
    ],
)
def test_the_rule_itself(importing, imported, allowed):
    assert (violation(importing, imported) is None) == allowed


def test_a_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


def test_imports_for_types_and_inside_functions_are_seen():
    tree = ast.parse("def f():\n    from vcas.control import ranks\nif TYPE_CHECKING:\n    import vcas.errors\n")
    assert imports(tree, {"vcas.control.ranks", "vcas.control"}) == {"vcas.control.ranks", "vcas.errors"}


def test_a_program_of_several_processes_ends_its_group():
    """Threads of a group that outlives the interpreter may abort the process at exit."""
    root = PACKAGE.parents[1]
    missing = []
    for path in [*root.glob("examples/*.py"), *root.glob("tests/python/*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if not names_of(tree) & {"Accelerator", "barrier", "init_process_group"}:
            continue
        last = [names_of(n) for t in ast.walk(tree) if isinstance(t, ast.Try) for n in t.finalbody]
        if not any(names & {"end_training", "destroy_process_group"} for names in last):
            missing.append(path.name)
    assert not missing
