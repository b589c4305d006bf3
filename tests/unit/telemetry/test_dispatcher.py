"""A failing or slow hook never affects a request, and is logged once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from scope_async._core.concurrency.background import Background
from scope_async.config import Config
from scope_async.telemetry.dispatcher import Dispatcher, hooks_for_client
from scope_async.telemetry.events import Event, Hook, TokenWaited
from tests.fakes.exchange import ADDRESSES, settle

EVENT = TokenWaited(duration_ms=1.0)


async def test_hook_that_raises_is_logged_once_and_called_further(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Event] = []

    def broken(event: Event, /) -> None:
        seen.append(event)
        raise ValueError("mine")

    dispatch = Dispatcher([broken, seen.append], Background())
    for _ in range(3):
        dispatch(EVENT)
    assert seen == [EVENT] * 6
    assert len([record for record in caplog.records if record.name == "scope_async.telemetry"]) == 1


async def test_async_hook_runs_in_the_background(caplog: pytest.LogCaptureFixture) -> None:
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


async def test_async_hook_after_aclose_is_dropped_without_a_warning() -> None:
    background = Background()
    background.start()
    await background.aclose()

    async def hook(_: Event, /) -> None:
        raise AssertionError("never runs")

    Dispatcher([hook], background)(EVENT)


class Adds:
    """A hook that adds a header to every request."""

    def __init__(self, name: str, error: Exception | None = None) -> None:
        self.name = name
        self.error = error

    def __call__(self, event: Event, /) -> None:
        pass

    def inject(self, request_id: str, headers: dict[str, str], /) -> None:
        headers[self.name] = request_id
        if self.error is not None:
            raise self.error


def test_inject_calls_the_propagators(caplog: pytest.LogCaptureFixture) -> None:
    headers: dict[str, str] = {}
    dispatch = Dispatcher([Adds("a", ValueError("mine")), lambda _: None, Adds("b")], Background())
    Dispatcher([dispatch], Background()).inject("r", headers)
    dispatch.inject("r", headers)
    assert headers == {"a": "r", "b": "r"}
    assert len(caplog.records) == 1


class Wraps(Adds):
    """A hook that puts something around each attempt, and fails there if it has an error."""

    def __init__(self, name: str, log: list[str], error: Exception | None = None) -> None:
        super().__init__(name, error)
        self.log = log

    @contextmanager
    def around_attempt(self, request_id: str, /) -> Iterator[None]:
        self.log.append(f"{self.name} in")
        try:
            yield
        finally:
            self.log.append(f"{self.name} out")
            if self.error is not None:
                raise self.error


def test_attempt_is_wrapped_by_every_hook_whatever_they_raise(caplog: pytest.LogCaptureFixture) -> None:
    log: list[str] = []
    dispatch = Dispatcher([Wraps("a", log), Adds("b"), Wraps("c", log, ValueError("mine"))], Background())
    around = Dispatcher([dispatch], Background()).around_attempt("r")
    assert around is not None
    with pytest.raises(KeyError), around:
        raise KeyError
    assert log == ["a in", "c in", "c out", "a out"]
    assert len(caplog.records) == 1
    assert Dispatcher([Adds("b")], Background()).around_attempt("r") is None


def test_hook_for_each_client_is_called_in_place_of_its_maker() -> None:
    class Maker:
        def __call__(self, _: Event, /) -> None:
            raise AssertionError("never called")

        def for_client(self, *, base_url: str, environment: str) -> Hook:
            return Adds(f"{base_url} {environment}")

    plain = Adds("plain")
    made, same = hooks_for_client([Maker(), plain], Config(**ADDRESSES))
    assert isinstance(made, Adds)
    assert made.name == f"{ADDRESSES['base_url']} production"
    assert same is plain


async def test_async_hook_that_falls_behind_misses_events(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scope_async.telemetry.dispatcher._MAX_PENDING", 2)
    background, seen, gate = Background(), [], asyncio.Event()

    async def slow(event: Event, /) -> None:
        await gate.wait()
        seen.append(event)

    dispatch = Dispatcher([slow], background)
    for _ in range(5):
        dispatch(EVENT)
    assert [record.message.split(" ", 1)[0] for record in caplog.records] == ["the"]
    assert "too slow" in caplog.text
    gate.set()
    await settle()
    assert len(seen) == 2
    dispatch(EVENT)
    await settle()
    assert len(seen) == 3
    await background.aclose()


async def test_emit_final_waits_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scope_async.telemetry.dispatcher._FINAL_TIMEOUT", 0.0)
    background, seen = Background(), []

    async def quick(event: Event, /) -> None:
        seen.append(event)

    async def endless(_: Event, /) -> None:
        await asyncio.Event().wait()

    def broken(_: Event, /) -> None:
        raise ValueError("mine")

    await Dispatcher([broken, quick, endless, seen.append], background).emit_final(EVENT)
    assert EVENT in seen


def test_async_hook_without_an_event_loop_is_dropped_without_a_warning() -> None:
    async def hook(_: Event, /) -> None:
        raise AssertionError("never runs")

    Dispatcher([hook], Background())(EVENT)


def test_has_hooks_is_false_without_hooks() -> None:
    assert not Dispatcher([], Background()).has_hooks


@pytest.mark.parametrize("awaited", [True, False])
async def test_async_hook_whose_own_work_was_cancelled_ends_nothing_else(awaited: bool) -> None:
    background = Background()
    background.start()

    async def waits(_: Event, /) -> None:
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    def raises(_: Event, /) -> None:
        raise asyncio.CancelledError

    dispatch = Dispatcher([waits if awaited else raises], background)
    dispatch(EVENT)
    await settle()
    assert background.running
    await background.aclose()
