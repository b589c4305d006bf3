from __future__ import annotations

import asyncio

import pytest

from scope_async._core.semaphore import FifoSemaphore


async def waiting(turns: FifoSemaphore, name: str, order: list[str]) -> None:
    await turns.wait()
    order.append(name)


async def start(turns: FifoSemaphore, *names: str) -> tuple[list[asyncio.Task[None]], list[str]]:
    order: list[str] = []
    tasks = [asyncio.create_task(waiting(turns, name, order)) for name in names]
    await asyncio.sleep(0)
    return tasks, order


async def test_a_free_turn_is_taken_and_no_more_than_there_are() -> None:
    turns = FifoSemaphore(2)
    assert [turns.take() for _ in range(3)] == [True, True, False]
    turns.give_back()
    assert turns.take()


async def test_whoever_came_first_is_first_and_nobody_gets_in_between() -> None:
    turns = FifoSemaphore(1)
    assert turns.take()
    tasks, order = await start(turns, "a", "b")
    turns.give_back()
    assert not turns.take()
    turns.give_back()
    await asyncio.gather(*tasks)
    assert order == ["a", "b"]


async def test_a_waiter_that_is_cancelled_loses_no_turn() -> None:
    turns = FifoSemaphore(1)
    assert turns.take()
    tasks, order = await start(turns, "a", "b")
    tasks[0].cancel()
    await asyncio.sleep(0)
    turns.give_back()
    await tasks[1]
    assert order == ["b"]


async def test_a_waiter_that_is_cancelled_after_it_got_its_turn_hands_it_on() -> None:
    turns = FifoSemaphore(1)
    assert turns.take()
    tasks, order = await start(turns, "a", "b")
    turns.give_back()
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    await tasks[1]
    assert order == ["b"]
    turns.give_back()
    assert turns.take()


async def test_a_turn_given_back_in_the_step_of_a_cancellation_is_not_lost() -> None:
    turns = FifoSemaphore(1)
    assert turns.take()
    tasks, _ = await start(turns, "a")
    tasks[0].cancel()
    turns.give_back()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert turns.take()
