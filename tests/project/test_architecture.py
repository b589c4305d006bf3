"""The house rules: a folder is a layer, imports go down only, files are small and named by nouns."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from graphlib import TopologicalSorter
from itertools import combinations
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "scope_async"
FILES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}

# From the ground up: folders, and the few files of the root. Those between two bars do not know each other.
LAYERS = """
    _version errors | _core environment | config credentials | rendering telemetry | http stores
    | auth keys prompts secrets | status | client | sync | __init__ | local | cli pytest_plugin
"""
FLOORS = {name: floor for floor, names in enumerate(LAYERS.split("|")) for name in names.split()}

# If Local Scope shared how the client reads and writes, a mistake there would cancel itself out.
LOCAL_MAY_USE = (
    "local _version errors _core environment config credentials rendering keys.models auth.token "
    "prompts.validation prompts.version"
)

# The same names without `async`, by contract: code changes its import alone.
WITHOUT_ASYNC = {("sync", "ScopeClient"), ("sync", "ApiKeyAdmin")}

MOST_FILES = 14
MOST_LINES = 300
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}


def layer(module: str) -> str:
    """Return the folder or the file of the root that a module belongs to."""
    return f"{module}.__init__".split(".")[1]


def folder(module: str) -> str:
    return str(FILES[module].parent.relative_to(PACKAGE.parent))


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


@cache
def imports(module: str) -> frozenset[str]:
    """Return the project's own modules that a module imports, wherever in the file."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute, so that these rules can be read"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(names & FILES.keys() or {str(node.module)})
    return frozenset(name for name in found if name in FILES)


def test_layers_name_every_folder_and_file_of_the_root() -> None:
    assert FLOORS.keys() == {layer(module) for module in FILES}


@pytest.mark.parametrize("module", sorted(FILES))
def test_imports_go_down_only(module) -> None:
    own = layer(module)
    wrong = {used for used in imports(module) if layer(used) != own and FLOORS[layer(used)] >= FLOORS[own]}
    assert not wrong, f"{module} must not know of {wrong}"


def test_folders_import_each_other_in_one_direction() -> None:
    uses: dict[str, set[str]] = defaultdict(set)
    for module in FILES:
        uses[folder(module)].update(folder(used) for used in imports(module) if used != PACKAGE.name)
    for one, other in combinations(sorted(uses), 2):
        if not other.startswith(f"{one}/"):  # a folder and the rooms inside it are one part
            assert one not in uses[other] or other not in uses[one], f"{one} and {other} use each other"


def test_modules_import_each_other_without_a_circle() -> None:
    TopologicalSorter({module: imports(module) - {PACKAGE.name} for module in FILES}).prepare()


@pytest.mark.parametrize("module", sorted(name for name in FILES if layer(name) == "local"))
def test_local_scope_shares_nothing_with_the_client(module) -> None:
    allowed = tuple(f"{PACKAGE.name}.{name}." for name in LOCAL_MAY_USE.split())
    shared = {used for used in imports(module) if not f"{used}.".startswith(allowed)}
    assert not shared


@pytest.mark.parametrize("module", sorted(FILES))
def test_file_is_a_noun_and_small(module) -> None:
    assert FILES[module].stem not in SAYS_NOTHING
    assert len(FILES[module].read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", sorted({path.parent for path in FILES.values()}), ids=lambda path: path.name)
def test_folder_has_few_files(path) -> None:
    assert len([file for file in path.glob("*.py") if file.stem != "__init__"]) <= MOST_FILES


def test_class_names_are_unique() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for module in FILES:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.ClassDef) and (layer(module), node.name) not in WITHOUT_ASYNC:
                homes[node.name].append(module)
    assert not {name: modules for name, modules in homes.items() if len(modules) > 1}


@pytest.mark.parametrize("module", sorted(name for name in FILES if FLOORS[layer(name)] < FLOORS["local"]))
def test_environment_and_clock_are_read_in_one_module_each(module) -> None:
    for node in ast.walk(tree(module)):
        called = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
        assert called not in {"os.environ", "os.getenv"} or module.endswith(".environment")
        assert not called.startswith("time.") or module.endswith("_core.clock")
        assert called not in {"asyncio.sleep", "anyio.sleep"} or module.endswith("_core.clock")
