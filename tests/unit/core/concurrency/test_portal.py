from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator

import pytest

from scope_async._core.concurrency.background import Background
from scope_async._core.concurrency.portal import run_at_home
from scope_async.errors import ClientClosedError

name = contextvars.ContextVar("name", default="none")


@pytest.fixture
async def background() -> AsyncIterator[Background]:
    background = Background()
    background.start()
    yield background
    await background.aclose()


async def where() -> tuple[asyncio.AbstractEventLoop, str]:
    await asyncio.sleep(0)
    return asyncio.get_running_loop(), name.get()


async def in_other_loop(main):
    return await asyncio.to_thread(asyncio.run, main)


async def called(background, function):
    return await run_at_home(background, function)


async def test_run_at_home_in_the_home_loop_is_a_plain_await(background) -> None:
    assert await run_at_home(background, where) == (asyncio.get_running_loop(), "none")


async def test_run_at_home_from_another_loop_runs_in_the_home_loop_with_the_callers_context(
    background,
) -> None:
    async def caller():
        name.set("caller")
        return await run_at_home(background, where)

    assert await in_other_loop(caller()) == (asyncio.get_running_loop(), "caller")


async def test_run_at_home_raises_what_the_function_raised(background) -> None:
    async def failing() -> None:
        raise KeyError("own")

    with pytest.raises(KeyError, match="own"):
        await in_other_loop(called(background, failing))


async def test_run_at_home_cancels_its_own_call_alone(background) -> None:
    cancelled, release = asyncio.Event(), asyncio.Event()

    async def waiting() -> str:
        try:
            await release.wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return "done"

    async def impatient() -> None:
        async with asyncio.timeout(0.05):
            await run_at_home(background, waiting)

    other = asyncio.ensure_future(in_other_loop(called(background, waiting)))
    with pytest.raises(TimeoutError):
        await in_other_loop(impatient())
    await cancelled.wait()
    release.set()
    assert await other == "done"


async def test_run_at_home_makes_the_call_again_when_the_home_loop_has_ended() -> None:
    background, begun = Background(), threading.Event()

    async def first_only_begins() -> asyncio.AbstractEventLoop:
        if not begun.is_set():
            begun.set()
            await asyncio.Event().wait()
        return asyncio.get_running_loop()

    async def short_lived() -> None:
        background.start()
        await asyncio.to_thread(begun.wait)

    async def caller() -> bool:
        while not background.running:
            await asyncio.sleep(0.001)
        return await run_at_home(background, first_only_begins) is asyncio.get_running_loop()

    home = asyncio.ensure_future(in_other_loop(short_lived()))
    assert await caller()
    await home
    await background.aclose()


async def test_run_at_home_of_a_closed_background_says_so(background) -> None:
    await background.aclose()
    with pytest.raises(ClientClosedError):
        await in_other_loop(run_at_home(background, where))
