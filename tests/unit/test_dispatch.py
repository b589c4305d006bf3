"""Hooks never hurt, never delay, and are told of once when they raise."""

from __future__ import annotations

import asyncio

import pytest

from scope_async._background import Background
from scope_async.telemetry.dispatch import Dispatcher
from scope_async.telemetry.events import Event, TokenWaited
from tests.auth_double import settle

EVENT = TokenWaited(duration_ms=1.0)


async def test_a_hook_that_raises_is_logged_once_and_called_further(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Event] = []

    def broken(event: Event, /) -> None:
        seen.append(event)
        raise ValueError("mine")

    dispatch = Dispatcher([broken, seen.append], Background())
    for _ in range(3):
        dispatch(EVENT)
    assert seen == [EVENT] * 6
    assert len([record for record in caplog.records if record.name == "scope_async.telemetry"]) == 1


async def test_an_async_hook_runs_in_the_background(caplog: pytest.LogCaptureFixture) -> None:
    background, seen, gate = Background(), [], asyncio.Event()

    async def slow(event: Event, /) -> None:
        await gate.wait()
        seen.append(event)
        raise ValueError("mine")

    dispatch = Dispatcher([slow], background)
    dispatch(EVENT)
    dispatch(EVENT)
    assert seen == []
    gate.set()
    await settle()
    assert seen == [EVENT, EVENT]
    assert len(caplog.records) == 1
    assert background.running
    await background.aclose()


async def test_after_the_close_an_async_hook_is_dropped_without_a_warning() -> None:
    background = Background()
    background.start()
    await background.aclose()

    async def hook(_: Event, /) -> None:
        raise AssertionError("never runs")

    Dispatcher([hook], background)(EVENT)


def test_without_hooks_nobody_listens() -> None:
    assert not Dispatcher([], Background()).observed
