"""pytest fixtures: a Local Scope on a thread of its own, and a client of it on the test's event loop.

Registered under `pytest11`, so installing the package is enough. Local Scope is imported and
started only if a test uses one of the fixtures.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from contextlib import contextmanager
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any
from unittest import TestCase

import pytest

if TYPE_CHECKING:
    from scope_async import ScopeClient
    from scope_async._core.clock import FakeClock
    from scope_async.local import ThreadedLocalScope
    from scope_async.local.faults.registry import Faults

_asyncio_fixture: Any
try:
    from pytest_asyncio import fixture as _asyncio_fixture
except ImportError:  # anyio's own plugin is enough
    _asyncio_fixture = None

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


@pytest.fixture(scope="session")
def scope_session_prompts() -> Mapping[str, Any]:
    """The prompts of `local_scope_session`, name to content; override it with your own."""
    return {}


@pytest.fixture
def local_scope(
    request: pytest.FixtureRequest, scope_prompts: Mapping[str, Any]
) -> Iterator[ThreadedLocalScope]:
    """A Local Scope for this test, on a free port: safe under pytest-xdist.

    It serves on a thread of its own, so the test may be synchronous, or run on any event loop.
    Where an event loop runs, its methods are awaited.
    """
    options = {name: value for name, value in _marked(request).items() if name not in ("strict", "client")}
    with _serving({"prompts": scope_prompts or None, **options}) as local, _strictly(request, local):
        yield local


@pytest.fixture(scope="session")
def _scope_session(scope_session_prompts: Mapping[str, Any]) -> Iterator[ThreadedLocalScope]:
    with _serving({"prompts": scope_session_prompts or None}) as local:
        yield local


@pytest.fixture(scope="session")
def local_scope_session(
    request: pytest.FixtureRequest, _scope_session: ThreadedLocalScope
) -> ThreadedLocalScope:
    """One Local Scope for the session (of each worker of pytest-xdist), for fixtures of any scope.

    After each test that uses it, it returns to `scope_session_prompts` and its first API key.
    """
    request.config.stash[_SESSION] = _scope_session
    return _scope_session


_SESSION = pytest.StashKey["ThreadedLocalScope"]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """Reset the session's Local Scope after the test's own fixtures are torn down."""
    local = item.config.stash.get(_SESSION, None)
    is_used = "local_scope_session" in getattr(item, "fixturenames", ())
    try:
        return (yield)
    finally:
        if local is not None and is_used and local.thread.is_open:
            local.reset()


@pytest.fixture
def scope_client(request: pytest.FixtureRequest) -> ScopeClient:
    """An open client of `local_scope` on the test's event loop; both use `scope_clock`."""
    client: ScopeClient = request.getfixturevalue(_client_fixture(request))
    return client


@pytest.fixture
def scope_faults(local_scope: ThreadedLocalScope) -> Faults:
    """The faults of `local_scope`, which make requests fail."""
    return local_scope.faults


@pytest.fixture
def scope_clock(local_scope: ThreadedLocalScope) -> FakeClock:
    """The clock of `local_scope` and `scope_client`: `scope_clock.advance(3600)` moves it by an hour."""
    return local_scope.clock


@contextmanager
def _serving(options: Mapping[str, Any]) -> Iterator[ThreadedLocalScope]:
    from scope_async.local import LocalScope  # noqa: PLC0415 - only if a test uses it

    with LocalScope(**options) as local:
        yield local


@contextmanager
def _strictly(request: pytest.FixtureRequest, local: ThreadedLocalScope) -> Iterator[None]:
    yield
    if _marked(request).get("strict", False) and local.journal.unexpected:
        calls = ", ".join(f"{entry.method} {entry.path}" for entry in local.journal.unexpected)
        pytest.fail(f"unexpected requests to Local Scope: {calls}")


async def _connect(
    request: pytest.FixtureRequest, local_scope: ThreadedLocalScope
) -> AsyncIterator[ScopeClient]:
    from scope_async import ScopeClient  # noqa: PLC0415 - as above

    addresses = {"base_url": local_scope.url, "auth_api_url": local_scope.url}
    options = {**addresses, **_marked(request).get("client", {})}
    async with ScopeClient(local_scope.credentials, clock=local_scope.clock, **options) as client:
        yield client


def _asyncio_client(loop_scope: str) -> Any:
    """Return a fixture that opens the client on the event loop of this scope."""

    # A function of its own, because pytest-asyncio notes the scope on the function.
    async def connect(
        request: pytest.FixtureRequest, local_scope: ThreadedLocalScope
    ) -> AsyncIterator[ScopeClient]:
        async for client in _connect(request, local_scope):
            yield client

    return _asyncio_fixture(connect, name=f"_scope_client_asyncio_{loop_scope}", loop_scope=loop_scope)


if _asyncio_fixture is not None:
    _in_function = _asyncio_client("function")
    _in_class = _asyncio_client("class")
    _in_module = _asyncio_client("module")
    _in_package = _asyncio_client("package")
    _in_session = _asyncio_client("session")


@pytest.fixture
async def _scope_client_anyio(
    request: pytest.FixtureRequest, local_scope: ThreadedLocalScope
) -> AsyncIterator[ScopeClient]:
    async for client in _connect(request, local_scope):
        yield client


def _marked(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the options of the test's markers; the closest marker wins."""
    options: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers(_MARKER))):
        options.update(marker.kwargs)
    return options


def _client_fixture(request: pytest.FixtureRequest) -> str:
    """Return the name of the fixture that opens a client on the event loop of the test."""
    function = getattr(request.node, "obj", None)
    # A hypothesis test wraps the coroutine function.
    inner = getattr(getattr(function, "hypothesis", None), "inner_test", function)
    if not iscoroutinefunction(inner):
        raise _no_loop(request, "needs an event loop: make the test `async def`, or use `local_scope` alone")
    if isinstance(request.instance, TestCase):
        raise _no_loop(request, "cannot reach the loop of unittest: open a ScopeClient in asyncSetUp instead")
    if (loop_scope := _asyncio_loop_scope(request)) is not None:
        return f"_scope_client_asyncio_{loop_scope}"
    if "anyio_backend" in request.fixturenames:
        backend = request.getfixturevalue("anyio_backend")
        if (backend if isinstance(backend, str) else backend[0]) != "asyncio":
            pytest.skip("scope-async runs on asyncio")
        return "_scope_client_anyio"
    raise _no_loop(
        request, "needs an event loop: mark the test with pytest.mark.asyncio or pytest.mark.anyio"
    )


def _asyncio_loop_scope(request: pytest.FixtureRequest) -> str | None:
    """Return the loop scope that pytest-asyncio runs the test in; None if it leaves the test alone."""
    config = request.config
    if _asyncio_fixture is None or not config.pluginmanager.hasplugin("asyncio"):
        return None
    marker = request.node.get_closest_marker("asyncio")
    mode = config.getoption("asyncio_mode", None) or config.getini("asyncio_mode")
    if marker is None and getattr(mode, "value", mode) != "auto":
        return None
    chosen = {} if marker is None else marker.kwargs
    default = config.getini("asyncio_default_test_loop_scope") or "function"
    return str(chosen.get("loop_scope") or chosen.get("scope") or default)


def _no_loop(request: pytest.FixtureRequest, why: str) -> BaseException:
    return pytest.fail.Exception(f"scope_client of {request.node.name} {why}", pytrace=False)
