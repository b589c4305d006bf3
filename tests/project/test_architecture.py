"""The house rules, in the project's words: imports go down only, files are small and named by nouns."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "scope_async"
FILES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}

# From the ground up. A module belongs where its longest prefix is named.
DATA = "keys.models auth.token rendering prompts.validation prompts.version"
LAYERS = [
    "_version errors",
    "_core telemetry.events",
    f"config credentials {DATA}",
    (
        "http.messages http.decoding http.token_provider http.failures http.instrumentation http.proxies "
        "http.session telemetry.dispatcher telemetry.logging_hook"
    ),
    "http.transport",
    "auth",
    "prompts keys",
    "client",
    "cli local pytest_plugin telemetry",
]
FLOOR = {f"scope_async.{name}": floor for floor, names in enumerate(LAYERS) for name in names.split()}
EDGES = LAYERS.index(LAYERS[-1])
FLOOR["scope_async"] = EDGES  # names what is below; the edges may use the names

# If Local Scope shared how the client reads and writes, a mistake there would cancel itself out.
LOCAL_MAY_USE = f"_version errors _core config credentials local {DATA}".split()


def floor(module: str) -> int:
    while module not in FLOOR:
        module = module.rpartition(".")[0]
    return FLOOR[module]


def imports(path: Path) -> set[str]:
    """Return the project's own modules that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute, so that these rules can be read"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(names & FILES.keys() or {str(node.module)})
    return {name for name in found if name.split(".")[0] == PACKAGE.name}


@pytest.mark.parametrize("module", sorted(FILES))
def test_imports_go_down_only(module) -> None:
    up = {used for used in imports(FILES[module]) if floor(used) > floor(module)}
    assert not up, f"{module} must not know of {up}"


@pytest.mark.parametrize("module", sorted(name for name in FILES if name.startswith("scope_async.local")))
def test_local_scope_shares_nothing_with_the_client(module) -> None:
    allowed = tuple(f"scope_async.{name}" for name in LOCAL_MAY_USE)
    shared = {
        used for used in imports(FILES[module]) if not f"{used}.".startswith(tuple(f"{a}." for a in allowed))
    }
    assert not shared


@pytest.mark.parametrize("module", sorted(FILES))
def test_a_file_is_a_noun_and_small(module) -> None:
    assert FILES[module].stem not in {
        "utils",
        "util",
        "helpers",
        "helper",
        "common",
        "base",
        "manager",
        "misc",
    }
    assert len(FILES[module].read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("module", sorted(name for name in FILES if floor(name) < EDGES))
def test_one_module_reads_the_environment_and_one_the_clock(module) -> None:
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        called = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
        assert called not in {"os.environ", "os.getenv"} or module.endswith(".config")
        assert not called.startswith("time.") or module.endswith("_core.clock")
        assert called not in {"asyncio.sleep", "anyio.sleep"} or module.endswith("_core.clock")


def test_every_layer_still_exists() -> None:
    gone = {name for name in FLOOR if name not in FILES} - {"scope_async.pytest_plugin"}
    assert not gone, f"named here, gone from the tree: {gone}"
