"""Django's views, sync and async, under gunicorn's threads: an event loop for every request."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from scope_async.local import LocalScope
from tests.fakes.cli import clean_environment

pytest.importorskip("gunicorn")
pytest.importorskip("django")

THREADS = 8


@pytest.fixture
async def local() -> AsyncIterator[LocalScope]:
    async with LocalScope(token_ttl=2) as scope:
        await scope.add_prompt("greeting", "Hello!")
        yield scope


@pytest.fixture
async def service(local: LocalScope) -> AsyncIterator[str]:
    """Return the URL of the project of `tests.fakes.django_app` under gunicorn."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        variables = clean_environment(
            SCOPE_ORG_ID=local.org_id,
            SCOPE_API_KEY=local.credentials.api_key,
            SCOPE_API_SECRET=local.credentials.api_secret,
            SCOPE_API_URL=local.url,
            SCOPE_AUTH_API_URL=local.url,
            SCOPE_TOKEN_REFRESH_BUFFER="1",
            SCOPE_LOG="error",
            PYTHONWARNINGS="ignore",  # gunicorn has some of its own
        )
        arguments = f"-k gthread --threads {THREADS} -w 1 -b fd://{listener.fileno()} --log-level error"
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "gunicorn", *arguments.split(), "tests.fakes.django_app:application"),
            env=variables,
            cwd=Path(__file__).parents[3],
            pass_fds=[listener.fileno()],
            stderr=PIPE,
        )
        yield "http://{}:{}".format(*listener.getsockname())
        process.send_signal(signal.SIGTERM)
        _, complaints = await process.communicate()
        assert complaints.decode() == ""


async def test_views_under_gunicorn_threads_fail_no_request(local: LocalScope, service: str) -> None:
    answers: Counter[tuple[int, str]] = Counter()
    async with aiohttp.ClientSession(service) as session:

        async def request(path: str) -> None:
            async with session.get(path) as response:
                answers[response.status, await response.text()] += 1

        await request("/sync")  # when the worker has started
        local.faults.latency("any", (0.01, 0.1))
        deadline = time.monotonic() + 3.0

        async def load(path: str) -> None:
            while time.monotonic() < deadline:
                await request(path)

        await asyncio.gather(*map(load, ["/sync", "/async", "/uncached"] * 4))
    assert set(answers) == {(200, "Hello!")}
    # An exchange about every second, and one more for a loop that ended in the middle of one.
    assert local.journal.count("exchange") <= 10
