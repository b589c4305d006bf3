"""pytest fixtures: a Local Scope for each test, and a client of it.

Registered under `pytest11`, so installing the package is enough. Local Scope is imported and
started only if a test uses one of the fixtures.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from scope_async import ScopeClient
    from scope_async._core.clock import FakeClock
    from scope_async.local import LocalScope
    from scope_async.local.faults.registry import Faults

_asyncio_fixture: Any
try:
    from pytest_asyncio import fixture as _asyncio_fixture
except ImportError:  # anyio's own plugin is enough
    _asyncio_fixture = pytest.fixture

_MARKER = "scope"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(strict=False, client={{}}, **options): options of the test's `local_scope` "
        "(such as token_ttl) and of its `scope_client`; strict fails the test on a request "
        "for which nothing was prepared.",
    )


@pytest.fixture
def scope_prompts() -> Mapping[str, Any]:
    """The prompts that `local_scope` starts with, name to content; override it with your own."""
    return {}


@pytest.fixture
def local_scope(request: pytest.FixtureRequest) -> Iterator[LocalScope]:
    """A Local Scope for this test, on a free port: safe under pytest-xdist."""
    strict = _marked(request).get("strict", False)
    local: LocalScope = _on_the_tests_loop(request, "local")
    yield local
    if strict and local.journal.unexpected:
        calls = ", ".join(f"{entry.method} {entry.path}" for entry in local.journal.unexpected)
        pytest.fail(f"unexpected requests to Local Scope: {calls}")


@pytest.fixture
def scope_client(request: pytest.FixtureRequest) -> ScopeClient:
    """An open client of `local_scope`; both use `scope_clock`."""
    client: ScopeClient = _on_the_tests_loop(request, "client")
    return client


@pytest.fixture
def scope_faults(local_scope: LocalScope) -> Faults:
    """The faults of `local_scope`, which make requests fail."""
    return local_scope.faults


@pytest.fixture
def scope_clock(local_scope: LocalScope) -> FakeClock:
    """The clock of `local_scope` and `scope_client`: `scope_clock.advance(3600)` moves it by an hour."""
    return local_scope.clock


async def _serve(
    request: pytest.FixtureRequest, scope_prompts: Mapping[str, Any]
) -> AsyncIterator[LocalScope]:
    from scope_async.local import LocalScope  # noqa: PLC0415 - only if a test uses it

    options = {name: value for name, value in _marked(request).items() if name not in ("strict", "client")}
    async with LocalScope(**{"prompts": scope_prompts or None, **options}) as local:
        yield local


async def _connect(request: pytest.FixtureRequest, local_scope: LocalScope) -> AsyncIterator[ScopeClient]:
    from scope_async import ScopeClient  # noqa: PLC0415 - as above

    addresses = {"base_url": local_scope.url, "auth_api_url": local_scope.url}
    options = {**addresses, **_marked(request).get("client", {})}
    async with ScopeClient(local_scope.credentials, clock=local_scope.clock, **options) as client:
        yield client


# The same two generators for each plugin that may run the test's event loop, because a server
# or client can be used only on the loop that opened it.
_scope_local_asyncio = _asyncio_fixture(_serve, name="_scope_local_asyncio")
_scope_client_asyncio = _asyncio_fixture(_connect, name="_scope_client_asyncio")


@pytest.fixture
async def _scope_local_anyio(
    request: pytest.FixtureRequest, scope_prompts: Mapping[str, Any]
) -> AsyncIterator[LocalScope]:
    async for local in _serve(request, scope_prompts):
        yield local


@pytest.fixture
async def _scope_client_anyio(
    request: pytest.FixtureRequest, local_scope: LocalScope
) -> AsyncIterator[ScopeClient]:
    async for client in _connect(request, local_scope):
        yield client


def _marked(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the options of the test's markers; the closest marker wins."""
    options: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers(_MARKER))):
        options.update(marker.kwargs)
    return options


def _on_the_tests_loop(request: pytest.FixtureRequest, what: str) -> Any:
    function = getattr(request.node, "obj", None)
    # A hypothesis test wraps the coroutine function.
    inner = getattr(getattr(function, "hypothesis", None), "inner_test", function)
    if not iscoroutinefunction(inner):
        pytest.fail(
            f"{request.node.name} uses Local Scope, which runs on the test's own event loop: make it "
            "`async def`, or run `scope-async serve` beside it",
            pytrace=False,
        )
    return request.getfixturevalue(f"_scope_{what}_{_loop_owner(request)}")


def _loop_owner(request: pytest.FixtureRequest) -> str:
    config = request.config
    if config.pluginmanager.hasplugin("asyncio"):
        mode = config.getoption("asyncio_mode", None) or config.getini("asyncio_mode")
        if str(mode) == "auto":
            return "asyncio"
    if "anyio_backend" in request.fixturenames:
        backend = request.getfixturevalue("anyio_backend")
        if (backend if isinstance(backend, str) else backend[0]) != "asyncio":
            pytest.skip("scope-async runs on asyncio")
        return "anyio"
    return "asyncio"
