from __future__ import annotations

import asyncio
import os
from unittest.mock import Mock

import aiohttp
import pytest

from scope_async.errors import ClientClosedError, ConfigurationError
from scope_async.http.session import SessionProvider

HEADERS = {"Accept": "application/json"}


def provider(session: aiohttp.ClientSession | None = None) -> SessionProvider:
    return SessionProvider(limit=3, session=session, headers=HEADERS)


async def test_current_opens_one_session_with_a_permit_for_each_connection() -> None:
    sessions = provider()
    bound = sessions.current()
    assert sessions.current() is bound
    assert [bound.semaphore.acquire_nowait() for _ in range(4)] == [True, True, True, False]
    assert bound.session.headers["Accept"] == HEADERS["Accept"]
    await sessions.aclose()
    assert bound.session.closed


async def test_current_opens_another_session_when_the_last_one_was_closed_from_outside() -> None:
    sessions = provider()
    first = sessions.current()
    await first.session.close()
    assert sessions.current() is not first
    await sessions.aclose()


async def test_current_fails_after_aclose_until_open() -> None:
    sessions = provider()
    await sessions.aclose()
    with pytest.raises(ClientClosedError):
        sessions.current()
    sessions.open()
    assert not sessions.current().session.closed
    await sessions.aclose()


async def test_current_binds_a_given_session_without_proxies_and_aclose_leaves_it_open(monkeypatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    async with aiohttp.ClientSession() as given:
        sessions = provider(given)
        bound = sessions.current()
        assert (bound.session, bound.is_given, bound.proxies) == (given, True, None)
        await sessions.aclose()
        assert not given.closed


async def test_current_refuses_a_given_session_of_another_event_loop() -> None:
    async with aiohttp.ClientSession() as given:
        sessions = provider(given)

        async def current() -> None:
            sessions.current()

        with pytest.raises(ConfigurationError, match="belongs to another event loop"):
            await asyncio.to_thread(asyncio.run, current())
        assert sessions.current().session is given


async def test_current_opens_a_new_session_in_a_forked_child_and_leaves_the_parents_open(monkeypatch) -> None:
    sessions = provider()
    parents = sessions.current()
    monkeypatch.setattr(os, "getpid", Mock(return_value=os.getpid() + 1))
    assert not parents.is_current()
    childs = sessions.current()
    assert childs.is_current()
    assert not parents.session.closed
    await sessions.aclose()
    assert childs.session.closed
    await parents.session.close()


async def test_bound_session_is_not_current_in_another_event_loop() -> None:
    sessions = provider()
    bound = sessions.current()

    async def elsewhere() -> bool:
        return bound.is_current()

    assert not await asyncio.to_thread(asyncio.run, elsewhere())
    await sessions.aclose()
