from __future__ import annotations

import pytest

from scope_async.errors import ConnectionError, ValidationError
from scope_async.telemetry.events import CacheHit, StaleServed
from tests.fakes.transport import prompt_service

DOWN = ConnectionError("no route")


async def test_copy_that_may_be_revalidated_is_served_and_nothing_is_sent():
    async with prompt_service(cache_ttl=10, stale_while_revalidate=60) as served:
        version = await served.get("p")
        served.clock.advance(11)
        assert served.api.peek("p") is None
        assert served.api.peek_stale("p") is version
        assert [event.fresh for event in served.seen(CacheHit)] == [False]
        await served.settle()
        assert served.transport.paths == ["p/production"]


async def test_refresh_starts_the_fetch_once():
    async with prompt_service(cache_ttl=10, stale_while_revalidate=60) as served:
        await served.get("p")
        served.clock.advance(11)
        served.transport.number = 2
        for _ in range(3):
            served.api.refresh("p")
        await served.settle()
        assert await served.number() == 2
        assert served.transport.paths == ["p/production"] * 2


async def test_refresh_of_a_fresh_copy_sends_nothing():
    async with prompt_service() as served:
        await served.get("p")
        served.api.refresh("p")
        await served.settle()
        assert served.transport.paths == ["p/production"]


async def test_copy_stands_in_while_the_service_is_known_to_be_down():
    async with prompt_service(cache_ttl=10, stale_while_revalidate=0) as served:
        await served.get("p")
        served.clock.advance(11)
        assert served.api.peek_stale("p") is None  # a read would wait for the service
        served.transport.failure = DOWN
        await served.get("p")
        copy = served.api.peek_stale("p")
        assert copy is not None
        assert copy.is_stale
        assert len(served.seen(StaleServed)) == 2


async def test_peek_stale_serves_nothing_from_outside_of_the_memory_or_without_a_cache():
    async with prompt_service() as served:
        assert served.api.peek_stale("p") is None
        with pytest.raises(ValidationError):
            served.api.peek_stale("")
    async with prompt_service(cache_enabled=False) as served:
        await served.get("p")
        assert served.api.peek_stale("p") is None
