from __future__ import annotations

import asyncio

import pytest

from scope_async._core.concurrency.semaphore import FifoSemaphore


async def waiting(semaphore: FifoSemaphore, name: str, order: list[str]) -> None:
    await semaphore.acquire()
    order.append(name)


async def start(semaphore: FifoSemaphore, *names: str) -> tuple[list[asyncio.Task[None]], list[str]]:
    order: list[str] = []
    tasks = [asyncio.create_task(waiting(semaphore, name, order)) for name in names]
    await asyncio.sleep(0)
    return tasks, order


async def test_acquire_nowait_takes_no_more_permits_than_the_limit() -> None:
    semaphore = FifoSemaphore(2)
    assert [semaphore.acquire_nowait() for _ in range(3)] == [True, True, False]
    semaphore.release()
    assert semaphore.acquire_nowait()


async def test_acquire_is_first_in_first_out_and_acquire_nowait_does_not_overtake() -> None:
    semaphore = FifoSemaphore(1)
    assert semaphore.acquire_nowait()
    tasks, order = await start(semaphore, "a", "b")
    semaphore.release()
    assert not semaphore.acquire_nowait()
    semaphore.release()
    await asyncio.gather(*tasks)
    assert order == ["a", "b"]


async def test_cancelled_waiter_loses_no_permit() -> None:
    semaphore = FifoSemaphore(1)
    assert semaphore.acquire_nowait()
    tasks, order = await start(semaphore, "a", "b")
    tasks[0].cancel()
    await asyncio.sleep(0)
    semaphore.release()
    await tasks[1]
    assert order == ["b"]


async def test_waiter_cancelled_after_it_got_a_permit_hands_it_on() -> None:
    semaphore = FifoSemaphore(1)
    assert semaphore.acquire_nowait()
    tasks, order = await start(semaphore, "a", "b")
    semaphore.release()
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    await tasks[1]
    assert order == ["b"]
    semaphore.release()
    assert semaphore.acquire_nowait()


async def test_permit_released_in_the_step_of_a_cancellation_is_not_lost() -> None:
    semaphore = FifoSemaphore(1)
    assert semaphore.acquire_nowait()
    tasks, _ = await start(semaphore, "a")
    tasks[0].cancel()
    semaphore.release()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert semaphore.acquire_nowait()
