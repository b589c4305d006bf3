from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import scope_async

DOCS = Path(__file__).parents[2] / "docs"
PAGES = "\n".join(path.read_text(encoding="utf-8") for path in DOCS.glob("*.md"))
REFERENCE = "\n".join(path.read_text(encoding="utf-8") for path in DOCS.glob("reference/*.md"))

# Contract 2, in its order.
NAMES = {
    *("ScopeClient", "ClientStatus", "Config"),
    *("ApiKeyCredentials", "CredentialProvider", "EnvCredentials", "FileCredentials", "ChainCredentials"),
    "ClientCredentials",
    *("TokenSource", "AccessToken", "TokenStatus", "BearerAuth"),
    "PromptVersion",
    *("ScopeError", "ConfigurationError", "MissingApiKeyError", "ApiError", "AuthenticationError"),
    *("TokenRefreshError", "InvalidCredentialsError", "AuthorizationError", "NotFoundError"),
    *("NoProductionVersionError", "ConflictError", "RateLimitError", "ServerError"),
    *("ConnectionError", "TimeoutError", "ResourceError", "ValidationError", "RenderError"),
    *("MissingVariableError", "ClientClosedError"),
    *("ApiKeyAdmin", "ApiKey", "KeyEvent", "NewApiKey"),
}


def test_all_has_the_names_of_the_contract() -> None:
    assert set(scope_async.__all__) - {"__version__"} == NAMES
    assert len(scope_async.__all__) == len(set(scope_async.__all__))


def test_type_checkers_read_the_names_that_are_imported_lazily() -> None:
    (block,) = [node for node in ast.parse(inspect.getsource(scope_async)).body if isinstance(node, ast.If)]
    homes = {
        alias.asname: str(node.module).removeprefix("scope_async.")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert homes == scope_async._HOMES


def test_package_has_no_other_public_names() -> None:
    found = {
        name
        for name, value in vars(scope_async).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert found - {"TYPE_CHECKING"} <= NAMES
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = scope_async.Nonsense


@pytest.mark.parametrize("name", sorted(NAMES))
def test_public_name_has_a_docstring_and_is_documented(name) -> None:
    value = getattr(scope_async, name)
    assert inspect.getdoc(value)
    assert re.search(rf"\b{name}\b", PAGES), f"no page of docs/ says what {name} is"
    assert f"\n::: scope_async.{name}\n" in REFERENCE, f"docs/reference has no {name}"


@pytest.mark.parametrize(
    ("kind", "signature"),
    [
        (scope_async.ScopeClient.get_prompt_version, "name label version cache cache_ttl fallback"),
        (scope_async.ScopeClient.render_prompt, "name variables label version cache cache_ttl fallback"),
        (scope_async.ScopeClient.get_prompt_versions, "names label"),
        (scope_async.ScopeClient.prefetch, "names"),
        (scope_async.ScopeClient.invalidate, "name"),
        (scope_async.ScopeClient.clear_cache, ""),
        (scope_async.ScopeClient.ping, ""),
        (scope_async.ScopeClient.start, ""),
        (scope_async.ScopeClient.aclose, ""),
        (scope_async.TokenSource.peek, ""),
        (scope_async.TokenSource.get, ""),
        (scope_async.TokenSource.invalidate, "token"),
        (scope_async.TokenSource.status, ""),
        (scope_async.AccessToken.expires_in, ""),
        (scope_async.PromptVersion.get_metadata, "key default"),
    ],
    ids=lambda value: getattr(value, "__qualname__", None),
)
def test_method_has_the_parameters_of_the_contract(kind, signature) -> None:
    assert [name for name in inspect.signature(kind).parameters if name != "self"] == signature.split()


def test_scope_client_has_the_parameters_of_the_contract() -> None:
    parameters = inspect.signature(scope_async.ScopeClient).parameters
    assert " ".join(parameters) == "credentials config session hooks clock exchange store options"


@pytest.mark.parametrize("name", sorted(NAMES))
def test_public_name_has_a_module_of_the_package(name) -> None:
    # What a traceback, a pickle and a documentation tool show.
    assert getattr(scope_async, name).__module__.startswith("scope_async")


def test_import_loads_no_extra() -> None:
    extras = (
        "aiosqlite cryptography fastapi hypothesis jinja2 opentelemetry pydantic pytest rich sqlite3 typer "
        "scope_async.cli scope_async.local scope_async.telemetry.otel scope_async.stores.client_store"
    )
    script = f"import sys, scope_async; print(*[name for name in {extras.split()!r} if name in sys.modules])"
    # A measured process has loaded sqlite3 for coverage already.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_public_names_import_without_the_extras() -> None:
    # Also what only the extras need must not be imported on the way to a public name.
    script = """
import sys
for name in ("aiosqlite", "jinja2", "opentelemetry", "rich", "typer"):
    sys.modules[name] = None
import scope_async
for name in scope_async.__all__:
    getattr(scope_async, name)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_local_scope_names_the_extra_to_install() -> None:
    script = "import sys; sys.modules['aiosqlite'] = None; import scope_async.local"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "pip install 'scope-async[local]'" in done.stderr.splitlines()[-1]
