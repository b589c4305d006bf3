from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from scope_async.sync import ScopeClient
from tests.fakes.cli import clean_environment
from tests.fakes.threaded_scope import ThreadedScope, threaded_scope


@pytest.fixture
def server() -> Iterator[ThreadedScope]:
    """A Local Scope with the prompt `greeting`."""
    with threaded_scope() as serving:
        yield serving


@pytest.fixture
def new_client(server) -> Iterator[Callable[..., ScopeClient]]:
    """Make clients of `server` that are closed at the end."""
    with ExitStack() as stack:

        def make(**options: Any) -> ScopeClient:
            client = ScopeClient(server.local.credentials, **{**server.addresses, **options})
            stack.callback(client.close)
            return client

        yield make


@pytest.fixture
def environment(server) -> dict[str, str]:
    """The variables of a process that uses `server`."""
    return clean_environment(**server.variables)
