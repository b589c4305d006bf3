"""`ClientStore`: bound to the credentials in use, in whichever event loop."""

from __future__ import annotations

import asyncio

from scope_async import ApiKeyCredentials
from scope_async._core.clock import SystemClock
from scope_async._core.concurrency.background import Background
from scope_async.config import Config
from scope_async.stores.client_store import ClientStore
from scope_async.stores.shared_entries import Fetched, SharedEntries
from tests.fakes.exchange import ADDRESSES
from tests.fakes.memory_store import MemoryStore

CREDENTIALS = ApiKeyCredentials("org_1", "key_1", "a secret of many characters")


def client_store(store: MemoryStore | None = None, background: Background | None = None) -> ClientStore:
    return ClientStore(
        store or MemoryStore(SystemClock().monotonic),
        Config(**ADDRESSES),
        background=background or Background(),
        clock=SystemClock(),
        emit=None,
    )


async def test_entries_are_those_of_the_credentials_in_use() -> None:
    store = client_store()
    first = store.entries_for(CREDENTIALS)
    assert store.entries_for(CREDENTIALS.__replace__()) is first
    assert await store.entries() is first
    second = store.entries_for(CREDENTIALS.__replace__(api_secret="another secret of many characters"))
    assert isinstance(first, SharedEntries)
    assert isinstance(second, SharedEntries)
    assert first.slot("token") != second.slot("token")


async def test_entries_are_none_until_credentials_are_known(monkeypatch) -> None:
    monkeypatch.setattr("scope_async.stores.client_store.OPERATION_TIMEOUT", 0.01)
    store = client_store()
    assert await store.entries() is None
    waiting = asyncio.create_task(store.entries())
    await asyncio.sleep(0)
    found = store.entries_for(CREDENTIALS)
    assert await waiting is found


def test_credentials_stay_known_in_the_next_event_loop(new_loop) -> None:
    background, fetches = Background(), []
    store = client_store(background=background)

    async def fetch() -> Fetched:
        fetches.append(True)
        return Fetched(b"content", lifetime=60)

    async def obtain(credentials: ApiKeyCredentials | None) -> None:
        background.start()
        if credentials is not None:
            store.entries_for(credentials)
        entries = await store.entries()
        assert entries is not None
        await entries.obtain(entries.slot("prompt", "p"), fetch)
        await store.flush()

    for credentials in (CREDENTIALS, None):
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(obtain(credentials))
    assert fetches == [True]


async def test_flush_returns_when_the_jobs_are_done() -> None:
    background = Background()
    store, done = client_store(background=background), []
    await store.flush()
    background.start()

    async def job() -> None:
        await asyncio.sleep(0.01)
        done.append(True)

    store.jobs.add(job)
    await store.flush()
    assert done == [True]
    await background.aclose()
