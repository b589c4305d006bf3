"""One timer for many calls: who is cancelled, when, and what passes through."""

from __future__ import annotations

import asyncio

import pytest

from scope_async.http.deadlines import Deadlines

NEVER = 3600.0


def deadlines() -> tuple[Deadlines, float]:
    loop = asyncio.get_running_loop()
    return Deadlines(loop), loop.time()


async def wait_until(kept: Deadlines, when: float) -> str:
    try:
        with kept.at(when):
            await asyncio.get_running_loop().create_future()
    except TimeoutError:
        return "expired"
    return "ended"


async def test_deadline_ends_its_block_and_leaves_the_task_usable() -> None:
    kept, now = deadlines()
    task = asyncio.current_task()
    assert task is not None

    assert await wait_until(kept, now + 0.01) == "expired"

    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_deadline_that_has_passed_ends_its_block_at_the_next_await() -> None:
    kept, now = deadlines()
    assert await wait_until(kept, now - 1.0) == "expired"


@pytest.mark.parametrize("order", [(0.01, 0.03, NEVER), (NEVER, 0.03, 0.01)], ids=["rising", "falling"])
async def test_deadline_ends_its_own_call_alone(order: tuple[float, ...]) -> None:
    kept, now = deadlines()
    calls = {seconds: asyncio.create_task(wait_until(kept, now + seconds)) for seconds in order}

    for seconds in (0.01, 0.03):
        assert await calls[seconds] == "expired"
        assert not calls[NEVER].done()

    calls[NEVER].cancel()
    with pytest.raises(asyncio.CancelledError):
        await calls[NEVER]


async def test_deadline_leaves_a_block_that_ended_before_it() -> None:
    kept, now = deadlines()
    with kept.at(now + 0.01):
        pass
    assert await wait_until(kept, now + 0.02) == "expired"


async def test_deadline_lets_a_cancellation_at_the_same_time_through() -> None:
    kept, now = deadlines()
    call = asyncio.create_task(wait_until(kept, now + NEVER))
    await asyncio.sleep(0)
    (deadline,) = kept._under_way

    deadline.expire()
    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call


async def test_deadline_lets_an_error_of_its_block_through() -> None:
    kept, now = deadlines()
    with pytest.raises(KeyError), kept.at(now + 0.01):
        try:
            await asyncio.sleep(NEVER)
        finally:
            raise KeyError
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]
